//! Labels of alerts and silences, and the fingerprint that tells alerts apart.
//!
//! The rule: two alerts are the same when their labels are, and only then.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest name of a label in bytes.
pub const MAX_LABEL_NAME: usize = 64;
/// Longest value of a label in bytes: 128 characters of four bytes, what an event's names may have.
pub const MAX_LABEL_VALUE: usize = 512;

/// Label names and values in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// The value of `name`; without such a label the empty text, as everywhere in Prometheus.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Sets a label; an empty value takes it away, since an empty label is none.
    pub fn set(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            self.0.remove(name);
        } else {
            self.0.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Names and values in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps what `other` has alike.
    pub(crate) fn keep_common(&mut self, other: &Self) {
        self.0.retain(|name, value| other.get(name) == value);
    }

    /// The labels of these names alone, those that are missing left out.
    pub(crate) fn only(&self, names: &[String]) -> Self {
        let named = self.0.iter().filter(|(name, _)| names.contains(name));
        Self(named.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// FNV-1a over names and values, each closed by 0xff: what Alertmanager gives the same labels
    /// (`model.LabelSet.Fingerprint` of prometheus/common), so that ids can be compared with it.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = FNV_OFFSET;
        for (name, value) in &self.0 {
            for text in [name, value] {
                hash = text.bytes().chain([0xff]).fold(hash, fnv);
            }
        }
        Fingerprint(hash)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// As Prometheus writes them: `{alertname="x", subject="y"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, (name, value)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

fn fnv(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME)
}

/// The identity of an alert's labels; 16 hexadecimal digits as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.collect_str(self),
            false => serializer.serialize_u64(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return u64::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        let number = (text.len() == 16).then(|| u64::from_str_radix(&text, 16).ok()).flatten();
        number.map(Self).ok_or_else(|| D::Error::custom("a fingerprint has 16 hexadecimal digits"))
    }
}

/// Whether Prometheus takes this as the name of a label.
pub(crate) fn is_label_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') && name.len() <= MAX_LABEL_NAME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_depends_on_every_border() {
        let of = |pairs: &[(&str, &str)]| {
            pairs.iter().copied().collect::<Labels>().fingerprint().to_string()
        };
        // What a running Alertmanager 0.25 answers for these label sets.
        assert_eq!(of(&[("alertname", "a")]), "d258efc389808447");
        assert_eq!(of(&[("alertname", "x"), ("subject", "ä b")]), "05cbfb082749979b");
        assert_eq!(of(&[]), "cbf29ce484222325");
        assert_ne!(of(&[("ab", "c")]), of(&[("a", "bc")]));
        assert_ne!(of(&[("a", "b"), ("c", "d")]), of(&[("a", "d"), ("c", "b")]));
    }

    #[test]
    fn an_empty_label_is_none() {
        let mut labels: Labels = [("a", "1")].into_iter().collect();
        labels.set("b", "");
        labels.set("a", "");
        assert!(labels.is_empty());
        assert_eq!(labels.get("a"), "");
    }

    #[test]
    fn names_are_those_of_prometheus() {
        assert!(is_label_name("_a1") && is_label_name(&"a".repeat(MAX_LABEL_NAME)));
        let long = "a".repeat(MAX_LABEL_NAME + 1);
        for bad in ["", "1a", "a-b", "ä", long.as_str()] {
            assert!(!is_label_name(bad), "{bad}");
        }
    }
}
