//! The JSON Canonicalization Scheme, RFC 8785: one text for one value.
//!
//! The rule: what is signed is the canonical text, and nobody reads a text that is not it. [`is_canonical`] looks at
//! each received event in one pass without a tree; [`canonicalise`] makes the text of what was posted. The two are
//! held against each other by a property test.
//!
//! A number is an IEEE 754 double, as RFC 8785 has it: an integer beyond 2^53 travels as its nearest double, so ids
//! of that size belong in strings. A number beyond the range of doubles, a name given twice, half a surrogate pair
//! and more than [`MAX_DEPTH`] levels are errors.

mod check;

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::reason::Reason;
pub use check::is_canonical;

/// Levels of arrays and objects that may lie in each other: the 64 that a host lets an event's `data` have, and the
/// event around them.
pub const MAX_DEPTH: usize = 65;

/// The canonical text of a JSON text.
///
/// # Errors
///
/// [`Reason::Malformed`] when it is no JSON, or JSON that has no canonical form here.
pub fn canonicalise(text: &str) -> Result<Cow<'_, str>, Reason> {
    if is_canonical(text) {
        return Ok(Cow::Borrowed(text));
    }
    let tree: Tree = serde_json::from_str(text).map_err(|_| Reason::Malformed)?;
    // It refuses a name that is given twice.
    let canonical = serde_json_canonicalizer::to_string(&tree).map_err(|_| Reason::Malformed)?;
    // The depth is bounded in one place.
    if is_canonical(&canonical) { Ok(Cow::Owned(canonical)) } else { Err(Reason::Malformed) }
}

/// JSON with every member kept, also those given twice, and every number a double. `serde_json` bounds its depth.
enum Tree {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Object(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (name, value)))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Number(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Tree, E> {
        Ok(Tree::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Tree::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Tree::Object(object))
    }
}

#[cfg(test)]
mod tests;
