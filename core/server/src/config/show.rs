//! A configuration as rows of key, value and origin.
//!
//! The rule: a secret appears as `***`, wherever it stands.

use serde::Serialize;
use toml::Value;

use super::origin::Origin;
use super::settings::SETTINGS;
use super::{Config, Loaded};

/// One setting with the value in force.
#[derive(Clone, Debug)]
pub struct Row {
    /// Dotted key.
    pub key: &'static str,
    /// The value, secrets masked.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

impl Loaded {
    /// Every setting in the order of the default file.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let rows = SETTINGS.iter().filter_map(|setting| {
            let origin = self.origins.get(setting.key).cloned().unwrap_or(Origin::Default);
            Some(Row { key: setting.key, value: value(&self.config, setting.key)?, origin })
        });
        rows.map(|mut row| {
            if row.key == "plugin" {
                mask(&mut row.value, false);
            }
            row
        })
        .collect()
    }
}

/// The value of one setting, secrets masked.
pub(super) fn value(config: &Config, key: &str) -> Option<Value> {
    // One section is turned into values at a time: the whole is asked for only by `show`.
    fn of<T: Serialize>(section: &T) -> Option<Value> {
        Value::try_from(section).ok()
    }
    let (section, name) = key.split_once('.').unwrap_or((key, ""));
    let section = match section {
        "data_dir" => of(&config.data_dir),
        "node" => of(&config.node),
        "server" => of(&config.server),
        "audit" => of(&config.audit),
        "auth" => of(&config.auth),
        "ring" => of(&config.ring),
        "dedup" => of(&config.dedup),
        "limits" => of(&config.limits),
        "stream" => of(&config.stream),
        "fractal" => of(&config.fractal),
        "stats" => of(&config.stats),
        "metrics" => of(&config.metrics),
        "log" => of(&config.log),
        "plugins" => of(&config.plugins),
        "plugin" => of(&config.plugin),
        _ => None,
    }?;
    if name.is_empty() { Some(section) } else { section.get(name).cloned() }
}

/// Masks what looks like a secret in the tables that plugins validate themselves: all that stands below a name that
/// speaks of one, in lists too.
fn mask(value: &mut Value, is_secret: bool) {
    const SECRET_WORDS: [&str; 6] = ["token", "secret", "password", "psk", "private", "api_key"];
    match value {
        Value::Table(table) => {
            for (name, value) in table.iter_mut() {
                let lower = name.to_ascii_lowercase();
                mask(value, is_secret || SECRET_WORDS.iter().any(|word| lower.contains(word)));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, is_secret)),
        Value::String(text) if is_secret => *text = "***".to_owned(),
        Value::String(text) => mask_url(text),
        _ => {}
    }
}

/// Masks the password of `scheme://user:password@host`.
fn mask_url(text: &mut String) {
    let Some((scheme, rest)) = text.split_once("://") else { return };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some(at) = rest[..authority_end].rfind('@') else { return };
    let Some((user, _)) = rest[..at].split_once(':') else { return };
    *text = format!("{scheme}://{user}:***{}", &rest[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_plugins_are_masked() {
        let mut value: Value = toml::from_str::<toml::Table>(
            "json_token = 'x'\nurl = 'postgres://me:pw@host/db'\n[deep]\npassword = 'y'\nport = 1\n\
             [[deep.tokens]]\nof = 'z'\nlist = ['z']",
        )
        .map(Value::Table)
        .unwrap();
        mask(&mut value, false);
        let shown = value.to_string();
        assert!(shown.contains("postgres://me:***@host/db"), "{shown}");
        assert!(!shown.contains("'x'") && !shown.contains("\"x\"") && !shown.contains("pw"));
        assert_eq!(value["deep"]["password"].as_str(), Some("***"));
        assert_eq!(value["deep"]["port"].as_integer(), Some(1));
        assert!(!shown.contains('z'), "{shown}");
    }
}
