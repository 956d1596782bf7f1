//! What the project says of its own shape, held as a test.
//!
//! The rule: every check is a pure function from text to violations, and every check has a
//! sample that breaks it, so that a check which sees nothing is itself found out.

mod documents;
mod floors;
mod lexer;
mod metrics;
mod sources;
mod tree;

use std::fmt;

/// One place where the project is not as it says it is.
#[derive(Debug, PartialEq)]
pub(crate) struct Violation {
    place: String,
    complaint: String,
}

impl Violation {
    pub(crate) fn new(place: impl Into<String>, complaint: impl Into<String>) -> Self {
        Self { place: place.into(), complaint: complaint.into() }
    }

    pub(crate) fn at(path: &str, line: usize, complaint: impl Into<String>) -> Self {
        Self::new(format!("{path}:{line}"), complaint)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.complaint)
    }
}

/// Fails with every violation, one a line.
#[track_caller]
pub(crate) fn hold(violations: &[Violation]) {
    let lines: String = violations.iter().map(|v| format!("  {v}\n")).collect();
    assert!(violations.is_empty(), "{} violation(s):\n{lines}", violations.len());
}
