//! Every call to the host passes here. Rule: no call is inside the host when `close` returns, and none enters after.

#![allow(unsafe_code, reason = "calls the host's function table")]

use std::ffi::CStr;
use std::ptr;
use std::sync::{Arc, PoisonError, RwLock};

use shimmer_abi as abi;
use shimmer_abi::{Bytes, LogLevel, MetricKind, Status, Str};

use crate::{Error, borrow};

/// The host's tables, as long as it allows.
///
/// A read lock spans each call, so that `close`, which takes the write lock, waits for calls under way. Host calls
/// never come back into the plugin, so a thread never holds the lock twice.
pub(crate) struct Gate {
    tables: RwLock<Option<Tables>>,
}

#[derive(Clone, Copy)]
struct Tables {
    host: *const abi::Host,
    metrics: *const abi::MetricsHost,
    topics: *const abi::TopicsHost,
    node: *const abi::NodeHost,
    relay: *const abi::RelayHost,
}

// SAFETY: the tables are constant, and their functions are callable from any thread.
unsafe impl Send for Tables {}
// SAFETY: as for `Send`.
unsafe impl Sync for Tables {}

impl Gate {
    /// Opens the gate, or `None` when the host is null or lacks a function.
    ///
    /// # Safety
    /// Unless null, `host` stays valid until [`Gate::close`] has returned.
    pub(crate) unsafe fn open(host: *const abi::Host) -> Option<Arc<Self>> {
        // SAFETY: null is handled, and else the caller vouches for it.
        let table = unsafe { host.as_ref() }?;
        table.emit_event.and(table.emit_alert)?;
        table.set_weight?;
        table.log.is_some().then_some(())?;
        table.set_error?;
        let find = table.get_extension?;
        let ask = |id: &CStr| {
            // SAFETY: the host is valid and the identifier ends in NUL.
            unsafe { find(host, id.as_ptr()) }
        };
        let tables = Tables {
            host,
            metrics: ask(abi::METRICS_ID).cast(),
            topics: ask(abi::TOPICS_ID).cast(),
            node: ask(abi::NODE_ID).cast(),
            relay: ask(abi::RELAY_ID).cast(),
        };
        Some(Arc::new(Self { tables: RwLock::new(Some(tables)) }))
    }

    /// Ends all calls: waits for those under way and refuses later ones.
    pub(crate) fn close(&self) {
        *self.tables.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Emits an event; the sequence is `None` inside a transaction.
    pub(crate) fn emit_event(&self, event: &abi::Event) -> Result<Option<u64>, Error> {
        let mut seq = 0;
        let status = self.call(|tables| {
            // SAFETY: the host is valid while the gate is open; arguments outlive the call.
            unsafe {
                let emit = (*tables.host).emit_event?;
                Some(emit(tables.host, event, &raw mut seq))
            }
        })?;
        Error::check(status, "emit event")?;
        Ok((seq != 0).then_some(seq))
    }

    /// Emits an alert; as [`Gate::emit_event`].
    pub(crate) fn emit_alert(&self, alert: &abi::Alert) -> Result<Option<u64>, Error> {
        let mut seq = 0;
        let status = self.call(|tables| {
            // SAFETY: as in `emit_event`.
            unsafe {
                let emit = (*tables.host).emit_alert?;
                Some(emit(tables.host, alert, &raw mut seq))
            }
        })?;
        Error::check(status, "emit alert")?;
        Ok((seq != 0).then_some(seq))
    }

    pub(crate) fn set_weight(&self, source: &str, weight: f64) -> Result<(), Error> {
        let status = self.call(|tables| {
            // SAFETY: as in `emit_event`.
            unsafe { Some((*tables.host).set_weight?(tables.host, Str::new(source), weight)) }
        })?;
        Error::check(status, "set weight")
    }

    /// One line for the log; lost when the gate is closed.
    pub(crate) fn log(&self, level: LogLevel, message: &str) {
        let _gone = self.call(|tables| {
            // SAFETY: as in `emit_event`.
            unsafe { (*tables.host).log?(tables.host, level, Str::new(message)) };
            Some(Status::OK)
        });
    }

    /// Why the call under way will fail; lost when the gate is closed.
    pub(crate) fn set_error(&self, message: &str) {
        let _gone = self.call(|tables| {
            // SAFETY: as in `emit_event`.
            unsafe { (*tables.host).set_error?(tables.host, Str::new(message)) };
            Some(Status::OK)
        });
    }

    pub(crate) fn publish(&self, topic: &str, event: &str, message: &str) -> Result<(), Error> {
        let status = self.call(|tables| {
            // SAFETY: an extension is valid as long as the host; arguments outlive the call.
            unsafe {
                let publish = tables.topics.as_ref()?.publish?;
                let message = Bytes::new(message.as_bytes());
                Some(publish(tables.host, Str::new(topic), Str::new(event), message))
            }
        })?;
        Error::check(status, "publish")
    }

    /// Declares a metric and answers its handle.
    pub(crate) fn declare(
        &self,
        kind: MetricKind,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<u32, Error> {
        let labels: Vec<Str> = labels.iter().map(|label| Str::new(label)).collect();
        let mut id = 0;
        let status = self.call(|tables| {
            let (name, help) = (Str::new(name), Str::new(help));
            // SAFETY: as in `publish`.
            unsafe {
                let declare = tables.metrics.as_ref()?.declare?;
                let (ptr, len) = (labels.as_ptr(), labels.len());
                Some(declare(tables.host, kind, name, help, ptr, len, &raw mut id))
            }
        })?;
        Error::check(status, "declare metric")?;
        Ok(id)
    }

    pub(crate) fn metric_set(&self, id: u32, labels: &[&str], value: f64) -> Result<(), Error> {
        let status = self.with_labels(labels, |tables, ptr, len| {
            // SAFETY: as in `publish`.
            unsafe { Some(tables.metrics.as_ref()?.set?(tables.host, id, ptr, len, value)) }
        })?;
        Error::check(status, "set metric")
    }

    pub(crate) fn metric_add(&self, id: u32, labels: &[&str], value: f64) -> Result<(), Error> {
        let status = self.with_labels(labels, |tables, ptr, len| {
            // SAFETY: as in `publish`.
            unsafe { Some(tables.metrics.as_ref()?.add?(tables.host, id, ptr, len, value)) }
        })?;
        Error::check(status, "add to metric")
    }

    /// What the host says of itself by one of the functions of `shimmer.node/1`.
    pub(crate) fn node(
        &self,
        pick: impl FnOnce(&abi::NodeHost) -> Option<unsafe extern "C" fn(*const abi::Host) -> Str>,
    ) -> Result<String, Error> {
        let mut text = String::new();
        let status = self.call(|tables| {
            // SAFETY: as in `publish`; the answer is readable as long as the host, and copied here.
            unsafe {
                let function = pick(tables.node.as_ref()?)?;
                text.push_str(borrow::text(function(tables.host)));
            }
            Some(Status::OK)
        })?;
        Error::check(status, "ask the node")?;
        Ok(text)
    }

    /// Whether the value of an `Authorization` header lets its bearer write here.
    pub(crate) fn authorize(&self, authorization: &str) -> Result<bool, Error> {
        let status = self.call(|tables| {
            // SAFETY: as in `publish`.
            unsafe {
                let authorize = tables.node.as_ref()?.authorize?;
                Some(authorize(tables.host, Str::new(authorization)))
            }
        })?;
        match status {
            Status::DENIED => Ok(false),
            status => Error::check(status, "authorize").map(|()| true),
        }
    }

    /// Hands over events of other nodes; as many outcomes as events.
    pub(crate) fn relay(&self, events: &[abi::Relayed]) -> Result<Vec<abi::RelayOutcome>, Error> {
        const NONE: abi::RelayOutcome =
            abi::RelayOutcome { seq: 0, status: Status::FAILED, duplicate: 0 };
        let mut outcomes = vec![NONE; events.len()];
        let status = self.call(|tables| {
            // SAFETY: as in `publish`; there is a place for the outcome of each event.
            unsafe {
                let relay = tables.relay.as_ref()?.relay?;
                Some(relay(tables.host, events.as_ptr(), events.len(), outcomes.as_mut_ptr()))
            }
        })?;
        Error::check(status, "relay")?;
        Ok(outcomes)
    }

    /// Lends the label values to `call`, on the stack: this runs for every event of busy plugins.
    fn with_labels(
        &self,
        labels: &[&str],
        call: impl FnOnce(&Tables, *const Str, usize) -> Option<Status>,
    ) -> Result<Status, Error> {
        let mut values = [Str::EMPTY; abi::MAX_LABELS];
        let Some(lent) = values.get_mut(..labels.len()) else {
            return Ok(Status::INVALID);
        };
        for (value, label) in lent.iter_mut().zip(labels) {
            *value = Str::new(label);
        }
        let len = labels.len();
        let ptr = if len == 0 { ptr::null() } else { values.as_ptr() };
        self.call(|tables| call(tables, ptr, len))
    }

    /// Runs `call` with the tables; `None` from it means that the host lacks the function.
    fn call(&self, call: impl FnOnce(&Tables) -> Option<Status>) -> Result<Status, Error> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        let tables = tables.as_ref().ok_or(Error::Gone)?;
        Ok(call(tables).unwrap_or(Status::UNSUPPORTED))
    }
}
