//! A host in miniature for a plugin's own tests: no process, no ring, no clock; effects wait in a list to be looked at.
//!
//! [`Bench`] calls the plugin through its exported functions, exactly as the real host does, so a test that passes
//! here went through the same boundary.

mod columns;
mod driver;
mod recorder;
#[cfg(test)]
mod tests;

pub use columns::Input;
pub use recorder::{Effect, Handed, Message};

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use shimmer_abi::{LogLevel, Status};

use crate::{Plugin, entry};
use columns::Lent;
use driver::Driver;
use recorder::Recorder;

/// Why a callback failed: its status, and what it told the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The status that the callback answered.
    pub status: Status,
    /// What it said of the reason.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "status {}: {}", self.status.0, self.message)
    }
}

impl std::error::Error for Failure {}

/// What a route answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers in the order they were added.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text, empty when it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }
}

/// One instance of a plugin and the host that it sees. Dropping it stops and destroys the instance.
pub struct Bench<P: Plugin> {
    // Declared first, so dropped first: the instance may call the host while it ends.
    driver: Driver,
    recorder: Recorder,
    plugin: PhantomData<P>,
}

impl<P: Plugin> Bench<P> {
    /// Makes and starts an instance with this configuration, a JSON object.
    ///
    /// # Errors
    /// When the plugin refuses the configuration or fails to start.
    pub fn new(config: &str) -> Result<Self, Failure> {
        Self::create(config)?.begun(None)
    }

    /// As [`Bench::new`], but the instance takes back a state that was saved after sequence `cursor`.
    ///
    /// # Errors
    /// As [`Bench::new`], or when the plugin refuses the state.
    pub fn restored(config: &str, blob: &[u8], cursor: u64) -> Result<Self, Failure> {
        Self::create(config)?.begun(Some((blob, cursor)))
    }

    /// As [`Bench::new`] with a folder of the plugin's own and, with `saved`, as [`Bench::restored`].
    ///
    /// # Errors
    /// As those.
    pub fn in_folder(
        folder: &Path,
        config: &str,
        saved: Option<(&[u8], u64)>,
    ) -> Result<Self, Failure> {
        let bench = Self::create(config)?;
        bench.recorder.lock().folder = folder.to_string_lossy().into_owned();
        bench.begun(saved)
    }

    /// Gives the plugin a batch; those events are selected whose kind it asks for. A failure discards the effects.
    ///
    /// # Errors
    /// When the plugin's `process` fails or panics.
    pub fn feed(&mut self, inputs: &[Input]) -> Result<(), Failure> {
        let lent = Lent::new(self.recorder.take_seqs(inputs.len()), inputs, P::KINDS);
        self.transaction(|driver| driver.process(&lent.batch()))
    }

    /// Lets time pass. A failure discards the effects.
    ///
    /// # Errors
    /// When the plugin's `tick` fails or panics.
    pub fn tick(&mut self, now_ns: i64) -> Result<(), Failure> {
        self.transaction(|driver| driver.tick(now_ns))
    }

    /// Asks one of the plugin's routes; `path` may hold a query. No token is checked.
    ///
    /// # Errors
    /// When no route matches, or the plugin's `handle` fails or panics.
    pub fn request(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Answer, Failure> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let matched = P::ROUTES.iter().enumerate().find_map(|(index, route)| {
            let params = parameters(route.pattern(), path)?;
            (route.method() == method).then_some((index, params))
        });
        let Some((route, params)) = matched else {
            let message = format!("no route for {method} {path}");
            return Err(Failure { status: Status::UNSUPPORTED, message });
        };
        let call = driver::Call { route, params: &params, path, query, body };
        let mut answer = Answer { status: 200, ..Answer::default() };
        self.plain(|driver| driver.handle(&call, &mut answer))?;
        Ok(answer)
    }

    /// The state that the plugin saves now.
    ///
    /// # Errors
    /// When it saves none, or fails.
    pub fn save(&mut self) -> Result<Vec<u8>, Failure> {
        let mut blob = Vec::new();
        self.plain(|driver| driver.save(&mut blob))?;
        Ok(blob)
    }

    /// Takes what was emitted since the last time: events, and alerts as the events they become.
    pub fn take_events(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.recorder.lock().events)
    }

    /// Takes the messages that were published since the last time.
    pub fn take_messages(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.recorder.lock().messages)
    }

    /// Takes the events of other nodes that were handed over since the last time.
    pub fn take_handed(&mut self) -> Vec<Handed> {
        std::mem::take(&mut self.recorder.lock().handed)
    }

    /// The weights that the plugin has set.
    #[must_use]
    pub fn weights(&self) -> BTreeMap<String, f64> {
        self.recorder.lock().weights.clone()
    }

    /// The value of a metric with these label values, 0 before the first change.
    #[must_use]
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        self.recorder.lock().metric(name, labels)
    }

    /// The log so far.
    #[must_use]
    pub fn log(&self) -> Vec<(LogLevel, String)> {
        self.recorder.lock().log.clone()
    }

    fn create(config: &str) -> Result<Self, Failure> {
        let recorder = Recorder::new(P::NAME, P::PERMISSIONS);
        let Some(driver) = Driver::create(&entry::<P>(), recorder.host(), config) else {
            return Err(recorder.failure(Status::INVALID));
        };
        Ok(Self { driver, recorder, plugin: PhantomData })
    }

    fn begun(mut self, saved: Option<(&[u8], u64)>) -> Result<Self, Failure> {
        if let Some((blob, cursor)) = saved {
            self.recorder.skip_to(cursor + 1);
            self.plain(|driver| driver.restore(blob, cursor))?;
        }
        self.plain(|driver| driver.start())?;
        Ok(self)
    }

    fn plain(&mut self, call: impl FnOnce(&mut Driver) -> Status) -> Result<(), Failure> {
        let status = call(&mut self.driver);
        if status.is_ok() { Ok(()) } else { Err(self.recorder.failure(status)) }
    }

    fn transaction(&mut self, call: impl FnOnce(&mut Driver) -> Status) -> Result<(), Failure> {
        self.recorder.begin();
        let outcome = self.plain(call);
        self.recorder.end(outcome.is_ok());
        outcome
    }
}

/// The parameters of `path` if it has the form of `pattern`.
fn parameters(pattern: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut out = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(out),
            (Some(want), Some(is)) => {
                match want.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
                    Some(name) => out.push((name, is.to_owned())),
                    None if want == is => {}
                    None => return None,
                }
            }
            _ => return None,
        }
    }
}
