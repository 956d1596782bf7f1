//! The host's side of a test: the function table, and what was called. Rule: it refuses what the real host refuses,
//! as far as a plugin's author can get it wrong.

#![allow(unsafe_code, reason = "implements the host's foreign functions")]

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use serde_json::{Map, Value};
use shimmer_abi as abi;
use shimmer_abi::{Bytes, LogLevel, MetricKind, Severity, Status, Str};

use super::Failure;
use crate::borrow;

/// Id of the node of a test, as in its batches.
pub(super) const NODE: &str = "test-node";

/// An event that the plugin emitted; an alert is one of kind `alert`.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// As given; empty = the host would make one.
    pub event_id: String,
    /// Unix time in nanoseconds, 0 = now.
    pub time_ns: i64,
    /// The kind.
    pub kind: String,
    /// The subject, empty = none.
    pub subject: String,
    /// The source, the plugin's name unless given.
    pub source: String,
    /// The value; an alert's score.
    pub value: f64,
    /// The `data` object; an alert's holds `severity` and `description`.
    pub data: Value,
    /// Sequence of the cause, 0 = none.
    pub cause_seq: u64,
}

/// A message to a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// The SSE event, empty = none.
    pub event: String,
    /// The message.
    pub text: String,
}

/// An event of another node that the plugin handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    /// The node that took it.
    pub origin: String,
    /// As it would be posted.
    pub json: String,
    /// Nobody vouches for it.
    pub unsigned: bool,
}

/// The host that an instance sees.
pub(super) struct Recorder {
    host: Rc<abi::Host>,
    record: Arc<Mutex<Record>>,
}

/// What was called.
pub(super) struct Record {
    pub(super) events: Vec<Effect>,
    pub(super) messages: Vec<Message>,
    pub(super) handed: Vec<Handed>,
    pub(super) weights: BTreeMap<String, f64>,
    pub(super) log: Vec<(LogLevel, String)>,
    /// Set before the instance starts, and not changed again.
    pub(super) folder: String,
    name: &'static str,
    permissions: &'static [&'static str],
    metrics: Vec<Metric>,
    ids: BTreeMap<String, u64>,
    error: String,
    next_seq: u64,
    open: Option<Transaction>,
}

struct Metric {
    name: String,
    kind: MetricKind,
    labels: usize,
    values: BTreeMap<Vec<String>, f64>,
}

/// What to go back to when the call fails, and the thread whose effects belong to it.
struct Transaction {
    worker: ThreadId,
    events: Vec<Effect>,
    messages: Vec<Message>,
    weights: Vec<(String, f64)>,
}

impl Recorder {
    pub(super) fn new(name: &'static str, permissions: &'static [&'static str]) -> Self {
        let record = Arc::new(Mutex::new(Record {
            events: Vec::new(),
            messages: Vec::new(),
            handed: Vec::new(),
            weights: BTreeMap::new(),
            log: Vec::new(),
            folder: String::new(),
            name,
            permissions,
            metrics: Vec::new(),
            ids: BTreeMap::new(),
            error: String::new(),
            next_seq: 1,
            open: None,
        }));
        let host = Rc::new(abi::Host {
            abi_version: abi::ABI_VERSION,
            reserved: 0,
            ctx: Arc::as_ptr(&record).cast::<c_void>().cast_mut(),
            emit_event: Some(emit_event),
            emit_alert: Some(emit_alert),
            set_weight: Some(set_weight),
            log: Some(log),
            set_error: Some(set_error),
            get_extension: Some(get_extension),
        });
        Self { host, record }
    }

    pub(super) fn host(&self) -> *const abi::Host {
        Rc::as_ptr(&self.host)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the next event of the ring that of `seq`.
    pub(super) fn skip_to(&self, seq: u64) {
        self.lock().next_seq = seq;
    }

    /// Takes sequences for `count` input events and answers the first.
    pub(super) fn take_seqs(&self, count: usize) -> u64 {
        let mut record = self.lock();
        record.next_seq += count as u64;
        record.next_seq - count as u64
    }

    pub(super) fn begin(&self) {
        self.lock().open = Some(Transaction {
            worker: thread::current().id(),
            events: Vec::new(),
            messages: Vec::new(),
            weights: Vec::new(),
        });
    }

    /// Ends the transaction; only a kept one has effects.
    pub(super) fn end(&self, keep: bool) {
        let mut record = self.lock();
        let Some(done) = record.open.take().filter(|_| keep) else { return };
        for event in done.events {
            record.store(event);
        }
        record.messages.extend(done.messages);
        record.weights.extend(done.weights);
    }

    /// The failure of a call that answered `status`.
    pub(super) fn failure(&self, status: Status) -> Failure {
        Failure { status, message: std::mem::take(&mut self.lock().error) }
    }
}

impl Record {
    pub(super) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        let metric = self.metrics.iter().find(|metric| metric.name == name);
        metric.and_then(|metric| metric.values.get(&labels)).copied().unwrap_or_default()
    }

    /// Keeps an event unless its id is known, and answers its sequence.
    fn store(&mut self, event: Effect) -> u64 {
        if let Some(seq) = self.ids.get(&event.event_id).filter(|_| !event.event_id.is_empty()) {
            return *seq;
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        self.ids.insert(event.event_id.clone(), seq);
        self.events.push(event);
        seq
    }

    /// Takes an event into the transaction, or stores it; `seq` receives what the real host tells.
    fn emit(&mut self, mut event: Effect, seq: Option<&mut u64>) -> Status {
        if event.source.is_empty() {
            event.source = self.name.to_owned();
        } else if event.source != self.name && !self.may_speak_as(&event.source) {
            return Status::DENIED;
        }
        if let Err(status) = check(&event) {
            return status;
        }
        let answer = match self.transaction() {
            Some(open) if open.events.len() >= abi::MAX_EFFECTS => return Status::LIMIT,
            Some(open) => {
                open.events.push(event);
                0
            }
            None => self.store(event),
        };
        if let Some(seq) = seq {
            *seq = answer;
        }
        Status::OK
    }

    /// The open transaction, if this thread is its worker.
    fn transaction(&mut self) -> Option<&mut Transaction> {
        self.open.as_mut().filter(|open| open.worker == thread::current().id())
    }

    fn may_speak_as(&self, source: &str) -> bool {
        self.is_permitted("source=", source)
    }

    fn is_permitted(&self, what: &str, name: &str) -> bool {
        self.permissions.iter().filter_map(|one| one.strip_prefix(what)).any(|allowed| {
            allowed == name || allowed.strip_suffix('*').is_some_and(|head| name.starts_with(head))
        })
    }

    /// Takes an event of another node; ids are not compared.
    fn hand(&mut self, event: Handed) -> Result<u64, Status> {
        if event.origin.is_empty() || event.origin.len() > 128 {
            return Err(Status::INVALID);
        }
        let own = event.origin == NODE && !event.unsigned;
        if own || !self.is_permitted("origin=", &event.origin) {
            return Err(Status::DENIED);
        }
        if !serde_json::from_str(&event.json).is_ok_and(|json: Value| json.is_object()) {
            return Err(Status::INVALID);
        }
        self.handed.push(event);
        self.next_seq += 1;
        Ok(self.next_seq - 1)
    }
}

/// The limits of posted events.
fn check(event: &Effect) -> Result<(), Status> {
    let grammar = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    let kind = (1..=64).contains(&event.kind.len()) && event.kind.bytes().all(grammar);
    let names = event.subject.chars().count() <= 128 && event.source.chars().count() <= 128;
    let id = event.event_id.len() <= 128 && !event.event_id.chars().any(char::is_control);
    let fits = kind && names && id && event.value.is_finite() && event.data.is_object();
    if fits { Ok(()) } else { Err(Status::INVALID) }
}

/// Parses `data`; what is no object stays no object and is refused by [`check`].
///
/// # Safety
/// The text is valid.
unsafe fn object(text: Str) -> Value {
    if text.len == 0 {
        return Value::Object(Map::new());
    }
    // SAFETY: the caller vouches for it.
    serde_json::from_str(unsafe { borrow::text(text) }).unwrap_or_default()
}

/// The record behind a host.
///
/// # Safety
/// `host` is a [`Recorder`]'s, which is alive.
unsafe fn record<'a>(host: *const abi::Host) -> MutexGuard<'a, Record> {
    // SAFETY: the recorder keeps table and record, and drops both after the instance.
    let record = unsafe { &*(*host).ctx.cast::<Mutex<Record>>() };
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

unsafe extern "C" fn emit_event(
    host: *const abi::Host,
    event: *const abi::Event,
    seq: *mut u64,
) -> Status {
    // SAFETY: event, its texts and `seq` are lent for the call.
    unsafe {
        let Some(event) = event.as_ref() else { return Status::INVALID };
        let effect = Effect {
            event_id: borrow::text(event.event_id).to_owned(),
            time_ns: event.time_ns,
            kind: borrow::text(event.kind).to_owned(),
            subject: borrow::text(event.subject).to_owned(),
            source: borrow::text(event.source).to_owned(),
            value: event.value,
            data: object(event.data_json),
            cause_seq: event.cause_seq,
        };
        record(host).emit(effect, seq.as_mut())
    }
}

unsafe extern "C" fn emit_alert(
    host: *const abi::Host,
    alert: *const abi::Alert,
    seq: *mut u64,
) -> Status {
    // SAFETY: alert, its texts and `seq` are lent for the call.
    unsafe {
        let Some(alert) = alert.as_ref() else { return Status::INVALID };
        let severity = match alert.severity {
            Severity::INFO => "info",
            Severity::WARNING => "warning",
            Severity::CRITICAL => "critical",
            _ => return Status::INVALID,
        };
        let description = borrow::text(alert.description);
        let mut data = object(alert.data_json);
        let Some(members) = data.as_object_mut() else { return Status::INVALID };
        if description.chars().count() > 1000 || !(0.0..=1.0).contains(&alert.score) {
            return Status::INVALID;
        }
        members.insert("severity".into(), severity.into());
        members.insert("description".into(), description.into());
        let effect = Effect {
            event_id: borrow::text(alert.event_id).to_owned(),
            time_ns: alert.time_ns,
            kind: "alert".to_owned(),
            subject: borrow::text(alert.subject).to_owned(),
            source: String::new(),
            value: alert.score,
            data,
            cause_seq: alert.cause_seq,
        };
        record(host).emit(effect, seq.as_mut())
    }
}

unsafe extern "C" fn set_weight(host: *const abi::Host, source: Str, weight: f64) -> Status {
    // SAFETY: the text is lent for the call.
    let (mut record, source) = unsafe { (record(host), borrow::text(source).to_owned()) };
    if !record.permissions.contains(&"weights") {
        return Status::DENIED;
    }
    if source.is_empty() || !(0.0..=1.0).contains(&weight) {
        return Status::INVALID;
    }
    match record.transaction() {
        Some(open) => open.weights.push((source, weight)),
        None => drop(record.weights.insert(source, weight)),
    }
    Status::OK
}

unsafe extern "C" fn log(host: *const abi::Host, level: LogLevel, message: Str) {
    // SAFETY: the text is lent for the call.
    let (mut record, message) = unsafe { (record(host), borrow::text(message).to_owned()) };
    record.log.push((level, message));
}

unsafe extern "C" fn set_error(host: *const abi::Host, message: Str) {
    // SAFETY: the text is lent for the call.
    let (mut record, message) = unsafe { (record(host), borrow::text(message).to_owned()) };
    record.error = message;
}

unsafe extern "C" fn get_extension(_host: *const abi::Host, id: *const c_char) -> *const c_void {
    static METRICS: abi::MetricsHost =
        abi::MetricsHost { declare: Some(declare), set: Some(metric_set), add: Some(metric_add) };
    static TOPICS: abi::TopicsHost = abi::TopicsHost { publish: Some(publish) };
    static NODE_HOST: abi::NodeHost =
        abi::NodeHost { id: Some(node_id), folder: Some(folder), authorize: Some(authorize) };
    static RELAY: abi::RelayHost = abi::RelayHost { relay: Some(relay) };
    // SAFETY: the plugin passes an identifier that ends in NUL.
    let id = unsafe { CStr::from_ptr(id) };
    if id == abi::METRICS_ID {
        (&raw const METRICS).cast()
    } else if id == abi::TOPICS_ID {
        (&raw const TOPICS).cast()
    } else if id == abi::NODE_ID {
        (&raw const NODE_HOST).cast()
    } else if id == abi::RELAY_ID {
        (&raw const RELAY).cast()
    } else {
        ptr::null()
    }
}

unsafe extern "C" fn node_id(_host: *const abi::Host) -> Str {
    Str::new(NODE)
}

/// Empty without a folder, as on a host that grants none.
unsafe extern "C" fn folder(host: *const abi::Host) -> Str {
    // SAFETY: the host is valid for the call. The text outlives it: the record does, and its folder stays.
    let record = unsafe { record(host) };
    if record.permissions.contains(&"folder") { Str::new(&record.folder) } else { Str::new("") }
}

unsafe extern "C" fn authorize(_host: *const abi::Host, authorization: Str) -> Status {
    // SAFETY: the text is lent for the call.
    match unsafe { borrow::text(authorization) } {
        "Bearer test" => Status::OK,
        _ => Status::DENIED,
    }
}

unsafe extern "C" fn relay(
    host: *const abi::Host,
    events: *const abi::Relayed,
    len: usize,
    outcomes: *mut abi::RelayOutcome,
) -> Status {
    if len > abi::MAX_RELAYED {
        return Status::LIMIT;
    }
    // SAFETY: events with their texts and a place for each outcome are lent for the call.
    unsafe {
        let mut record = record(host);
        for (index, event) in borrow::slice(events, len).iter().enumerate() {
            let result = record.hand(Handed {
                origin: borrow::text(event.origin).to_owned(),
                json: borrow::text(event.json).to_owned(),
                unsigned: event.flags & abi::relay_flags::UNSIGNED != 0,
            });
            let (seq, status) = result.map_or_else(|status| (0, status), |seq| (seq, Status::OK));
            outcomes.add(index).write(abi::RelayOutcome { seq, status, duplicate: 0 });
        }
    }
    Status::OK
}

unsafe extern "C" fn publish(
    host: *const abi::Host,
    topic: Str,
    event: Str,
    message: Bytes,
) -> Status {
    // SAFETY: texts and message are lent for the call.
    let (mut record, topic, event, bytes) =
        unsafe { (record(host), borrow::text(topic), borrow::text(event), borrow::bytes(message)) };
    if bytes.len() > abi::MAX_BODY_BYTES {
        return Status::LIMIT;
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return Status::INVALID };
    if !(1..=256).contains(&topic.len()) {
        return Status::INVALID;
    }
    let message =
        Message { topic: topic.to_owned(), event: event.to_owned(), text: text.to_owned() };
    match record.transaction() {
        Some(open) => open.messages.push(message),
        None => record.messages.push(message),
    }
    Status::OK
}

unsafe extern "C" fn declare(
    host: *const abi::Host,
    kind: MetricKind,
    name: Str,
    _help: Str,
    _labels: *const Str,
    labels: usize,
    id: *mut u32,
) -> Status {
    // SAFETY: the text is lent for the call, `id` likewise.
    let (mut record, name, id) = unsafe { (record(host), borrow::text(name), id.as_mut()) };
    let grammar = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    let counter = kind == MetricKind::COUNTER;
    if !(1..=64).contains(&name.len()) || !name.bytes().all(grammar) {
        return Status::INVALID;
    }
    if labels > abi::MAX_LABELS || counter != name.ends_with("_total") {
        return Status::INVALID;
    }
    let known = record.metrics.iter().position(|metric| metric.name == name);
    let at = known.unwrap_or_else(|| {
        let values = BTreeMap::new();
        record.metrics.push(Metric { name: name.to_owned(), kind, labels, values });
        record.metrics.len() - 1
    });
    if let Some(id) = id {
        *id = at as u32;
    }
    Status::OK
}

unsafe extern "C" fn metric_set(
    host: *const abi::Host,
    id: u32,
    values: *const Str,
    len: usize,
    value: f64,
) -> Status {
    // SAFETY: the label values are lent for the call.
    unsafe {
        change(host, id, borrow::slice(values, len), |old, kind| {
            *old = value;
            kind == MetricKind::GAUGE
        })
    }
}

unsafe extern "C" fn metric_add(
    host: *const abi::Host,
    id: u32,
    values: *const Str,
    len: usize,
    value: f64,
) -> Status {
    // SAFETY: the label values are lent for the call.
    unsafe {
        change(host, id, borrow::slice(values, len), |old, kind| {
            *old += value;
            kind == MetricKind::GAUGE || value >= 0.0
        })
    }
}

/// Changes one series, unless `change` answers that its kind forbids it.
///
/// # Safety
/// Host and texts are valid.
unsafe fn change(
    host: *const abi::Host,
    id: u32,
    labels: &[Str],
    change: impl FnOnce(&mut f64, MetricKind) -> bool,
) -> Status {
    // SAFETY: the caller vouches for it.
    let (mut record, labels) = unsafe {
        let labels: Vec<String> = labels.iter().map(|one| borrow::text(*one).to_owned()).collect();
        (record(host), labels)
    };
    let Some(metric) = record.metrics.get_mut(id as usize) else { return Status::INVALID };
    if metric.labels != labels.len() {
        return Status::INVALID;
    }
    let mut value = metric.values.get(&labels).copied().unwrap_or_default();
    if !change(&mut value, metric.kind) {
        return Status::INVALID;
    }
    metric.values.insert(labels, value);
    Status::OK
}
