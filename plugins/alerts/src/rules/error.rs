//! What is wrong with rules, where, and what to do about it.
//!
//! The rule: an error names its line and column, counted from 1, and its remedy.

use std::fmt;

/// One error in the text of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// Counted from 1.
    pub line: usize,
    /// Characters, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl RuleError {
    /// `message` ends with a semicolon and the remedy, as the parsers of values write it.
    pub(super) fn at(text: &str, offset: usize, message: &str) -> Self {
        let (message, remedy) = message.rsplit_once("; ").unwrap_or((message, ""));
        let before = &text[..text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.to_owned(),
            remedy: match remedy {
                "" => remedy_of(message).to_owned(),
                remedy => remedy.to_owned(),
            },
        }
    }

    pub(super) fn of_toml(text: &str, error: &toml::de::Error) -> Self {
        let offset = error.span().map_or(0, |span| span.start);
        Self::at(text, offset, error.message())
    }
}

/// What to do about errors that the TOML reader words itself.
fn remedy_of(message: &str) -> &'static str {
    let known = [
        ("unknown field", "correct the name of the key or take it away"),
        ("missing field", "add the key to this table"),
        ("invalid type", "give a value of the type that is expected"),
        ("unknown variant", "give one of the values that are expected"),
        ("duplicate key", "keep one of the two"),
    ];
    let found = known.iter().find(|(start, _)| message.starts_with(start));
    found.map_or("correct the TOML at this place", |(_, remedy)| remedy)
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}; {}", self.line, self.column, self.message, self.remedy)
    }
}

/// Rules that were not taken: the manager goes on with those that it has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct RulesRefused {
    /// In the order of the text; at least one.
    pub errors: Vec<RuleError>,
}

impl fmt::Display for RulesRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.errors.iter().enumerate() {
            write!(f, "{}{error}", if at == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}
