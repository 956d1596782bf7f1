//! Notifications on their way to receivers: each on a thread of its own, so that a slow receiver keeps nobody.
//!
//! The rule: every notification that leaves gets an outcome, within a bounded time; the manager bounds how many are
//! out.

use std::collections::BTreeSet;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use shimmer_alerts::{Failure, Notification};
use shimmer_sdk::Host;
use ureq::tls::{RootCerts, TlsConfig};

const CONNECT: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read: what a refusal says of its reason.
const ANSWER_BYTES: u64 = 4 * 1024;
/// Characters of it that are logged.
const SHOWN: usize = 200;

/// Sends, and gathers outcomes.
pub(crate) struct Post {
    agent: ureq::Agent,
    host: Host,
    sender: Sender<Outcome>,
    outcomes: Receiver<Outcome>,
    /// Receivers that failed last: one line in the log when they begin to, and one when they are back.
    failing: BTreeSet<String>,
}

/// What became of a notification.
pub(crate) struct Outcome {
    pub(crate) id: u64,
    pub(crate) receiver: String,
    pub(crate) result: Result<(), (Failure, String)>,
}

impl Post {
    pub(crate) fn new(host: Host) -> Self {
        let (sender, outcomes) = channel();
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(WHOLE))
            .max_redirects(0)
            .proxy(None)
            .tls_config(tls)
            .user_agent(concat!("shimmer/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Self { agent, host, sender, outcomes, failing: BTreeSet::new() }
    }

    /// Sends a notification; its outcome comes later, through [`Post::outcome`].
    pub(crate) fn send(&self, notification: Notification) {
        let (agent, sender) = (self.agent.clone(), self.sender.clone());
        let Notification { id, receiver, target, payload } = notification;
        let name = receiver.clone();
        let work = move || {
            let url = target.url();
            let result = payload.bodies().iter().try_for_each(|body| deliver(&agent, url, body));
            // Nobody waits for it when the plugin has ended; the next one sends it again.
            let _ = sender.send(Outcome { id, receiver, result });
        };
        if let Err(why) = thread::Builder::new().name("notify".to_owned()).spawn(work) {
            let result = Err((Failure::Unreachable, format!("no thread: {why}")));
            let _ = self.sender.send(Outcome { id, receiver: name, result });
        }
    }

    /// The next outcome that is there.
    pub(crate) fn outcome(&mut self) -> Option<Outcome> {
        let outcome = self.outcomes.try_recv().ok()?;
        let Outcome { receiver, result, .. } = &outcome;
        match result {
            Ok(()) if self.failing.remove(receiver) => {
                self.host.info(&format!("receiver {receiver}: takes notifications again"));
            }
            Err((_, why)) if self.failing.insert(receiver.clone()) => {
                self.host.warn(&format!("receiver {receiver}: {why}; it is tried again"));
            }
            _ => {}
        }
        Some(outcome)
    }
}

fn deliver(agent: &ureq::Agent, url: &str, body: &str) -> Result<(), (Failure, String)> {
    let posted = agent.post(url).content_type("application/json").send(body);
    let mut answer = posted.map_err(|why| (Failure::Unreachable, explain(&why)))?;
    let status = answer.status();
    // Read to its end, so that the connection can be used again.
    let text =
        answer.body_mut().with_config().limit(ANSWER_BYTES).lossy_utf8(true).read_to_string();
    if status.is_success() {
        return Ok(());
    }
    let said: String = text.unwrap_or_default().chars().take(SHOWN).collect();
    let failure = match status.as_u16() {
        429 | 500.. => Failure::Unreachable,
        _ => Failure::Refused,
    };
    Err((failure, format!("answers {status}: {}", said.trim())))
}

/// The reason in words, with the remedy where it is the sandbox that refuses.
fn explain(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(why) if why.kind() == io::ErrorKind::PermissionDenied => format!(
            "{why}; let the plugin connect: permissions = {{ net = [\"connect:*\"] }} in its table"
        ),
        other => other.to_string(),
    }
}
