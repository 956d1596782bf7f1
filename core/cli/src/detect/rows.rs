//! Reading a series: CSV with the columns `timestamp` and `value`.
//!
//! The rule: one row at a time in memory, its two cells kept as they stood, and a bad row is named
//! by file and line.

use std::io::{BufRead, Read};

use anyhow::{Context, anyhow};

use crate::replay::recording::{ROW_BYTES, split, time};

/// One row of a series.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SeriesRow {
    pub(super) time_ns: i64,
    pub(super) value: f64,
    /// Both cells as they stood.
    pub(super) timestamp: String,
    pub(super) text: String,
    pub(super) line: u64,
    /// `FILE:LINE`.
    pub(super) place: String,
}

/// The rows of a file, in order.
#[derive(Debug)]
pub(super) struct Rows<R> {
    input: R,
    name: String,
    line: u64,
    bytes: Vec<u8>,
    /// Positions of the two columns, once the header was read.
    columns: Option<(usize, usize)>,
    ended: bool,
}

impl<R: BufRead> Rows<R> {
    pub(super) fn new(input: R, name: String) -> Self {
        Self { input, name, line: 0, bytes: Vec::new(), columns: None, ended: false }
    }

    fn row(&mut self) -> anyhow::Result<Option<SeriesRow>> {
        loop {
            self.bytes.clear();
            let mut limited = self.input.by_ref().take(ROW_BYTES + 1);
            self.line += 1;
            let taken = limited.read_until(b'\n', &mut self.bytes).with_context(|| self.place())?;
            if taken == 0 {
                // A file without a single line lacks its header too.
                return match self.columns {
                    Some(_) => Ok(None),
                    None => {
                        Err(anyhow!("{}: no header; begin with `timestamp,value`", self.place()))
                    }
                };
            }
            if taken as u64 > ROW_BYTES {
                return Err(anyhow!(
                    "{}: longer than {ROW_BYTES} bytes; write one row a line",
                    self.place()
                ));
            }
            let text = std::str::from_utf8(&self.bytes)
                .map_err(|_| anyhow!("{}: not UTF-8; save the file as UTF-8", self.place()))?;
            let text = text.trim_start_matches('\u{feff}').trim();
            if text.is_empty() {
                continue;
            }
            let parsed = match self.columns {
                None => {
                    let columns = header(text).map_err(|why| anyhow!("{}: {why}", self.place()))?;
                    self.columns = Some(columns);
                    continue;
                }
                Some(columns) => cells(text, columns),
            };
            let (time_ns, value, timestamp, text) =
                parsed.map_err(|why| anyhow!("{}: {why}", self.place()))?;
            let (line, place) = (self.line, self.place());
            return Ok(Some(SeriesRow { time_ns, value, timestamp, text, line, place }));
        }
    }

    fn place(&self) -> String {
        format!("{}:{}", self.name, self.line)
    }
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = anyhow::Result<SeriesRow>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let row = self.row().transpose();
        self.ended = !matches!(row, Some(Ok(_)));
        row
    }
}

fn header(text: &str) -> Result<(usize, usize), String> {
    let names = split(text)?;
    let find = |wanted: &str| {
        let found = names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
        found.ok_or_else(|| format!("the column `{wanted}` is missing from the header; name it so"))
    };
    Ok((find("timestamp")?, find("value")?))
}

fn cells(text: &str, columns: (usize, usize)) -> Result<(i64, f64, String, String), String> {
    let mut cells = split(text)?;
    let mut cell = |at: usize| {
        cells
            .get_mut(at)
            .map(std::mem::take)
            .ok_or("a column is missing; give each row the columns of the header")
    };
    let (timestamp, value) = (cell(columns.0)?, cell(columns.1)?);
    let time_ns = time(&timestamp)
        .map_err(|why| format!("{why}; write 2014-04-01 00:00:00 or 2014-04-01T00:00:00Z"))?;
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((time_ns, number, timestamp, value)),
        Ok(_) => Err(format!("`{value}` is not finite; leave out rows without a value")),
        Err(_) => Err(format!(
            "`{value}` is not a number; write digits with a point, as 12.5, or leave the row out"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Result<SeriesRow, String>> {
        Rows::new(text.as_bytes(), "f.csv".to_owned())
            .map(|row| row.map_err(|error| error.to_string()))
            .collect()
    }

    #[test]
    fn cells_are_kept_as_they_stood() {
        let rows = read(
            "\u{feff}value,timestamp\r\n1e3,2014-04-01 00:00:00\r\n\r\n-0.50,2014-04-01T00:05:00Z",
        );
        let rows: Vec<_> = rows.into_iter().map(Result::unwrap).collect();
        assert_eq!((rows[0].text.as_str(), rows[0].value), ("1e3", 1000.0));
        assert_eq!(rows[0].timestamp, "2014-04-01 00:00:00");
        assert_eq!((rows[1].text.as_str(), rows[1].line), ("-0.50", 4));
        assert_eq!(rows[1].time_ns - rows[0].time_ns, 300_000_000_000);
    }

    #[test]
    fn a_bad_row_is_named_and_ends_the_reading() {
        let row = |row: &str| read(&format!("timestamp,value\n{row}\n2014-04-01 00:00:00,1\n"));
        for (text, why) in [
            ("2014-04-01 00:00:00,x", "f.csv:2: `x` is not a number"),
            ("2014-04-01 00:00:00,NaN", "f.csv:2: `NaN` is not finite"),
            ("2014-04-01 00:00:00,1e999", "f.csv:2: `1e999` is not finite"),
            ("2014-04-01 00:00:00", "f.csv:2: a column is missing"),
            ("yesterday,1", "f.csv:2: `yesterday` is not a time"),
        ] {
            let rows = row(text);
            assert_eq!(rows.len(), 1, "{text}");
            let told = rows[0].clone().unwrap_err();
            assert!(told.starts_with(why) && told.contains("; "), "without a remedy: {told}");
        }
        assert!(read("time,value\n")[0].clone().unwrap_err().contains("`timestamp` is missing"));
        assert!(read("")[0].clone().unwrap_err().contains("no header"));
    }
}
