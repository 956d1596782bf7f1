//! Matchers: `name = value`, `!=`, and `=~`, `!~` with regular expressions that match the whole value.
//!
//! The rule: a matcher that exists is compiled; matching cannot fail and takes time linear in the value.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use regex_automata::meta::Regex;
use regex_automata::nfa::thompson::WhichCaptures;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::labels::{Labels, MAX_LABEL_VALUE, is_label_name};

/// Largest automaton of an expression in bytes.
const REGEX_BYTES: usize = 128 * 1024;
/// What matching may keep for itself in bytes: this much, or as much as the automaton takes.
const CACHE_BYTES: usize = 8 * 1024;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Op {
    /// Equal.
    #[serde(rename = "=")]
    Equal,
    /// Not equal.
    #[serde(rename = "!=")]
    NotEqual,
    /// The expression matches the whole value.
    #[serde(rename = "=~")]
    Match,
    /// The expression does not match the whole value.
    #[serde(rename = "!~")]
    NoMatch,
}

impl Op {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Match => "=~",
            Self::NoMatch => "!~",
        }
    }
}

/// One condition on one label. A label that is missing has the empty value.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: String,
    op: Op,
    value: String,
    /// Shared, so that a copy takes no memory of its own.
    regex: Option<Arc<Regex>>,
    bytes: usize,
}

impl Matcher {
    /// Compiles a matcher.
    ///
    /// # Errors
    /// One sentence: a name that is no label's, a value that is too long, an expression that does not compile.
    pub fn new(name: &str, op: Op, value: &str) -> Result<Self, String> {
        if !is_label_name(name) {
            return Err(format!(
                "`{name}` is no label name; write letters, digits and `_`, at most 64, no digit first"
            ));
        }
        if value.len() > MAX_LABEL_VALUE {
            return Err(format!("the value is too long; write at most {MAX_LABEL_VALUE} bytes"));
        }
        let regex = match op {
            Op::Equal | Op::NotEqual => None,
            Op::Match | Op::NoMatch => Some(Arc::new(compile(value)?)),
        };
        // Its automata, and what the two engines that are left may keep: two caches of states that were met and two
        // sets of threads. Measured over odd expressions and values, none took more.
        let bytes = regex.as_ref().map_or(0, |regex| 4 * regex.memory_usage() + CACHE_BYTES);
        Ok(Self { name: name.to_owned(), op, value: value.to_owned(), regex, bytes })
    }

    /// Whether this value of the label passes.
    pub fn passes(&self, value: &str) -> bool {
        let found = match &self.regex {
            Some(regex) => regex.is_match(value),
            None => value == self.value,
        };
        found == matches!(self.op, Op::Equal | Op::Match)
    }

    /// The most memory that its expression takes in bytes, once it has matched whatever there is; 0 without one.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The name of the label.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Whether all of them pass.
pub(crate) fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.passes(labels.get(&matcher.name)))
}

fn compile(expression: &str) -> Result<Regex, String> {
    // A line break inside a value is a character like any other.
    let whole = format!("^(?s:{expression})$");
    // By itself first: `a)|(b` would close our group.
    let both = build(expression, CACHE_BYTES)
        .and_then(|alone| build(&whole, alone.memory_usage().max(CACHE_BYTES)));
    both.map_err(|why| format!("`{expression}` {why}"))
}

/// Compiles for the engines alone whose memory has a bound of ours: a lazy DFA, and threads where its cache is too
/// small. `regex` itself builds others as well, of up to a megabyte for each expression with a group.
fn build(expression: &str, cache_bytes: usize) -> Result<Regex, String> {
    let config = Regex::config()
        .nfa_size_limit(Some(REGEX_BYTES))
        .hybrid_cache_capacity(cache_bytes)
        .which_captures(WhichCaptures::Implicit)
        .auto_prefilter(false)
        .onepass(false)
        .backtrack(false)
        .dfa(false);
    Regex::builder().configure(config).build(expression).map_err(|why| {
        if let Some(most) = why.size_limit() {
            return format!("takes more than {most} bytes; write a shorter one");
        }
        let text = why.syntax_error().map_or_else(|| why.to_string(), ToString::to_string);
        let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("is no regular expression ({last}); escape special characters with a backslash")
    })
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

/// As Alertmanager writes them: `severity="critical"`.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:?}", self.name, self.op.as_str(), self.value)
    }
}

impl FromStr for Matcher {
    type Err = String;

    /// `name`, operator, value; the value in double quotes or bare.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no matcher; write name, operator and value, as in 'subject=~\"db-.*\"'"
            )
        };
        let text = text.trim();
        let end = text.find(['=', '!']).ok_or_else(wrong)?;
        let (name, rest) = (text[..end].trim(), &text[end..]);
        let ops = [Op::Match, Op::NoMatch, Op::NotEqual, Op::Equal];
        let op = ops.into_iter().find(|op| rest.starts_with(op.as_str())).ok_or_else(wrong)?;
        let value = rest[op.as_str().len()..].trim();
        let value = match value.starts_with('"') || value.ends_with('"') {
            true => unquote(value).ok_or_else(wrong)?,
            false => value.to_owned(),
        };
        Self::new(name, op, &value)
    }
}

/// The text between double quotes with `\"`, `\\` and `\n` resolved; any other backslash stays, as in `\d`.
fn unquote(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let (mut plain, mut chars) = (String::with_capacity(inner.len()), inner.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => return None,
            '\\' => match chars.next()? {
                'n' => plain.push('\n'),
                c @ ('"' | '\\') => plain.push(c),
                other => plain.extend(['\\', other]),
            },
            c => plain.push(c),
        }
    }
    Some(plain)
}

/// A matcher as it is written, before it is compiled.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    name: String,
    op: Op,
    value: String,
}

impl Written {
    pub(crate) fn compile(&self) -> Result<Matcher, String> {
        Matcher::new(&self.name, self.op, &self.value)
    }
}

impl From<&Matcher> for Written {
    fn from(matcher: &Matcher) -> Self {
        Self { name: matcher.name.clone(), op: matcher.op, value: matcher.value.clone() }
    }
}

impl Serialize for Matcher {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Matcher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Written::deserialize(deserializer)?.compile().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(matcher: &str, value: &str) -> bool {
        matcher.parse::<Matcher>().expect(matcher).passes(value)
    }

    #[test]
    fn the_four_operators() {
        assert!(passes("a=b", "b") && !passes("a=b", "bb") && passes("a=", ""));
        assert!(passes("a!=b", "") && !passes("a != \"b\"", "b"));
        assert!(passes("a=~\"b|c\"", "c") && !passes("a=~\"b|c\"", "cc"), "anchored on both sides");
        assert!(passes("a!~b.*", "c") && !passes("a!~b.*", "b\nb"));
        assert!(passes(r#"a=~"\d+\\\"""#, "12\\\"") || passes(r#"a=~"\d+\"""#, "12\""));
    }

    #[test]
    fn what_is_no_matcher_is_refused() {
        for bad in
            ["", "a", "=b", "1a=b", "a~b", "a=\"b", "a=\"b\"c\"", "a=~(", "a=~a)|(b", "a=b\""]
        {
            assert!(bad.parse::<Matcher>().is_err(), "{bad}");
        }
        let heavy = format!("a=~{}", r"(\w{100}){100}");
        assert!(
            heavy.parse::<Matcher>().is_err(),
            "an expression may not take memory without bound"
        );
        assert!(Matcher::new("a", Op::Equal, &"b".repeat(MAX_LABEL_VALUE)).is_ok());
        assert!(Matcher::new("a", Op::Equal, &"b".repeat(MAX_LABEL_VALUE + 1)).is_err());
    }

    #[test]
    fn json_and_text_lead_back() {
        let matcher: Matcher = r#"a!~"x\"y.*""#.parse().expect("a matcher");
        assert_eq!(matcher.to_string().parse::<Matcher>().expect("text leads back"), matcher);
        let json = serde_json::to_string(&matcher).expect("serialises");
        assert_eq!(json, r#"{"name":"a","op":"!~","value":"x\"y.*"}"#);
        assert_eq!(serde_json::from_str::<Matcher>(&json).expect("parses"), matcher);
        assert!(serde_json::from_str::<Matcher>(r#"{"name":"a","op":"=~","value":"("}"#).is_err());
    }
}
