//! Sending batches of events, with patience.
//!
//! The rule: a batch is sent until the node has answered for it, a bounded number of times; a
//! repeated one is harmless, since the node knows the ids. Nothing is dropped without a word.

use std::time::Duration;

use anyhow::{anyhow, bail};
use serde::Serialize;

use crate::client::Answer;
use crate::signals::Stop;
use crate::terminal::{Paint, safe};

/// Longest single wait, whatever the node asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Bytes of a batch after which it is sent: well below the node's bound.
pub(crate) const BATCH_BYTES: usize = 1 << 20;

/// Rejected events that are told one by one.
const TOLD: u64 = 20;

/// Events on their way, as NDJSON.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    body: Vec<u8>,
    /// Line of the input of each event.
    lines: Vec<usize>,
}

impl Batch {
    /// Adds an event that stood at `line` of the input. Line ends inside it become blanks: in
    /// JSON they can only stand between tokens.
    pub(crate) fn push(&mut self, line: usize, json: &[u8]) {
        self.body.extend(json.iter().map(|&b| if matches!(b, b'\n' | b'\r') { b' ' } else { b }));
        self.body.push(b'\n');
        self.lines.push(line);
    }

    /// Number of events.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether it should be sent before another event of `bytes` joins it.
    pub(crate) fn is_full(&self, events: usize, bytes: usize) -> bool {
        self.len() >= events || (self.len() > 0 && self.body.len() + bytes > BATCH_BYTES)
    }

    fn clear(&mut self) {
        self.body.clear();
        self.lines.clear();
    }
}

/// What became of the events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tally {
    pub(crate) accepted: u64,
    pub(crate) duplicates: u64,
    pub(crate) rejected: u64,
    pub(crate) retries: u64,
}

impl Tally {
    /// As a line for people.
    pub(crate) fn sentence(&self) -> String {
        let Self { accepted, duplicates, rejected, retries } = self;
        let mut text = format!("{accepted} accepted, {duplicates} duplicates, {rejected} rejected");
        if *retries > 0 {
            text.push_str(&format!(", {retries} retries"));
        }
        text
    }
}

/// Sends batches and counts what became of them.
pub(crate) struct Sender<'a> {
    post: &'a dyn Fn(&[u8]) -> anyhow::Result<Answer>,
    /// Where a rejected event is told; the name of the input comes first.
    tell: &'a dyn Fn(&str),
    retries: u32,
    stop: &'a Stop,
    /// Whether the node has ever answered: before that, silence means a wrong address.
    reached: bool,
    pub(crate) tally: Tally,
}

impl<'a> Sender<'a> {
    /// Sends through `post`, telling rejected events through `tell`.
    pub(crate) fn new(
        post: &'a dyn Fn(&[u8]) -> anyhow::Result<Answer>,
        tell: &'a dyn Fn(&str),
        retries: u32,
        stop: &'a Stop,
    ) -> Self {
        Self { post, tell, retries, stop, reached: false, tally: Tally::default() }
    }

    /// Sends `batch` and empties it.
    ///
    /// # Errors
    /// When the node refuses the batch as a whole, or is still busy or away after all tries.
    pub(crate) fn send(&mut self, name: &str, batch: &mut Batch) -> anyhow::Result<()> {
        if batch.len() == 0 {
            return Ok(());
        }
        let mut attempt = 0;
        loop {
            let result = (self.post)(&batch.body);
            self.reached |= result.is_ok();
            let (why, asked) = match result {
                Ok(answer) if matches!(answer.status, 429 | 502 | 503 | 504) => {
                    (anyhow!(answer.refusal()), answer.retry_after)
                }
                Ok(answer) => {
                    let answer = answer.ok()?;
                    self.count(name, batch, &answer)?;
                    batch.clear();
                    return Ok(());
                }
                Err(error) if self.reached => (error, None),
                Err(error) => return Err(error),
            };
            if attempt == self.retries {
                bail!("given up after {attempt} retries: {why:#}");
            }
            self.tally.retries += 1;
            if !self.stop.wait(pause(attempt, asked)) {
                bail!("stopped while the node was busy: {why:#}");
            }
            attempt += 1;
        }
    }

    fn count(&mut self, name: &str, batch: &Batch, answer: &Answer) -> anyhow::Result<()> {
        let document = answer.json()?;
        let number = |key: &str| document[key].as_u64().unwrap_or(0);
        self.tally.accepted += number("accepted");
        self.tally.duplicates += number("duplicates");
        for item in document["rejected"].as_array().into_iter().flatten() {
            self.tally.rejected += 1;
            let index = item["index"].as_u64().and_then(|index| usize::try_from(index).ok());
            let line = index.and_then(|index| batch.lines.get(index));
            match self.tally.rejected {
                n if n < TOLD => (self.tell)(&rejection(name, line, item)),
                TOLD => (self.tell)("further rejected events are only counted"),
                _ => {}
            }
        }
        Ok(())
    }
}

fn rejection(name: &str, line: Option<&usize>, item: &serde_json::Value) -> String {
    let errors: Vec<_> = item["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|error| {
            let text = |key: &str| error[key].as_str().unwrap_or_default();
            format!("{}: {}", text("field"), text("message"))
        })
        .collect();
    let place = line.map(|line| format!(":{line}")).unwrap_or_default();
    safe(&format!("{name}{place}: {}", errors.join("; ")))
}

/// How long to wait before try number `attempt + 1`: what the node asked for, else twice as long
/// each time; never beyond a bound.
fn pause(attempt: u32, asked: Option<Duration>) -> Duration {
    let growing = Duration::from_millis(100) * 2u32.saturating_pow(attempt.min(6));
    asked.unwrap_or(growing).min(LONGEST_WAIT)
}

/// Says what became of the events: JSON on stdout, or a line on stderr. Of a failure before the first event there is
/// nothing to say but the failure itself.
pub(crate) fn report(tally: &Tally, sent: &anyhow::Result<()>, json: bool) -> std::io::Result<()> {
    use std::io::Write;
    let nothing = Tally { retries: tally.retries, ..Tally::default() };
    if sent.is_err() && *tally == nothing {
        return Ok(());
    }
    if json {
        let text = serde_json::to_string(tally)?;
        return writeln!(std::io::stdout(), "{text}");
    }
    let paint = Paint::stderr();
    let sentence = tally.sentence();
    let shown = if tally.rejected > 0 { paint.warn(sentence) } else { paint.good(sentence) };
    writeln!(std::io::stderr(), "{shown}")
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, retry_after: Some(Duration::ZERO), body: body.into() }
    }

    const GOOD: &str = r#"{"accepted":1,"duplicates":0,"rejected":[]}"#;

    fn one() -> Batch {
        let mut batch = Batch::default();
        batch.push(7, b"{}");
        batch
    }

    #[test]
    fn a_busy_node_is_asked_again() {
        let calls = Cell::new(0);
        let post = |_: &[u8]| {
            calls.set(calls.get() + 1);
            Ok(if calls.get() < 3 { answer(503, "{}") } else { answer(200, GOOD) })
        };
        let stop = Stop::never();
        let mut sender = Sender::new(&post, &|_| {}, 5, &stop);
        let mut batch = one();
        sender.send("f", &mut batch).unwrap();
        assert_eq!(sender.tally, Tally { accepted: 1, retries: 2, ..Tally::default() });
        assert_eq!(batch.len(), 0);
    }

    #[test]
    fn patience_ends() {
        let calls = Cell::new(0);
        let post = |_: &[u8]| {
            calls.set(calls.get() + 1);
            Ok(answer(429, "{\"title\":\"slow down\"}"))
        };
        let stop = Stop::never();
        let mut sender = Sender::new(&post, &|_| {}, 2, &stop);
        let error = sender.send("f", &mut one()).unwrap_err().to_string();
        assert!(error.contains("slow down"), "{error}");
        assert_eq!(calls.get(), 3);
    }

    #[test]
    fn a_node_that_was_never_reached_is_not_waited_for() {
        let calls = Cell::new(0);
        let post = |_: &[u8]| {
            calls.set(calls.get() + 1);
            Err(anyhow!("refused"))
        };
        let stop = Stop::never();
        assert!(Sender::new(&post, &|_| {}, 9, &stop).send("f", &mut one()).is_err());
        assert_eq!(calls.get(), 1);
    }

    #[test]
    fn rejected_events_are_told_with_their_line_and_bounded() {
        let items: Vec<String> = (0..50)
            .map(|_| r#"{"index":0,"errors":[{"field":"kind","message":"bad"}]}"#.to_owned())
            .collect();
        let body = format!(r#"{{"accepted":0,"duplicates":0,"rejected":[{}]}}"#, items.join(","));
        let post = |_: &[u8]| Ok(answer(200, &body));
        let told = RefCell::new(Vec::new());
        let stop = Stop::never();
        let tell = |text: &str| told.borrow_mut().push(text.to_owned());
        let mut sender = Sender::new(&post, &tell, 0, &stop);
        sender.send("in.ndjson", &mut one()).unwrap();
        assert_eq!(sender.tally.rejected, 50);
        assert_eq!(told.borrow()[0], "in.ndjson:7: kind: bad");
        assert_eq!(told.borrow().len(), 20);
    }

    #[test]
    fn a_refused_batch_is_not_repeated() {
        let post = |_: &[u8]| Ok(answer(401, "{}"));
        let stop = Stop::never();
        let error = Sender::new(&post, &|_| {}, 9, &stop).send("f", &mut one()).unwrap_err();
        assert!(error.to_string().starts_with("401"), "{error}");
    }

    #[test]
    fn waits_grow_and_are_bounded() {
        assert_eq!(pause(0, None), Duration::from_millis(100));
        assert_eq!(pause(3, None), Duration::from_millis(800));
        assert_eq!(pause(99, None), Duration::from_millis(6400));
        assert_eq!(pause(0, Some(Duration::from_secs(3600))), LONGEST_WAIT);
    }

    #[test]
    fn batches_are_bounded_and_one_event_a_line() {
        let mut batch = Batch::default();
        assert!(!batch.is_full(2, BATCH_BYTES * 2), "one event always fits");
        batch.push(1, b"{\n\r\"a\":1}");
        assert_eq!(batch.body, b"{  \"a\":1}\n");
        assert!(batch.is_full(2, BATCH_BYTES) && !batch.is_full(2, 10));
        batch.push(2, b"{}");
        assert!(batch.is_full(2, 0));
    }
}
