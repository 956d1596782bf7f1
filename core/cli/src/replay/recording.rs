//! Reading a recording: NDJSON of events, or CSV with the columns `timestamp` and `value`.
//!
//! The rule: one row at a time in memory, and a bad row is named by file and line.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, anyhow};
use serde_json::{Map, Value};
use shimmer_event::rfc3339;

/// Longest row that is read.
pub(crate) const ROW_BYTES: u64 = 8 << 20;

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// Its line in the file, from 1.
    pub(super) line: usize,
    /// Its recorded time.
    pub(super) time_ns: i64,
    /// What it says.
    pub(super) content: Content,
}

/// What a row says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    /// The value of a CSV row.
    Value(f64),
    /// A recorded event.
    Event(Map<String, Value>),
}

impl Row {
    /// The value it carries, if it does.
    pub(super) fn value(&self) -> Option<f64> {
        match &self.content {
            Content::Value(value) => Some(*value),
            Content::Event(event) => {
                ["value", "beauty_score"].iter().find_map(|key| event.get(*key)?.as_f64())
            }
        }
    }
}

/// What a recording holds as a whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Survey {
    pub(super) rows: u64,
    /// Time of the first row.
    pub(super) first_ns: i64,
    /// Latest time of any row.
    pub(super) last_ns: i64,
    /// Least and greatest value.
    pub(super) range: (f64, f64),
}

/// A recording, read row by row.
#[derive(Debug)]
pub(super) struct Recording<R = BufReader<File>> {
    input: R,
    name: String,
    line: usize,
    text: Vec<u8>,
    /// Positions of the columns, once a CSV header was read.
    columns: Option<Columns>,
}

#[derive(Clone, Copy, Debug)]
struct Columns {
    timestamp: usize,
    value: usize,
}

impl Recording {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = super::open(path)?;
        Ok(Self::new(BufReader::with_capacity(1 << 16, file), path.display().to_string()))
    }
}

impl<R: BufRead> Recording<R> {
    fn new(input: R, name: String) -> Self {
        Self { input, name, line: 0, text: Vec::new(), columns: None }
    }

    /// Reads the whole recording for what holds of it as a whole.
    pub(super) fn survey(self) -> anyhow::Result<Survey> {
        let mut survey =
            Survey { rows: 0, first_ns: 0, last_ns: i64::MIN, range: (f64::MAX, f64::MIN) };
        for row in self {
            let row = row?;
            if survey.rows == 0 {
                survey.first_ns = row.time_ns;
            }
            survey.rows += 1;
            survey.last_ns = survey.last_ns.max(row.time_ns);
            if let Some(value) = row.value() {
                survey.range = (survey.range.0.min(value), survey.range.1.max(value));
            }
        }
        Ok(survey)
    }

    fn row(&mut self) -> anyhow::Result<Option<Row>> {
        loop {
            self.text.clear();
            let taken = self.input.by_ref().take(ROW_BYTES + 1).read_until(b'\n', &mut self.text);
            self.line += 1;
            let taken = taken.with_context(|| self.place())?;
            if taken == 0 {
                return Ok(None);
            }
            if taken as u64 > ROW_BYTES {
                return Err(anyhow!("{}: longer than {ROW_BYTES} bytes", self.place()));
            }
            let text = std::str::from_utf8(&self.text)
                .map_err(|_| anyhow!("{}: not UTF-8", self.place()))?;
            let text = text.trim_start_matches('\u{feff}').trim();
            if text.is_empty() {
                continue;
            }
            let parsed = match self.columns {
                None if text.starts_with('{') => event(text),
                None => match header(text) {
                    Ok(columns) => {
                        self.columns = Some(columns);
                        continue;
                    }
                    Err(why) => Err(why),
                },
                Some(columns) => cells(text, columns).map(Some),
            };
            match parsed.map_err(|why| anyhow!("{}: {why}", self.place()))? {
                Some((time_ns, content)) => {
                    return Ok(Some(Row { line: self.line, time_ns, content }));
                }
                None => continue,
            }
        }
    }

    fn place(&self) -> String {
        format!("{}:{}", self.name, self.line)
    }
}

impl<R: BufRead> Iterator for Recording<R> {
    type Item = anyhow::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        self.row().transpose()
    }
}

/// A recorded event; none for what a feed says of itself.
fn event(text: &str) -> Result<Option<(i64, Content)>, String> {
    let event: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| format!("not an event: {error}"))?;
    if event.contains_key("type") {
        return Ok(None);
    }
    let stamp = event.get("timestamp").and_then(Value::as_str).ok_or("no timestamp")?;
    Ok(Some((time(stamp)?, Content::Event(event))))
}

fn header(text: &str) -> Result<Columns, String> {
    let names = split(text)?;
    let find = |wanted: &str| {
        let found = names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
        found.ok_or_else(|| {
            format!("neither an event nor a CSV header: the column `{wanted}` is missing")
        })
    };
    Ok(Columns { timestamp: find("timestamp")?, value: find("value")? })
}

fn cells(text: &str, columns: Columns) -> Result<(i64, Content), String> {
    let cells = split(text)?;
    let cell = |at: usize| cells.get(at).map(String::as_str).ok_or("a column is missing");
    let value = cell(columns.value)?;
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() => {
            Ok((time(cell(columns.timestamp)?)?, Content::Value(number)))
        }
        _ => Err(format!("`{value}` is not a number")),
    }
}

/// The cells of a line (RFC 4180, without line ends inside quotes).
pub(crate) fn split(text: &str) -> Result<Vec<String>, String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let cell = cells.last_mut().expect("never empty");
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cell.push(c),
        }
    }
    if quoted {
        return Err("a quote is not closed".to_owned());
    }
    Ok(cells.into_iter().map(|cell| cell.trim().to_owned()).collect())
}

/// RFC 3339, or `YYYY-MM-DD HH:MM:SS` with or without a fraction, which is taken as UTC.
pub(crate) fn time(text: &str) -> Result<i64, String> {
    let plain = text.len() >= 19 && text.as_bytes()[10] == b' ' && text.is_ascii();
    let with_zone = if plain && text[19..].bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        rfc3339::parse(&format!("{}T{}Z", &text[..10], &text[11..]))
    } else {
        rfc3339::parse(text)
    };
    with_zone.map_err(|error| format!("`{text}` is not a time: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Result<Row, String>> {
        Recording::new(text.as_bytes(), "f".to_owned())
            .map(|row| row.map_err(|error| error.to_string()))
            .take(10)
            .collect()
    }

    #[test]
    fn a_csv_series_is_read() {
        let rows = read(
            "\u{feff}id,\"Value\",timestamp\r\n1,2.5,2014-04-01 00:00:00\r\n\r\n\
             2,-1e3,2014-04-01T00:05:00.5+00:00\n",
        );
        let rows: Vec<_> = rows.into_iter().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].line, &rows[0].content), (2, &Content::Value(2.5)));
        assert_eq!(rows[1].time_ns - rows[0].time_ns, 300_500_000_000);
        assert_eq!(rows[1].value(), Some(-1000.0));
        assert_eq!(rows[1].line, 4);
    }

    #[test]
    fn recorded_events_are_read_and_the_feeds_own_words_are_not() {
        let rows = read(
            "{\"event_id\":\"a\",\"timestamp\":\"2025-10-21T04:30:00Z\",\"beauty_score\":0.5}\n\
             {\"type\":\"gap\",\"from\":1,\"to\":2}\n",
        );
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].as_ref().unwrap().value(), Some(0.5));
    }

    #[test]
    fn bad_rows_are_named() {
        let csv = |row: &str| read(&format!("timestamp,value\n{row}\n"))[0].clone().unwrap_err();
        assert!(csv("2014-04-01 00:00:00,x").starts_with("f:2: `x` is not a number"));
        assert!(csv("2014-04-01 00:00:00,nan").contains("not a number"));
        assert!(csv("2014-13-01 00:00:00,1").contains("is not a time"));
        assert!(csv("2014-04-01 00:00:00").contains("a column is missing"));
        assert!(csv("\"2014,1").contains("quote"));
        assert!(read("time,value\n")[0].clone().unwrap_err().contains("`timestamp` is missing"));
        assert!(read("{\"a\":1}\n")[0].clone().unwrap_err().contains("no timestamp"));
        assert!(read("{\"a\"\n")[0].clone().unwrap_err().starts_with("f:1: not an event"));
    }

    #[test]
    fn quoted_cells_are_split() {
        assert_eq!(split("a,\"b,\"\"c\"\"\", d ,").unwrap(), ["a", "b,\"c\"", "d", ""]);
    }

    #[test]
    fn a_survey_covers_the_whole() {
        let text = "timestamp,value\n2014-04-01 00:00:10,2\n2014-04-01 00:01:00,-1\n2014-04-01 00:00:30,7\n";
        let survey = Recording::new(text.as_bytes(), "f".to_owned()).survey().unwrap();
        assert_eq!((survey.rows, survey.range), (3, (-1.0, 7.0)));
        assert_eq!(survey.last_ns - survey.first_ns, 50_000_000_000);
    }
}
