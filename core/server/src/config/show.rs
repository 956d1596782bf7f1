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

/// Words in names of what must not be shown.
const SECRET_WORDS: [&str; 13] = [
    "access_key",
    "api_key",
    "apikey",
    "authorization",
    "bearer",
    "credential",
    "dsn",
    "pass",
    "private",
    "psk",
    "secret",
    "token",
    "webhook",
];

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Masks what looks like a secret in the tables that plugins validate themselves: all text below a name that speaks of
/// one, in lists too, and what URLs carry.
fn mask(value: &mut Value, is_secret: bool) {
    match value {
        Value::Table(table) => {
            for (name, value) in table.iter_mut() {
                mask(value, is_secret || is_secret_name(name));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, is_secret)),
        Value::String(text) if is_secret => *text = "***".to_owned(),
        Value::String(text) => {
            let urls: Vec<_> = text.split(',').map(masked_url).collect();
            *text = urls.join(",");
        }
        _ => {}
    }
}

/// `scheme://user:***@host/path?password=***` of a URL with the like; another text as it is.
fn masked_url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(authority_end);
    let authority = match authority.rsplit_once('@') {
        // Without a password it may be a token.
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:***@{host}"),
            None => format!("***@{host}"),
        },
        None => authority.to_owned(),
    };
    let Some((path, query)) = rest.split_once('?') else {
        return format!("{scheme}://{authority}{rest}");
    };
    let masked = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if is_secret_name(name) => format!("{name}=***"),
        _ => pair.to_owned(),
    };
    let query: Vec<_> = query.split('&').map(masked).collect();
    format!("{scheme}://{authority}{path}?{}", query.join("&"))
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
    #[test]
    fn urls_keep_what_is_no_secret() {
        for (url, shown) in [
            ("postgres://me:pw@host/db", "postgres://me:***@host/db"),
            (
                "postgres://h/db?user=a&password=pw&ssl=1",
                "postgres://h/db?user=a&password=***&ssl=1",
            ),
            ("nats://token@host:4222", "nats://***@host:4222"),
            ("nats://a:b@one,nats://c:d@two", "nats://a:***@one,nats://c:***@two"),
            ("https://host/a@b?c#d", "https://host/a@b?c#d"),
            ("one, two", "one, two"),
        ] {
            let mut value = Value::String(url.to_owned());
            mask(&mut value, false);
            assert_eq!(value.as_str(), Some(shown));
        }
        for name in ["passphrase", "Authorization", "aws_access_key", "webhook_url", "dsn"] {
            assert!(is_secret_name(name), "{name}");
        }
    }
}
