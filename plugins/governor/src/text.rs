//! Names and titles.
//!
//! The rule: text is counted in characters and holds none that controls a terminal.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::limits::{MAX_NAME, MAX_TITLE};

/// Text of `MIN..=MAX` characters, none of them a control character. Its clones share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Text<const MIN: usize, const MAX: usize>(Arc<str>);

/// The id of a DAO, which every vote signs.
pub type DaoId = Text<1, MAX_NAME>;
/// A source of events.
pub type Source = Text<1, MAX_NAME>;
/// A member's name; may be empty.
pub type Name = Text<0, MAX_NAME>;
/// What a proposal says of itself.
pub type Title = Text<1, MAX_TITLE>;
/// The id of a proposal, which every vote signs: it holds a part of the hash before its entry, so a vote for it means
/// nothing in another log.
pub type ProposalId = Text<1, MAX_NAME>;

impl<const MIN: usize, const MAX: usize> FromStr for Text<MIN, MAX> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let length = text.chars().count();
        if !(MIN..=MAX).contains(&length) || text.chars().any(char::is_control) {
            return Err(format!(
                "this is text of {MIN} to {MAX} characters without control characters"
            ));
        }
        Ok(Self(text.into()))
    }
}

impl Default for Name {
    fn default() -> Self {
        Self("".into())
    }
}

impl<const MIN: usize, const MAX: usize> Deref for Text<MIN, MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> Borrow<str> for Text<MIN, MAX> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Display for Text<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de, const MIN: usize, const MAX: usize> Deserialize<'de> for Text<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_and_looked_at() {
        assert!("é".repeat(MAX_TITLE).parse::<Title>().is_ok());
        assert!("é".repeat(MAX_TITLE + 1).parse::<Title>().is_err());
        assert!("".parse::<Name>().is_ok() && "".parse::<Source>().is_err());
        for bad in ["a\nb", "\u{7f}", "\u{1b}[1m", "\u{85}"] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }
}
