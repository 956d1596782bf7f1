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
        Self { agent: agent(), host, sender, outcomes, failing: BTreeSet::new() }
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

fn agent() -> ureq::Agent {
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(WHOLE))
        .max_redirects(0)
        .proxy(None)
        .tls_config(tls)
        .user_agent(concat!("shimmer/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// What becomes of a post to a receiver that answers so.
    fn outcome(answer: &str) -> Result<(), (Failure, String)> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let answer = answer.to_owned();
        let receiver = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 4_096];
            let mut length = 0;
            while !asked[..length].ends_with(b"{}") {
                length += stream.read(&mut asked[length..]).unwrap();
            }
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let result = deliver(&agent(), &url, "{}");
        receiver.join().unwrap();
        result
    }

    #[test]
    fn an_answer_decides_whether_and_when_it_is_tried_again() {
        let answer = |status: &str| format!("HTTP/1.1 {status}\r\ncontent-length: 4\r\n\r\nwhy\n");
        assert_eq!(outcome(&answer("200 OK")), Ok(()));
        assert_eq!(
            outcome(&answer("204 No Content").replace("4\r\n\r\nwhy\n", "0\r\n\r\n")),
            Ok(())
        );
        for (status, failure) in [
            ("503 Service Unavailable", Failure::Unreachable),
            ("429 Too Many Requests", Failure::Unreachable),
            ("400 Bad Request", Failure::Refused),
            ("302 Found", Failure::Refused),
        ] {
            let (found, why) = outcome(&answer(status)).unwrap_err();
            assert_eq!(found, failure, "{status}");
            assert_eq!(why, format!("answers {status}: why"));
        }
        assert_eq!(outcome("").unwrap_err().0, Failure::Unreachable, "closed without an answer");
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let refused = deliver(&agent(), &format!("http://{nobody}/"), "{}").unwrap_err();
        assert_eq!(refused.0, Failure::Unreachable);
    }

    #[test]
    fn what_the_sandbox_refuses_says_what_to_permit() {
        let why = ureq::Error::Io(io::Error::from(io::ErrorKind::PermissionDenied));
        assert!(explain(&why).contains("permissions = { net"), "{}", explain(&why));
    }
}
