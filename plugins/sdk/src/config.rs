//! Reads a plugin's own settings; whatever is wrong with them is said with the name of the setting.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// Settings of a plugin that has none: any key is refused.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// Parses the JSON object of the settings; empty text stands for `{}`.
pub(crate) fn parse<C: DeserializeOwned>(json: &str) -> Result<C, Error> {
    let json = if json.trim().is_empty() { "{}" } else { json };
    serde_json::from_str(json).map_err(|why| {
        let mut text = why.to_string();
        if let Some(end) = text.find(" at line ") {
            text.truncate(end);
        }
        match key_before(json, why.line(), why.column()) {
            Some(key) => Error::Invalid(format!("{key}: {text}")),
            None => Error::Invalid(text),
        }
    })
}

/// The top-level key whose value covers this place.
///
/// serde_json says where it stopped, not in which field. A place inside or right behind the value belongs to its key;
/// an error in the object as a whole (a missing field) is told at its closing brace and has none.
fn key_before(json: &str, line: usize, column: usize) -> Option<&str> {
    let before: usize = json.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let stop = (before + column).min(json.len());
    let bytes = json.as_bytes();
    if stop == json.trim_end().len() && bytes.get(stop.checked_sub(1)?) == Some(&b'}') {
        return None;
    }
    let (mut depth, mut key, mut at) = (0_usize, None, 0);
    while at < stop {
        match bytes[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 1 => key = None,
            b'"' => {
                let end = string_end(bytes, at + 1);
                let is_key = bytes[(end + 1).min(bytes.len())..]
                    .iter()
                    .find(|byte| !byte.is_ascii_whitespace())
                    .is_some_and(|byte| *byte == b':');
                if depth == 1 && is_key {
                    key = json.get(at + 1..end);
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    key
}

/// Index of the quote that ends the string whose first character stands at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        #[serde(default)]
        limit: f64,
        #[serde(default)]
        nested: Vec<Inner>,
        name: String,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        deep: u8,
    }

    #[test]
    fn the_wrong_setting_is_named() {
        let told = |json: &str| parse::<Settings>(json).unwrap_err().to_string();
        for (json, key) in [
            (r#"{"limit":"a","name":"x"}"#, "limit: invalid type"),
            (r#"{"name":"x","limit":[1]}"#, "limit: invalid type"),
            (r#"{"name":7}"#, "name: invalid type"),
            ("{\n \"name\": \"a\\\"b\",\n \"limit\": true\n}", "limit: invalid type"),
            (r#"{"name":"x","nested":[{"deep":1},{"deep":300}]}"#, "nested: invalid value"),
            (r#"{"name":"x","limt":1}"#, "limt: unknown field `limt`"),
            ("{}", "missing field `name`"),
        ] {
            assert!(told(json).starts_with(key), "{json} told {}", told(json));
        }
        let good: Settings = parse(r#"{"name":"x","limit":2,"nested":[{"deep":3}]}"#).unwrap();
        assert_eq!((good.name.as_str(), good.limit, good.nested[0].deep), ("x", 2.0, 3));
    }

    #[test]
    fn no_settings_are_no_settings() {
        assert!(parse::<NoConfig>("").is_ok() && parse::<NoConfig>(" {} ").is_ok());
        let told = parse::<NoConfig>(r#"{"a":1}"#).unwrap_err().to_string();
        assert!(told.contains("unknown field `a`"), "{told}");
    }
}
