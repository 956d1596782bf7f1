//! Parse, check and publish, in one go on one thread with buffers that are kept.

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, StatusCode};
use serde::Serialize;
use shimmer_event::{Batch, BatchError, Event, EventError, FieldError, Parser, Receipt, TAIL};
use shimmer_ring::{Entry, Outcome, PublishError, Reserve, Submission};

use super::media::{Many, One, cloud_headers};
use super::{Admitted, IngestLog};
use crate::app::App;
use crate::http::{Problem, Refused, RequestId};
use crate::plugins::limits;

/// Memory for each buffer that is kept between batches.
const KEEP_BYTES: usize = 1 << 20;

thread_local! {
    /// For single events: small, and used by the few threads of the runtime.
    static SINGLE: RefCell<(Parser, Vec<Outcome>)> = RefCell::default();
}

/// The buffers of batches: as many as batches are stored at once, on whatever threads. Those of a
/// thread would stay with every thread that ever stored one.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<(Batch, Stored)>>);

/// What a batch becomes on its way into the ring.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// Empty between two batches, and kept for its memory.
    pub(super) entries: Vec<Entry<'static>>,
    pub(super) outcomes: Vec<Outcome>,
}

impl Buffers {
    /// Lends buffers to `work`; those that a panic takes with it are made anew.
    fn lend<T>(&self, work: impl FnOnce(&mut Batch, &mut Stored) -> T) -> T {
        let free = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The last given back is the one most likely in the cache.
        let taken = free().pop();
        let (mut batch, mut stored) = taken.unwrap_or_default();
        let result = work(&mut batch, &mut stored);
        free().push((batch, stored));
        result
    }
}

/// The memory of a vector for entries that live otherwise. What is collected from a vector's own items is
/// collected in its place; nothing but an allocation would be lost if it were not.
pub(super) fn emptied<'b>(mut entries: Vec<Entry<'_>>) -> Vec<Entry<'b>> {
    entries.clear();
    entries.into_iter().map(|_| unreachable!("it was emptied")).collect()
}

/// Stores the one event of `body`; appends what its client is told.
pub(super) fn one(
    app: &App,
    id: &RequestId,
    admitted: &Admitted,
    media: One,
    headers: &HeaderMap,
    body: &[u8],
    told: &mut Vec<u8>,
) -> Result<(), Refused> {
    let limits = limits(&admitted.config);
    let receipt = receipt(app, admitted);
    SINGLE.with_borrow_mut(|(parser, outcomes)| {
        let event = match media {
            One::Json => parser.parse(body, &receipt, &limits),
            One::CloudStructured => parser.parse_cloudevent(body, &receipt, &limits),
            One::CloudBinary => {
                let attributes = cloud_headers(headers).unwrap_or_default();
                parser.parse_cloudevent_binary(&attributes, body, &receipt, &limits)
            }
        }
        .map_err(refuse_event)?;
        if let Some(error) = foreign_source(admitted, &event) {
            return Err(forbidden(error));
        }
        publish(app, &[entry(&event)], outcomes)?;
        settle(app, id, admitted, &event, outcomes.first(), told)
    })
}

/// Logs and counts what became of a single event; appends what its client is told.
pub(super) fn settle(
    app: &App,
    id: &RequestId,
    admitted: &Admitted,
    event: &Event<'_>,
    outcome: Option<&Outcome>,
    told: &mut Vec<u8>,
) -> Result<(), Refused> {
    match outcome {
        Some(Outcome::Stored(seq)) => {
            let per_second = admitted.config.log.ingest_per_second;
            if app.ingest_log.lines(per_second, 1) > 0 {
                IngestLog::line(id, event, *seq);
            }
            app.metrics.ingest.took(1, 0, 0);
            acknowledge(event, *seq, false, told);
            Ok(())
        }
        Some(Outcome::Duplicate(seq)) => {
            app.metrics.ingest.took(0, 1, 0);
            acknowledge(event, *seq, true, told);
            Ok(())
        }
        Some(Outcome::NamesFull) => Err(Problem::invalid(vec![names_full(app)])),
        None => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the ring gave no outcome")),
    }
}

/// Stores the good events of `body`, all of them or, when the ring has no room, none. `charge` is asked
/// for the number of items before anything is stored.
pub(super) fn many(
    app: &App,
    id: &RequestId,
    admitted: &Admitted,
    media: Many,
    body: &[u8],
    told: &mut Vec<u8>,
    charge: impl FnOnce(usize) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let limits = limits(&admitted.config);
    let receipt = receipt(app, admitted);
    app.buffers.lend(|batch, stored| {
        let parsed = match media {
            Many::Ndjson => batch.parse_ndjson(body, &receipt, &limits),
            Many::Array => batch.parse_array(body, &receipt, &limits),
            Many::CloudBatch => batch.parse_cloudevents_batch(body, &receipt, &limits),
        };
        let done = parsed
            .map_err(refuse_batch)
            .and_then(|()| charge(batch.events().len() + batch.rejected().len()))
            .and_then(|()| publish_batch(app, id, admitted, batch, stored, told));
        if body.len() > KEEP_BYTES {
            batch.trim(KEEP_BYTES);
            stored.entries.shrink_to(KEEP_BYTES / size_of::<Entry<'_>>());
            stored.outcomes.shrink_to(KEEP_BYTES / size_of::<Outcome>());
        }
        done
    })
}

/// What the client of a batch is told.
#[derive(Serialize)]
struct Told {
    accepted: u64,
    duplicates: u64,
    rejected: Vec<Rejected>,
}

#[derive(Serialize)]
struct Rejected {
    index: usize,
    errors: Vec<FieldError>,
}

fn publish_batch(
    app: &App,
    id: &RequestId,
    admitted: &Admitted,
    batch: &Batch,
    stored: &mut Stored,
    told: &mut Vec<u8>,
) -> Result<(), Refused> {
    let reject = |index, errors| Rejected { index, errors };
    let given = batch.rejected().iter().cloned();
    let mut rejected: Vec<_> = given.map(|(index, errors)| reject(index, errors)).collect();
    let mut entries = emptied(std::mem::take(&mut stored.entries));
    for (index, event) in batch.events() {
        match foreign_source(admitted, &event) {
            Some(error) => rejected.push(reject(index, vec![error])),
            None => entries.push(entry(&event)),
        }
    }
    let outcomes = &mut stored.outcomes;
    outcomes.clear();
    let published = if entries.is_empty() { Ok(()) } else { publish(app, &entries, outcomes) };
    stored.entries = emptied(entries);
    published?;
    let count = |is: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| is(outcome)).count();
    let accepted = count(|outcome| matches!(outcome, Outcome::Stored(_))) as u64;
    let duplicates = count(|outcome| matches!(outcome, Outcome::Duplicate(_))) as u64;
    let submitted = || {
        let own = batch.events().filter(|(_, event)| foreign_source(admitted, event).is_none());
        own.zip(outcomes.iter())
    };
    if accepted + duplicates < outcomes.len() as u64 {
        let without = submitted().filter(|(_, outcome)| **outcome == Outcome::NamesFull);
        rejected.extend(without.map(|((index, _), _)| reject(index, vec![names_full(app)])));
    }
    let mut lines = app.ingest_log.lines(admitted.config.log.ingest_per_second, accepted);
    for ((_, event), outcome) in submitted() {
        if lines == 0 {
            break;
        }
        if let Outcome::Stored(seq) = outcome {
            IngestLog::line(id, &event, *seq);
            lines -= 1;
        }
    }
    rejected.sort_by_key(|rejected| rejected.index);
    app.metrics.ingest.took(accepted, duplicates, rejected.len() as u64);
    let written = serde_json::to_writer(told, &Told { accepted, duplicates, rejected });
    written.map_err(|error| {
        tracing::error!(%error, "an answer could not be written");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the events are stored; the answer is not")
    })
}

pub(super) fn publish(
    app: &App,
    entries: &[Entry<'_>],
    outcomes: &mut Vec<Outcome>,
) -> Result<(), Refused> {
    let submission = Submission { entries, cursor: None, reserve: Reserve::Ingest };
    match app.producer.publish(&submission, outcomes) {
        // When it is our own statistics that the ring waits for, whoever publishes does their work.
        Err(PublishError::Full) => {
            app.fold.catch_up();
            app.producer.publish(&submission, outcomes)
        }
        published => published,
    }
    .map_err(refuse_publish)
}

pub(super) fn entry<'a>(event: &Event<'a>) -> Entry<'a> {
    Entry {
        time_ns: event.time_ns,
        received_ns: event.received_ns,
        value: event.value,
        kind: event.kind,
        subject: event.subject,
        source: event.source,
        origin: event.origin,
        id: event.id,
        flags: event.flags,
        head: event.head,
        tail: TAIL,
        data: event.data.clone(),
        id_span: event.id_span.clone(),
    }
}

/// The one hot answer, written by hand: the id is already JSON text inside the event's own.
fn acknowledge(event: &Event<'_>, seq: u64, duplicate: bool, told: &mut Vec<u8>) {
    let (from, to) = (event.id_span.start as usize, event.id_span.end as usize);
    let id = event.head.get(from..to).unwrap_or_default();
    told.reserve(id.len() + 72);
    told.extend_from_slice(b"{\"status\":\"ok\",\"event_id\":\"");
    told.extend_from_slice(id);
    told.extend_from_slice(b"\",\"seq\":");
    told.extend_from_slice(itoa::Buffer::new().format(seq).as_bytes());
    told.extend_from_slice(if duplicate {
        b",\"duplicate\":true}"
    } else {
        b",\"duplicate\":false}"
    });
}

pub(super) fn receipt<'a>(app: &'a App, admitted: &'a Admitted) -> Receipt<'a> {
    Receipt {
        received_ns: unix_ns(SystemTime::now()),
        default_source: &admitted.caller.name,
        origin: &app.node_id,
        unsigned: false,
    }
}

/// Unix time in nanoseconds; a clock before 1970 is taken for 1970.
pub(crate) fn unix_ns(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

pub(super) fn foreign_source(admitted: &Admitted, event: &Event<'_>) -> Option<FieldError> {
    (!admitted.caller.may_use(event.source)).then(|| FieldError {
        field: "source".into(),
        message: format!("{:?} is not one that this token may use", event.source),
    })
}

fn forbidden(error: FieldError) -> Refused {
    let detail = format!("{} {}", error.field, error.message);
    Problem::new(StatusCode::FORBIDDEN, detail).errors(vec![error])
}

fn names_full(app: &App) -> FieldError {
    let names = app.config().ring.names;
    FieldError {
        field: "body".into(),
        message: format!("brings a new name while all {names} names are in use; see ring.names"),
    }
}

fn refuse_event(error: EventError) -> Refused {
    match error {
        EventError::TooLarge { .. } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
        }
        other => Problem::invalid(other.into_field_errors()),
    }
}

fn refuse_batch(error: BatchError) -> Refused {
    match error {
        BatchError::Malformed { message } => Problem::field("body", message),
        other => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, other.to_string()),
    }
}

fn refuse_publish(error: PublishError) -> Refused {
    match error {
        PublishError::Full => {
            Problem::busy("the ring is full until its consumers catch up; nothing was stored")
        }
        PublishError::TooLarge => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the events are more than the ring takes at once; send fewer, or see ring.capacity and \
             ring.text_bytes",
        ),
        other => {
            tracing::error!(error = %other, "the ring refused events");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the ring failed; see the log")
        }
    }
}
