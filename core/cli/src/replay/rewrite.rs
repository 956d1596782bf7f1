//! From a recorded row to a new event.
//!
//! The rule: what the node adds (`seq`, `received_at`, `origin`) is dropped, id and time are new,
//! everything else stays unless the command line says otherwise.

use serde_json::{Map, Value, json};
use shimmer_event::{BEAUTY_KIND, BEAUTY_SCORE_MAX, rfc3339};

use super::recording::{Content, Row, Survey};
use crate::args::{ReplayArgs, Scale};

/// Makes events out of rows.
#[derive(Debug)]
pub(super) struct Rewrite<'a> {
    args: &'a ReplayArgs,
    /// Values that become the least and the greatest score.
    scale: Option<(f64, f64)>,
    subject: String,
    run: String,
    made: u64,
}

impl<'a> Rewrite<'a> {
    /// For a run whose ids begin with `run`.
    pub(super) fn new(args: &'a ReplayArgs, survey: &Survey, run: &str) -> Self {
        let scale = args.beauty.map(|scale| match scale {
            Scale::Auto => survey.range,
            Scale::Range(low, high) => (low, high),
        });
        Self { args, scale, subject: super::stem(&args.file), run: run.to_owned(), made: 0 }
    }

    /// The event for a row, as JSON.
    pub(super) fn event(&mut self, row: &Row, time_ns: i64) -> Vec<u8> {
        self.made += 1;
        let mut event = match &row.content {
            Content::Value(value) => {
                let mut event = Map::new();
                event.insert("kind".to_owned(), json!("value"));
                if !self.subject.is_empty() {
                    event.insert("subject".to_owned(), json!(self.subject));
                }
                event.insert("value".to_owned(), json!(value));
                event
            }
            Content::Event(event) => event.clone(),
        };
        for key in ["seq", "received_at", "origin"] {
            event.remove(key);
        }
        event.insert("event_id".to_owned(), json!(format!("{}-{}", self.run, self.made)));
        event.insert("timestamp".to_owned(), json!(rfc3339::format(time_ns)));
        if let Some(kind) = &self.args.kind {
            retag(&mut event, kind);
        }
        for (key, given) in [("subject", &self.args.subject), ("source", &self.args.source)] {
            if let Some(text) = given {
                event.insert(key.to_owned(), json!(text));
            }
        }
        if let (Some((low, high)), Some(value)) = (self.scale, row.value()) {
            event.remove("value");
            event.insert("kind".to_owned(), json!(BEAUTY_KIND));
            event.insert("beauty_score".to_owned(), json!(score(value, low, high)));
        }
        Value::Object(event).to_string().into_bytes()
    }
}

/// Gives an event another kind. A beauty event that becomes something else loses the members
/// that only beauty events have.
fn retag(event: &mut Map<String, Value>, kind: &str) {
    event.insert("kind".to_owned(), json!(kind));
    if kind != BEAUTY_KIND {
        if let Some(score) = event.remove("beauty_score") {
            event.entry("value").or_insert(score);
        }
        for key in ["chaos_fingerprint", "dance_sequence", "wisdom"] {
            event.remove(key);
        }
    }
}

/// Where `value` lies between `low` and `high`, on the scale of scores. A series that stands
/// still lies in the middle.
fn score(value: f64, low: f64, high: f64) -> f64 {
    // Halves, so that the width of the widest range is still finite.
    let width = high / 2.0 - low / 2.0;
    if width <= 0.0 {
        return BEAUTY_SCORE_MAX / 2.0;
    }
    ((value / 2.0 - low / 2.0) / width).clamp(0.0, 1.0) * BEAUTY_SCORE_MAX
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    const SURVEY: Survey = Survey { rows: 2, first_ns: 0, last_ns: 1, range: (10.0, 30.0) };

    fn rewritten(words: &[&str], content: Content) -> Value {
        let all = [&["shimmer", "replay", "dir/hall.csv"], words].concat();
        let Command::Replay(args) = Cli::try_parse_from(all).unwrap().command else { panic!() };
        let mut rewrite = Rewrite::new(&args, &SURVEY, "run");
        let row = Row { line: 1, time_ns: 5, content };
        serde_json::from_slice(&rewrite.event(&row, 1_000_000_000)).unwrap()
    }

    fn recorded() -> Content {
        let event = json!({"event_id":"a","timestamp":"x","kind":"beauty","value":0.5,
            "beauty_score":0.5,"wisdom":"w","source":"s","seq":9,"received_at":"y","origin":"n"});
        match event {
            Value::Object(event) => Content::Event(event),
            _ => unreachable!(),
        }
    }

    #[test]
    fn a_value_becomes_a_general_event() {
        assert_eq!(
            rewritten(&["--kind", "temperature", "--source", "s"], Content::Value(2.0)),
            json!({"event_id":"run-1","timestamp":"1970-01-01T00:00:01Z","kind":"temperature",
                   "subject":"hall","value":2.0,"source":"s"})
        );
    }

    #[test]
    fn values_become_scores_over_the_whole_range() {
        let score = |words: &[&str], value: f64| {
            rewritten(words, Content::Value(value))["beauty_score"].as_f64().unwrap()
        };
        assert_eq!(score(&["--beauty"], 10.0), 0.0);
        assert_eq!(score(&["--beauty"], 20.0), 0.75);
        assert_eq!(score(&["--beauty"], 30.0), 1.5);
        assert_eq!(score(&["--beauty=0..10"], 99.0), 1.5);
        assert_eq!(score(&["--beauty=0..10"], -99.0), 0.0);
        assert_eq!(super::score(5.0, 5.0, 5.0), 0.75);
        assert_eq!(super::score(f64::MAX, f64::MIN, f64::MAX), 1.5);
        let event = rewritten(&["--beauty"], Content::Value(20.0));
        assert_eq!((event["kind"].as_str(), event.get("value")), (Some("beauty"), None));
    }

    #[test]
    fn a_recorded_event_keeps_what_it_said() {
        let event = rewritten(&[], recorded());
        assert_eq!(
            event,
            json!({"event_id":"run-1","timestamp":"1970-01-01T00:00:01Z","kind":"beauty",
                   "value":0.5,"beauty_score":0.5,"wisdom":"w","source":"s"})
        );
        let event = rewritten(&["--kind", "joy", "--subject", "x"], recorded());
        assert_eq!(
            event,
            json!({"event_id":"run-1","timestamp":"1970-01-01T00:00:01Z","kind":"joy",
                   "value":0.5,"subject":"x","source":"s"})
        );
    }
}
