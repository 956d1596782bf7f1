//! `shimmer tail`: events as they arrive.
//!
//! The rule: every event is shown once and in order; what was missed is said, never passed over.

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use serde_json::Value;

use crate::args::TailArgs;
use crate::client::{Base, Client};
use crate::failure::Outcome;
use crate::feed::{Feed, FeedError};
use crate::signals::Stop;
use crate::terminal::{Paint, safe};
use crate::trust::Trust;

/// Runs `shimmer tail`.
pub(crate) fn tail(args: &TailArgs) -> Outcome {
    let base = Base::parse(&args.remote.url)?;
    let trust = Trust::read(args.remote.ca.as_deref())?;
    let stop = Stop::watch()?;
    let paint = Paint::stdout(args.color);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut tail = Tail { args, cursor: args.since.or_else(|| newest(args)), shown: 0 };
    let (mut failures, mut connected) = (0, false);
    while !stop.is_set() && !tail.is_done() {
        let why = match Feed::open(&base, &trust, &tail.path()) {
            Ok(feed) => {
                (failures, connected) = (0, true);
                match tail.follow(feed.attentive()?, &stop, paint, &mut out) {
                    Ok(()) => break,
                    Err(End::Output(error)) => return Err(error.into()),
                    Err(End::Feed(FeedError::Refused(why) | FeedError::Broken(why))) => why,
                }
            }
            Err(FeedError::Refused(why)) => return Err(why.into()),
            Err(FeedError::Broken(why)) if !connected => return Err(why.into()),
            Err(FeedError::Broken(why)) => why,
        };
        let note = format!("{why:#}; connecting again");
        writeln!(std::io::stderr(), "{}", Paint::stderr().warn(safe(&note)))?;
        stop.wait(pause(failures));
        failures += 1;
    }
    Ok(out.flush()?)
}

/// The newest sequence, so that a connection that breaks before the first event loses none.
fn newest(args: &TailArgs) -> Option<u64> {
    let answer = Client::open(&args.remote).ok()?.get("/snapshot?limit=1").ok()?.ok().ok()?;
    answer.json().ok()?["next_seq"].as_u64()
}

fn pause(failures: u32) -> Duration {
    (Duration::from_millis(250) * 2u32.pow(failures.min(5))).min(Duration::from_secs(5))
}

enum End {
    Feed(FeedError),
    Output(std::io::Error),
}

struct Tail<'a> {
    args: &'a TailArgs,
    /// Sequence of the last event shown.
    cursor: Option<u64>,
    shown: u64,
}

impl Tail<'_> {
    fn is_done(&self) -> bool {
        self.args.count.is_some_and(|count| self.shown >= count)
    }

    fn path(&self) -> String {
        let since = self.cursor.map(|seq| seq.to_string());
        let pairs = [
            ("kind", self.args.kind.as_deref()),
            ("subject", self.args.subject.as_deref()),
            ("source", self.args.source.as_deref()),
            ("since_seq", since.as_deref()),
        ];
        let mut path = String::from("/stream");
        let mut mark = '?';
        for (name, value) in pairs {
            if let Some(value) = value {
                path.push(mark);
                let _ = write!(path, "{name}={}", encode(value));
                mark = '&';
            }
        }
        path
    }

    fn follow(
        &mut self,
        mut feed: Feed,
        stop: &Stop,
        paint: Paint,
        out: &mut impl Write,
    ) -> Result<(), End> {
        while let Some(text) = feed.next(stop).map_err(End::Feed)? {
            self.take(&text, paint, out).and_then(|()| out.flush()).map_err(End::Output)?;
            if self.is_done() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Shows one message of the feed.
    fn take(&mut self, text: &str, paint: Paint, out: &mut impl Write) -> std::io::Result<()> {
        let Ok(message) = serde_json::from_str::<Value>(text) else { return Ok(()) };
        match message["type"].as_str() {
            Some("gap") => {
                self.cursor = message["to"].as_u64().or(self.cursor);
                let note =
                    format!("events {} to {} are no longer kept", message["from"], message["to"]);
                if self.args.json {
                    writeln!(out, "{text}")
                } else {
                    writeln!(out, "{}", paint.warn(note))
                }
            }
            // An event never has a type; what has one is the feed speaking of itself.
            Some(_) => Ok(()),
            None => {
                self.cursor = message["seq"].as_u64().or(self.cursor);
                self.shown += 1;
                match self.args.json {
                    true => writeln!(out, "{text}"),
                    false => writeln!(out, "{}", line(&message, paint)),
                }
            }
        }
    }
}

/// An event on one line: time, kind, subject, value, source, id.
fn line(event: &Value, paint: Paint) -> String {
    let text = |key: &str| safe(event[key].as_str().unwrap_or_default());
    let time = text("timestamp");
    let time = time.split_once('T').map_or(time.as_str(), |(_, time)| time.trim_end_matches('Z'));
    let value = event["value"].as_f64().map(|value| format!("{value}")).unwrap_or_default();
    let kind = text("kind");
    let mut out = format!(
        "{} {} {}",
        paint.dim(format!("{:<12.12}", time)),
        paint.named(&kind),
        paint.bold(value)
    );
    for (label, key) in [("", "subject"), ("from ", "source"), ("", "event_id")] {
        let text = text(key);
        if !text.is_empty() {
            let _ = write!(out, " {}", paint.dim(format!("{label}{text}")));
        }
    }
    let wisdom = text("wisdom");
    if !wisdom.is_empty() {
        let _ = write!(out, " \"{wisdom}\"");
    }
    out
}

/// Percent-encoding of a query's value: everything but unreserved characters (RFC 3986, 2.3).
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn args(words: &[&str]) -> TailArgs {
        let all = [&["shimmer", "tail"], words].concat();
        match Cli::try_parse_from(all).unwrap().command {
            Command::Tail(args) => args,
            other => panic!("{other:?}"),
        }
    }

    const EVENT: &str = r#"{"event_id":"a","timestamp":"2025-10-21T04:30:00.5Z","kind":"beauty","subject":"x","source":"s","value":0.92,"seq":41}"#;

    #[test]
    fn a_broken_feed_resumes_after_the_last_event() {
        let args = args(&["--kind", "beauty", "--source", "a b&c"]);
        let mut tail = Tail { args: &args, cursor: None, shown: 0 };
        assert_eq!(tail.path(), "/stream?kind=beauty&source=a%20b%26c");
        let mut out = Vec::new();
        tail.take(EVENT, Paint::PLAIN, &mut out).unwrap();
        assert_eq!(tail.path(), "/stream?kind=beauty&source=a%20b%26c&since_seq=41");
        tail.take(r#"{"type":"gap","from":42,"to":99}"#, Paint::PLAIN, &mut out).unwrap();
        assert!(tail.path().ends_with("since_seq=99"));
        tail.take(r#"{"type":"heartbeat","ts":"x"}"#, Paint::PLAIN, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "04:30:00.5   beauty 0.92 x from s a\nevents 42 to 99 are no longer kept\n"
        );
    }

    #[test]
    fn json_is_passed_on_as_it_came_and_counted() {
        let args = args(&["--json", "-n", "1"]);
        let mut tail = Tail { args: &args, cursor: None, shown: 0 };
        let mut out = Vec::new();
        tail.take(r#"{"type":"heartbeat","ts":"x"}"#, Paint::COLOUR, &mut out).unwrap();
        assert!(!tail.is_done());
        tail.take(EVENT, Paint::COLOUR, &mut out).unwrap();
        assert!(tail.is_done());
        assert_eq!(String::from_utf8(out).unwrap(), format!("{EVENT}\n"));
    }

    #[test]
    fn pauses_are_bounded() {
        assert_eq!(pause(0), Duration::from_millis(250));
        assert_eq!(pause(99), Duration::from_secs(5));
    }
}
