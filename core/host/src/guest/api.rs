//! The function table that a plugin calls: checks every argument, buffers effects inside transactions, asks the host
//! for the rest.

use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use shimmer_abi as abi;
use shimmer_abi::Status;

use super::desk::Desk;
use super::series::{Registry, Update};
use crate::effects::{EmitRules, Encoded, MAX_HOPS};
use crate::wire::{AlertSeverity, DerivedAlert, DerivedEvent, Effect, FromGuest, RelayedEvent};

/// Longest reason of a refusal or failure in bytes.
pub(crate) const MAX_REASON_BYTES: usize = 64 << 10;
/// Bytes of effects that one transaction may hold.
const MAX_TRANSACTION_BYTES: usize = 8 << 20;

/// One plugin's view of the host.
pub(crate) struct Table {
    pub(crate) desk: Arc<Desk>,
    pub(crate) series: Registry,
    rules: EmitRules,
    scratch: Mutex<Encoded>,
    transaction: Mutex<Transaction>,
    error: Mutex<Option<String>>,
    worker: Mutex<Option<ThreadId>>,
    in_transaction: AtomicBool,
    lookup: Box<dyn Fn(u64) -> Option<u32> + Send + Sync>,
    folder: String,
}

#[derive(Default)]
struct Transaction {
    effects: Vec<Effect>,
    bytes: usize,
    /// Hops of what the call was given.
    hops: u8,
}

impl Table {
    /// `lookup` gives the flags of a sequence that is still in the ring; `folder` is the plugin's own, or empty.
    pub(crate) fn new(
        desk: Arc<Desk>,
        rules: EmitRules,
        folder: String,
        lookup: Box<dyn Fn(u64) -> Option<u32> + Send + Sync>,
    ) -> Self {
        Self {
            desk,
            series: Registry::default(),
            rules,
            scratch: Mutex::default(),
            transaction: Mutex::default(),
            error: Mutex::default(),
            worker: Mutex::default(),
            in_transaction: AtomicBool::new(false),
            lookup,
            folder,
        }
    }

    /// The C table; it lives as long as the process, since a plugin's threads may hold it.
    pub(crate) fn leak(self: Arc<Self>) -> &'static abi::Host {
        let ctx = Arc::into_raw(self).cast_mut().cast::<c_void>();
        Box::leak(Box::new(abi::Host {
            abi_version: abi::ABI_VERSION,
            reserved: 0,
            ctx,
            emit_event: Some(emit_event),
            emit_alert: Some(emit_alert),
            set_weight: Some(set_weight),
            log: Some(log),
            set_error: Some(set_error),
            get_extension: Some(get_extension),
        }))
    }

    /// The calling thread is the worker from now on.
    pub(crate) fn adopt_worker(&self) {
        *locked(&self.worker) = Some(std::thread::current().id());
    }

    /// Opens a transaction whose events have at least `hops` plugins before them.
    pub(crate) fn begin(&self, hops: u8) {
        let mut transaction = locked(&self.transaction);
        transaction.effects.clear();
        transaction.bytes = 0;
        transaction.hops = hops;
        // Relaxed: only the worker, which is this thread, decides on it.
        self.in_transaction.store(true, Ordering::Relaxed);
    }

    /// Closes the transaction and gives what was emitted.
    pub(crate) fn end(&self) -> Vec<Effect> {
        // Relaxed: as in `begin`.
        self.in_transaction.store(false, Ordering::Relaxed);
        std::mem::take(&mut locked(&self.transaction).effects)
    }

    /// Takes the reason that the plugin gave for a failure.
    pub(crate) fn take_error(&self) -> Option<String> {
        locked(&self.error).take()
    }

    fn emit(&self, effect: Effect, seq: Option<&mut u64>) -> Status {
        // Relaxed: true only for the worker between `begin` and `end`, which are its own stores.
        let inside = self.in_transaction.load(Ordering::Relaxed)
            && *locked(&self.worker) == Some(std::thread::current().id());
        if inside {
            let mut transaction = locked(&self.transaction);
            let bytes = effect.bytes();
            if transaction.effects.len() == abi::MAX_EFFECTS
                || transaction.bytes + bytes > MAX_TRANSACTION_BYTES
            {
                return Status::LIMIT;
            }
            transaction.bytes += bytes;
            transaction.effects.push(effect);
            if let Some(seq) = seq {
                *seq = 0;
            }
            return Status::OK;
        }
        match self.desk.ask(|id| FromGuest::Emit { id, effect }) {
            Ok(stored) => {
                if let Some(seq) = seq {
                    *seq = stored;
                }
                Status::OK
            }
            Err(status) => Status(status),
        }
    }

    fn hops_after(&self, cause_seq: u64) -> Result<u8, Status> {
        let before = if cause_seq == 0 {
            // Relaxed: as in `emit`; a thread of the plugin has no batch that could be the cause.
            if self.in_transaction.load(Ordering::Relaxed) {
                locked(&self.transaction).hops
            } else {
                0
            }
        } else {
            (self.lookup)(cause_seq).map_or(0, super::selection::hops)
        };
        if before < MAX_HOPS {
            return Ok(before + 1);
        }
        self.note("more than 4 plugins stand between this event and the outside; leave out events with 4 hops");
        Err(Status::LIMIT)
    }

    /// Checks what becomes an event, then emits it; a refusal is logged with its reason.
    fn checked(&self, effect: Effect, seq: Option<&mut u64>) -> Status {
        let verdict = self.rules.check(&effect, &mut locked(&self.scratch));
        match verdict {
            Ok(()) => self.emit(effect, seq),
            Err(refusal) => {
                self.note(&refusal.reason);
                refusal.status
            }
        }
    }

    fn note(&self, reason: &str) {
        self.desk.tell(FromGuest::Log {
            level: abi::LogLevel::WARN.0,
            message: format!("emit refused: {reason}"),
        });
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// # Safety
/// `host` is the table that [`Table::leak`] made.
unsafe fn table<'a>(host: *const abi::Host) -> Option<&'a Table> {
    // SAFETY: tables are leaked, and so is what `ctx` points to.
    unsafe { host.as_ref()?.ctx.cast::<Table>().as_ref() }
}

/// # Safety
/// `text` is readable for the call.
pub(super) unsafe fn text(text: abi::Str, limit: usize) -> Result<String, Status> {
    if text.len > limit {
        return Err(Status::LIMIT);
    }
    if text.len > 0 && text.ptr.is_null() {
        return Err(Status::INVALID);
    }
    // SAFETY: readable for the call, says the contract; not null.
    let bytes = unsafe { text.as_bytes() };
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Status::INVALID)
}

fn guard(body: impl FnOnce() -> Result<Status, Status>) -> Status {
    // A bug of ours must not unwind into foreign code.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(body))
        .map_or(Status::FAILED, |result| result.unwrap_or_else(|status| status))
}

fn now_ns() -> i64 {
    crate::supervisor::unix_now_ns()
}

unsafe extern "C" fn emit_event(
    host: *const abi::Host,
    event: *const abi::Event,
    seq: *mut u64,
) -> Status {
    guard(|| {
        // SAFETY: the plugin passes the table it was given, an event readable for the call, and a place or null.
        let (table, event, seq) = unsafe { (table(host), event.as_ref(), seq.as_mut()) };
        let (Some(table), Some(event)) = (table, event) else { return Err(Status::INVALID) };
        let most = table.rules.text_limit();
        // SAFETY: the texts are readable for the call.
        let derived = unsafe {
            DerivedEvent {
                id: text(event.event_id, most)?,
                time_ns: if event.time_ns == 0 { now_ns() } else { event.time_ns },
                kind: text(event.kind, most)?,
                subject: text(event.subject, most)?,
                source: text(event.source, most)?,
                value: event.value,
                data_json: text(event.data_json, most)?,
                hops: table.hops_after(event.cause_seq)?,
            }
        };
        Ok(table.checked(Effect::Event(derived), seq))
    })
}

unsafe extern "C" fn emit_alert(
    host: *const abi::Host,
    alert: *const abi::Alert,
    seq: *mut u64,
) -> Status {
    guard(|| {
        // SAFETY: as in `emit_event`.
        let (table, alert, seq) = unsafe { (table(host), alert.as_ref(), seq.as_mut()) };
        let (Some(table), Some(alert)) = (table, alert) else { return Err(Status::INVALID) };
        let most = table.rules.text_limit();
        let severity = match alert.severity {
            abi::Severity::INFO => AlertSeverity::Info,
            abi::Severity::WARNING => AlertSeverity::Warning,
            abi::Severity::CRITICAL => AlertSeverity::Critical,
            _ => return Err(Status::INVALID),
        };
        // SAFETY: the texts are readable for the call.
        let derived = unsafe {
            DerivedAlert {
                id: text(alert.event_id, most)?,
                time_ns: if alert.time_ns == 0 { now_ns() } else { alert.time_ns },
                subject: text(alert.subject, most)?,
                severity,
                score: alert.score,
                description: text(alert.description, most)?,
                data_json: text(alert.data_json, most)?,
                hops: table.hops_after(alert.cause_seq)?,
            }
        };
        Ok(table.checked(Effect::Alert(derived), seq))
    })
}

unsafe extern "C" fn set_weight(host: *const abi::Host, source: abi::Str, weight: f64) -> Status {
    guard(|| {
        // SAFETY: the table it was given, and a text readable for the call.
        let (table, source) = unsafe { (table(host), text(source, abi::NAME_BYTES)) };
        let (Some(table), source) = (table, source?) else { return Err(Status::INVALID) };
        Ok(table.checked(Effect::Weight { source, weight }, None))
    })
}

unsafe extern "C" fn log(host: *const abi::Host, level: abi::LogLevel, message: abi::Str) {
    guard(|| {
        let cut = abi::Str { ptr: message.ptr, len: message.len.min(crate::log_tail::LINE_BYTES) };
        // SAFETY: the table it was given; a prefix of a text that is readable for the call.
        let (table, bytes) = unsafe {
            if cut.len > 0 && cut.ptr.is_null() {
                return Err(Status::INVALID);
            }
            (table(host), cut.as_bytes())
        };
        let message = String::from_utf8_lossy(bytes).into_owned();
        table.ok_or(Status::INVALID)?.desk.tell(FromGuest::Log { level: level.0, message });
        Ok(Status::OK)
    });
}

unsafe extern "C" fn set_error(host: *const abi::Host, message: abi::Str) {
    guard(|| {
        // SAFETY: the table it was given, and a text readable for the call.
        let (table, message) = unsafe { (table(host), text(message, MAX_REASON_BYTES)) };
        *locked(&table.ok_or(Status::INVALID)?.error) = Some(message?);
        Ok(Status::OK)
    });
}

static METRICS: abi::MetricsHost =
    abi::MetricsHost { declare: Some(declare), set: Some(set_metric), add: Some(add_metric) };
static TOPICS: abi::TopicsHost = abi::TopicsHost { publish: Some(publish) };
static NODE: abi::NodeHost =
    abi::NodeHost { id: Some(node_id), folder: Some(folder), authorize: Some(authorize) };
static RELAY: abi::RelayHost = abi::RelayHost { relay: Some(relay) };

unsafe extern "C" fn get_extension(_host: *const abi::Host, id: *const c_char) -> *const c_void {
    if id.is_null() {
        return std::ptr::null();
    }
    // SAFETY: the contract: a NUL-terminated id.
    let id = unsafe { CStr::from_ptr(id) };
    if id == abi::METRICS_ID {
        (&raw const METRICS).cast()
    } else if id == abi::TOPICS_ID {
        (&raw const TOPICS).cast()
    } else if id == abi::NODE_ID {
        (&raw const NODE).cast()
    } else if id == abi::RELAY_ID {
        (&raw const RELAY).cast()
    } else {
        std::ptr::null()
    }
}

/// # Safety
/// `first` points to `len` readable texts.
unsafe fn texts(first: *const abi::Str, len: usize) -> Result<Vec<String>, Status> {
    if len > abi::MAX_LABELS || (len > 0 && first.is_null()) {
        return Err(Status::INVALID);
    }
    // SAFETY: vouched for by the caller, index by index.
    (0..len).map(|i| unsafe { text(*first.add(i), abi::NAME_BYTES) }).collect()
}

unsafe extern "C" fn declare(
    host: *const abi::Host,
    kind: abi::MetricKind,
    name: abi::Str,
    help: abi::Str,
    labels: *const abi::Str,
    labels_len: usize,
    id: *mut u32,
) -> Status {
    guard(|| {
        // SAFETY: the table it was given, texts and places as the contract says.
        unsafe {
            let table = table(host).ok_or(Status::INVALID)?;
            let labels = texts(labels, labels_len)?;
            let found = table.series.declare(kind, &text(name, 64)?, &text(help, 1024)?, labels)?;
            *id.as_mut().ok_or(Status::INVALID)? = found;
        }
        Ok(Status::OK)
    })
}

unsafe extern "C" fn set_metric(
    host: *const abi::Host,
    id: u32,
    values: *const abi::Str,
    len: usize,
    value: f64,
) -> Status {
    // SAFETY: as `declare`.
    guard(|| unsafe {
        let table = table(host).ok_or(Status::INVALID)?;
        Ok(table.series.update(id, texts(values, len)?, Update::Set(value)))
    })
}

unsafe extern "C" fn add_metric(
    host: *const abi::Host,
    id: u32,
    values: *const abi::Str,
    len: usize,
    value: f64,
) -> Status {
    // SAFETY: as `declare`.
    guard(|| unsafe {
        let table = table(host).ok_or(Status::INVALID)?;
        Ok(table.series.update(id, texts(values, len)?, Update::Add(value)))
    })
}

unsafe extern "C" fn publish(
    host: *const abi::Host,
    topic: abi::Str,
    event: abi::Str,
    message: abi::Bytes,
) -> Status {
    guard(|| {
        let body = abi::Str { ptr: message.ptr, len: message.len };
        // SAFETY: the table it was given, and texts readable for the call.
        let (table, topic, event, message) = unsafe {
            (table(host), text(topic, 256)?, text(event, 256)?, text(body, abi::MAX_BODY_BYTES)?)
        };
        let effect = Effect::Topic { topic, event, message: message.into_bytes() };
        Ok(table.ok_or(Status::INVALID)?.checked(effect, None))
    })
}

unsafe extern "C" fn node_id(host: *const abi::Host) -> abi::Str {
    // SAFETY: the table it was given; tables are leaked, and so are their texts.
    unsafe { table(host) }.map_or(abi::Str::EMPTY, |table| abi::Str::new(&table.rules.node))
}

unsafe extern "C" fn folder(host: *const abi::Host) -> abi::Str {
    // SAFETY: as in `node_id`.
    unsafe { table(host) }.map_or(abi::Str::EMPTY, |table| abi::Str::new(&table.folder))
}

unsafe extern "C" fn authorize(host: *const abi::Host, authorization: abi::Str) -> Status {
    guard(|| {
        // SAFETY: the table it was given, and a text readable for the call.
        let (table, authorization) = unsafe { (table(host), text(authorization, 8 << 10)?) };
        let table = table.ok_or(Status::INVALID)?;
        let answer = table.desk.ask(|id| FromGuest::Authorize { id, authorization });
        Ok(answer.map_or_else(Status, |_| Status::OK))
    })
}

unsafe extern "C" fn relay(
    host: *const abi::Host,
    events: *const abi::Relayed,
    len: usize,
    outcomes: *mut abi::RelayOutcome,
) -> Status {
    guard(|| {
        // SAFETY: the table it was given.
        let table = unsafe { table(host) }.ok_or(Status::INVALID)?;
        if len == 0 {
            return Ok(Status::OK);
        }
        if len > abi::MAX_RELAYED {
            return Err(Status::LIMIT);
        }
        if events.is_null() || outcomes.is_null() {
            return Err(Status::INVALID);
        }
        // SAFETY: the contract: `len` readable events with texts, for the call.
        let given = unsafe { std::slice::from_raw_parts(events, len) };
        if given.iter().fold(0, |sum: usize, e| sum.saturating_add(e.json.len))
            > abi::MAX_RELAYED_BYTES
        {
            return Err(Status::LIMIT);
        }
        let read = |event: &abi::Relayed| -> Result<RelayedEvent, Status> {
            // SAFETY: as above.
            let (origin, json) = unsafe {
                (text(event.origin, abi::NAME_BYTES)?, text(event.json, abi::MAX_RELAYED_BYTES)?)
            };
            let unsigned = match event.flags {
                0 => false,
                abi::relay_flags::UNSIGNED => true,
                _ => return Err(Status::INVALID),
            };
            Ok(RelayedEvent { origin, json, unsigned })
        };
        let events = given.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let results = table.desk.relay(events).map_err(Status)?;
        for (index, result) in results.into_iter().take(len).enumerate() {
            let outcome = match result {
                Ok((seq, duplicate)) => {
                    let duplicate = u32::from(duplicate);
                    abi::RelayOutcome { seq, status: Status::OK, duplicate }
                }
                Err(status) => abi::RelayOutcome { seq: 0, status: Status(status), duplicate: 0 },
            };
            // SAFETY: the contract: `len` places for outcomes.
            unsafe { outcomes.add(index).write(outcome) };
        }
        Ok(Status::OK)
    })
}
