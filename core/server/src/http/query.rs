//! Query parameters, read once and strictly: a bad value is the caller's error, not our default.

use std::borrow::Cow;
use std::str::FromStr;

use super::{Problem, Refused};

/// A decoded query string. The last of several equal names counts.
#[derive(Debug)]
pub(crate) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// More parameters than any route has; what is beyond is refused.
const MAX_PARAMETERS: usize = 64;

impl<'a> Query<'a> {
    /// Parses the text after `?`.
    pub(crate) fn parse(text: Option<&'a str>) -> Result<Self, Refused> {
        let mut pairs = Vec::new();
        for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == MAX_PARAMETERS {
                return Err(Problem::field("query", "has too many parameters"));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(name)?, decode(value)?));
        }
        Ok(Self(pairs))
    }

    /// The value of `name`; absent and empty are the same.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_ref())
    }

    /// The value of `name` as a number or the like.
    pub(crate) fn parsed<T: FromStr>(
        &self,
        name: &'static str,
        expected: &str,
    ) -> Result<Option<T>, Refused> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse()
            .map(Some)
            .map_err(|_| Problem::field(name, format!("must be {expected}, got {text:?}")))
    }
}

/// Decodes `%xx` and `+`.
fn decode(text: &str) -> Result<Cow<'_, str>, Refused> {
    if !text.bytes().any(|b| b == b'%' || b == b'+') {
        return Ok(Cow::Borrowed(text));
    }
    let spaced: Vec<u8> = text.bytes().map(|b| if b == b'+' { b' ' } else { b }).collect();
    percent_decode(&spaced)
        .map(Cow::Owned)
        .ok_or_else(|| Problem::field("query", "is not percent-encoded UTF-8"))
}

/// Decodes `%xx`; `None` where the escapes are cut or the result is not UTF-8.
pub(crate) fn percent_decode(text: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(*rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            out.push((high * 16 + low) as u8);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_encoded_values_and_refuses_nonsense() {
        let query =
            Query::parse(Some("kind=a%2Eb&subject=x+y&limit=5&limit=7&flag&empty=")).unwrap();
        assert_eq!(query.text("kind"), Some("a.b"));
        assert_eq!(query.text("subject"), Some("x y"));
        assert_eq!(query.parsed::<u32>("limit", "a number").unwrap(), Some(7));
        assert_eq!(query.text("flag"), None);
        assert_eq!(query.text("empty"), None);
        assert!(query.parsed::<u32>("kind", "a number").is_err());
        for bad in ["a=%", "a=%4", "a=%zz", "a=%ff"] {
            assert!(Query::parse(Some(bad)).is_err(), "{bad}");
        }
        let many = vec!["a=1"; MAX_PARAMETERS + 1].join("&");
        assert!(Query::parse(Some(&many)).is_err());
    }
}
