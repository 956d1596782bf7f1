//! The tail of a plugin's log: bounded in lines, bytes a line and lines a second.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Lines kept.
const KEPT_LINES: usize = 1_000;
/// Longest line in bytes; the rest is cut.
pub(crate) const LINE_BYTES: usize = 4_096;
/// Lines accepted in a second; the rest is counted and summarised.
const LINES_PER_SECOND: u32 = 200;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// Unix time in nanoseconds.
    pub time_ns: i64,
    /// `trace`, `debug`, `info`, `warn`, `error`.
    pub level: &'static str,
    /// `log`, `stdout`, `stderr` or `host`.
    pub stream: &'static str,
    /// The text, UTF-8, control characters replaced.
    pub message: String,
}

/// Collects lines.
#[derive(Debug)]
pub(crate) struct LogTail {
    lines: VecDeque<LogLine>,
    window: Instant,
    taken: u32,
    dropped: u64,
}

impl LogTail {
    pub(crate) fn new(now: Instant) -> Self {
        Self { lines: VecDeque::new(), window: now, taken: 0, dropped: 0 }
    }

    /// Takes a line, or counts it when this second's share is used up. Answers whether it was taken.
    pub(crate) fn push(
        &mut self,
        now: Instant,
        time_ns: i64,
        level: u32,
        stream: &'static str,
        text: &str,
    ) -> bool {
        if now.duration_since(self.window) >= Duration::from_secs(1) {
            self.window = now;
            self.taken = 0;
            let dropped = std::mem::take(&mut self.dropped);
            if dropped > 0 {
                self.keep(time_ns, 3, "host", &format!("{dropped} further lines were dropped"));
            }
        }
        if self.taken >= LINES_PER_SECOND {
            self.dropped += 1;
            return false;
        }
        self.taken += 1;
        self.keep(time_ns, level, stream, text);
        true
    }

    /// The newest `limit` lines, oldest first.
    pub(crate) fn newest(&self, limit: usize) -> Vec<LogLine> {
        self.lines.iter().skip(self.lines.len().saturating_sub(limit)).cloned().collect()
    }

    fn keep(&mut self, time_ns: i64, level: u32, stream: &'static str, text: &str) {
        if self.lines.len() == KEPT_LINES {
            self.lines.pop_front();
        }
        let message = printable(text);
        self.lines.push_back(LogLine { time_ns, level: level_name(level), stream, message });
    }
}

/// At most [`LINE_BYTES`] of a plugin's words, with nothing in them that a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    let end = text.floor_char_boundary(LINE_BYTES.min(text.len()));
    let shown = |c: char| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    text[..end].chars().map(shown).collect()
}

/// The name of an ABI log level; what is beyond is an error.
pub(crate) fn level_name(level: u32) -> &'static str {
    ["trace", "debug", "info", "warn"].get(level as usize).copied().unwrap_or("error")
}

/// Cuts a pipe's bytes into lines of at most [`LINE_BYTES`].
#[derive(Debug, Default)]
pub(crate) struct LineCutter {
    partial: Vec<u8>,
}

impl LineCutter {
    /// Adds bytes and hands each whole line on.
    pub(crate) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        for &byte in bytes {
            if byte == b'\n' {
                line(&String::from_utf8_lossy(&self.partial));
                self.partial.clear();
            } else if self.partial.len() < LINE_BYTES {
                self.partial.push(byte);
            }
        }
    }

    /// Hands on what stands without a newline at the end of the stream.
    pub(crate) fn finish(&mut self, mut line: impl FnMut(&str)) {
        if !self.partial.is_empty() {
            line(&String::from_utf8_lossy(&std::mem::take(&mut self.partial)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_summarised() {
        let start = Instant::now();
        let mut tail = LogTail::new(start);
        for i in 0..LINES_PER_SECOND + 50 {
            assert_eq!(tail.push(start, 0, 2, "log", "x"), i < LINES_PER_SECOND);
        }
        tail.push(start + Duration::from_secs(1), 0, 2, "log", "next");
        let newest = tail.newest(2);
        assert_eq!(newest[0].message, "50 further lines were dropped");
        assert_eq!(newest[1].message, "next");
    }

    #[test]
    fn lines_and_their_length_are_bounded() {
        let start = Instant::now();
        let mut tail = LogTail::new(start);
        let long = "é".repeat(LINE_BYTES);
        for second in 0..20 {
            for _ in 0..LINES_PER_SECOND {
                tail.push(start + Duration::from_secs(second), 0, 9, "stderr", &long);
            }
        }
        let lines = tail.newest(usize::MAX);
        assert_eq!(lines.len(), KEPT_LINES);
        assert!(lines.iter().all(|line| line.message.len() <= LINE_BYTES && line.level == "error"));
    }

    #[test]
    fn lines_are_cut_across_reads() {
        let mut cutter = LineCutter::default();
        let mut seen = Vec::new();
        cutter.push(b"one\ntw", |line| seen.push(line.to_owned()));
        cutter.push(b"o\nthree", |line| seen.push(line.to_owned()));
        cutter.finish(|line| seen.push(line.to_owned()));
        assert_eq!(seen, ["one", "two", "three"]);
    }
}
