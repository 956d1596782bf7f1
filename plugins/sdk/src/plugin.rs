//! What a plugin author implements; everything but `create` and `process` has a default.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::{Batch, Error, Host, Request, Response, Route};

/// A plugin: constants that describe it, and callbacks.
///
/// All callbacks of an instance run on one thread, never two at once, except `create` and `Drop`, which run on the
/// thread that loads the library, before and after all others.
pub trait Plugin: Sized + Send + 'static {
    /// `[a-z0-9-]{1,64}`, checked when the plugin is compiled.
    const NAME: &'static str;
    /// Version, semver.
    const VERSION: &'static str = "0.1.0";
    /// One sentence for people.
    const DESCRIPTION: &'static str = "";
    /// Kinds of event that [`Batch::iter`] visits; empty = every kind. At most 64.
    const KINDS: &'static [&'static str] = &[];
    /// Permissions that the configuration must grant, such as `net=listen:8091`, `weights` or `source=*`. At most 64.
    const PERMISSIONS: &'static [&'static str] = &[];
    /// Time between two calls of [`Plugin::tick`]; zero = never, else at least 10 ms.
    const TICK: Duration = Duration::ZERO;
    /// HTTP routes that [`Plugin::handle`] answers. At most 64.
    const ROUTES: &'static [Route] = &[];
    /// Whether [`Plugin::save`] and [`Plugin::restore`] are implemented.
    const STATEFUL: bool = false;

    /// The plugin's own part of the configuration; [`crate::NoConfig`] when there is none.
    type Config: DeserializeOwned;

    /// Makes an instance. An error refuses the configuration; let it name the field and the remedy, in a line for
    /// each error.
    ///
    /// It is also how a configuration is checked, beside a node that runs, with nothing but `Drop` after it: threads
    /// and listeners belong into [`Plugin::start`].
    ///
    /// # Errors
    /// Whatever keeps the plugin from running.
    fn create(config: Self::Config, host: Host) -> Result<Self, Error>;

    /// The first call on the plugin's own thread, after a [`Plugin::restore`].
    ///
    /// # Errors
    /// An error counts as a crash.
    fn start(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Takes a run of events. What is emitted inside is one transaction with the run.
    ///
    /// # Errors
    /// An error discards the effects of this call; the run comes again after a restart.
    fn process(&mut self, batch: &Batch<'_>) -> Result<(), Error>;

    /// Time passes; `now_ns` is Unix time in nanoseconds. Its effects are one transaction too.
    ///
    /// # Errors
    /// As [`Plugin::process`].
    fn tick(&mut self, now_ns: i64) -> Result<(), Error> {
        let _ = now_ns;
        Ok(())
    }

    /// The last call on the plugin's thread: end your own threads here.
    fn stop(&mut self) {}

    /// Answers a request to one of [`Plugin::ROUTES`]. For a stream the answer's body is the first message.
    ///
    /// # Errors
    /// `Invalid` becomes a 400, `Denied` 403, `Limit` 413 and `Busy` 503, each as problem+json; anything else
    /// is a 500 that is logged as the plugin's failure.
    fn handle(&mut self, request: &Request<'_>) -> Result<Response, Error> {
        Ok(Response::problem(404, "Not found", request.path()))
    }

    /// The state after the last event processed, at most 64 MiB; called every few seconds, at stop, and before a
    /// request other than GET is answered with success: what it did outlives the process.
    ///
    /// # Errors
    /// The state is then not saved, and the last saved one stays the newest.
    fn save(&self) -> Result<Vec<u8>, Error> {
        Err(Error::Unsupported("the plugin does not implement save".to_owned()))
    }

    /// Takes back what [`Plugin::save`] gave, before [`Plugin::start`]. Events after sequence `cursor` follow, those
    /// already processed once with their effects dropped: derive the state from the blob and events alone.
    ///
    /// # Errors
    /// [`Error::Unsupported`] refuses a blob of another version, and the plugin starts afresh.
    fn restore(&mut self, blob: &[u8], cursor: u64) -> Result<(), Error> {
        let _ = (blob, cursor);
        Err(Error::Unsupported("the plugin does not implement restore".to_owned()))
    }
}
