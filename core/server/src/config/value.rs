//! Whether one value is possible for a setting.
//!
//! The rule: a value is taken exactly or refused with the reason and what is allowed; nothing is
//! rounded, cut or guessed.

use std::net::IpAddr;

use ipnet::IpNet;
use toml::Value;
use toml::de::DeValue;

use super::settings::{Form, Kind};

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) hint: Option<String>,
    /// Index of the list element at fault.
    pub(super) element: Option<usize>,
}

impl Fault {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()), element: None }
    }
}

/// Takes a value of the file. Tables are the caller's to walk.
pub(super) fn from_file(key: &str, kind: &Kind, value: &DeValue<'_>) -> Result<Value, Fault> {
    match (kind, value) {
        (Kind::Bool, DeValue::Boolean(on)) => Ok(Value::Boolean(*on)),
        (Kind::Integer { min, max }, DeValue::Integer(_)) => whole(key, value, *min, *max, false),
        (Kind::PowerOfTwo { min, max }, DeValue::Integer(_)) => whole(key, value, *min, *max, true),
        (Kind::OneOf(words), DeValue::String(text)) => one_of(key, words, text),
        (Kind::Text(form), DeValue::String(text)) => {
            form.take(text).map(Value::String).map_err(|why| why.of(key, *form))
        }
        (Kind::List(form), DeValue::Array(items)) => {
            let mut list = Vec::with_capacity(items.len());
            for (n, item) in items.iter().enumerate() {
                let element = match item.get_ref() {
                    DeValue::String(text) => form.take(text).map_err(|why| why.of(key, *form)),
                    other => Err(Fault::new(
                        format!("`{key}` is a list of texts, this is {}", type_name(other)),
                        "put the element in quotes",
                    )),
                };
                list.push(Value::String(
                    element.map_err(|fault| Fault { element: Some(n), ..fault })?,
                ));
            }
            Ok(Value::Array(list))
        }
        (Kind::Free, DeValue::Table(_)) => free(value).map_err(|message| {
            Fault::new(
                message,
                "numbers in a plugin's configuration must be finite and fit 64 bits",
            )
        }),
        (kind, value) => Err(wrong_type(key, kind, value)),
    }
}

/// Takes a value of the environment or of a flag, which are text. Lists are separated by commas.
pub(super) fn from_text(key: &str, kind: &Kind, text: &str) -> Result<Value, Fault> {
    let text = text.trim();
    match kind {
        Kind::Bool => match text {
            "1" | "true" => Ok(Value::Boolean(true)),
            "0" | "false" => Ok(Value::Boolean(false)),
            _ => Err(Fault::new(format!("`{text}` is neither on nor off"), "use 1 or 0")),
        },
        Kind::Integer { min, max } => text_number(key, text, *min, *max, false),
        Kind::PowerOfTwo { min, max } => text_number(key, text, *min, *max, true),
        Kind::OneOf(words) => one_of(key, words, text),
        Kind::Text(form) => form.take(text).map(Value::String).map_err(|why| why.of(key, *form)),
        Kind::List(form) => text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(|item| form.take(item).map(Value::String).map_err(|why| why.of(key, *form)))
            .collect::<Result<_, _>>()
            .map(Value::Array),
        Kind::Tables(_) | Kind::Free => {
            Err(Fault::new(format!("`{key}` can only be set in the file"), "write it there"))
        }
    }
}

/// The name of a value's type as a sentence wants it.
pub(super) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn wrong_type(key: &str, kind: &Kind, value: &DeValue<'_>) -> Fault {
    let (wanted, example) = match kind {
        Kind::Bool => ("true or false", "true".to_owned()),
        Kind::Integer { min, .. } | Kind::PowerOfTwo { min, .. } => {
            ("a whole number", number_of(value).unwrap_or(*min).to_string())
        }
        Kind::OneOf(words) => ("text", format!("\"{}\"", words[0])),
        Kind::Text(_) => ("text", "\"...\"".to_owned()),
        Kind::List(_) => ("a list", "[\"...\"]".to_owned()),
        Kind::Tables(_) => {
            return Fault::new(
                format!("`{key}` is a list of tables, this is {}", type_name(value)),
                format!("begin each one with [[{key}]]"),
            );
        }
        Kind::Free => {
            return Fault::new(
                format!("`{key}` is a table, this is {}", type_name(value)),
                "write its members below a header of that name",
            );
        }
    };
    let name = key.rsplit('.').next().unwrap_or(key);
    Fault::new(
        format!("`{key}` is {wanted}, this is {}", type_name(value)),
        format!("write {name} = {example}"),
    )
}

/// The number that a text or a fraction was meant to be, for a hint.
fn number_of(value: &DeValue<'_>) -> Option<i64> {
    match value {
        DeValue::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    match value {
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok(),
        _ => None,
    }
}

fn whole(key: &str, value: &DeValue<'_>, min: i64, max: i64, power: bool) -> Result<Value, Fault> {
    bounded(key, integer(value), min, max, power)
}

fn text_number(key: &str, text: &str, min: i64, max: i64, power: bool) -> Result<Value, Fault> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::new(
            format!("`{}` is no whole number", cut(text)),
            format!("`{key}` is {}", allowed(min, max, power)),
        ));
    }
    bounded(key, text.parse().ok(), min, max, power)
}

fn bounded(
    key: &str,
    number: Option<i64>,
    min: i64,
    max: i64,
    power: bool,
) -> Result<Value, Fault> {
    let hint = format!("allowed: {}", allowed(min, max, power));
    match number {
        Some(n) if n < min => Err(Fault::new(format!("`{key}` is too small"), hint)),
        Some(n) if n > max => Err(Fault::new(format!("`{key}` is too large"), hint)),
        Some(n) if power && n & (n - 1) != 0 => {
            let above = u64::try_from(n).unwrap_or(1).next_power_of_two();
            let hint = format!("the nearest are {} and {above}", above / 2);
            Err(Fault::new(format!("`{key}` is not a power of two"), hint))
        }
        Some(n) => Ok(Value::Integer(n)),
        None => Err(Fault::new(format!("`{key}` is too large"), hint)),
    }
}

fn allowed(min: i64, max: i64, power: bool) -> String {
    let what = if power { "a power of two from" } else { "a whole number from" };
    match max {
        i64::MAX => format!("a whole number of at least {min}"),
        _ => format!("{what} {min} to {max}"),
    }
}

fn one_of(key: &str, words: &[&str], text: &str) -> Result<Value, Fault> {
    if words.contains(&text) {
        return Ok(Value::String(text.to_owned()));
    }
    let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
    Err(Fault::new(
        format!("`{key}` cannot be `{}`", cut(text)),
        format!("one of {}", quoted.join(", ")),
    ))
}

fn free(value: &DeValue<'_>) -> Result<Value, String> {
    Ok(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(n) => Value::Integer(
            integer(value).ok_or_else(|| format!("`{}` does not fit 64 bits", cut(n.as_str())))?,
        ),
        DeValue::Float(x) => {
            let x = x.as_str().parse::<f64>().ok().filter(|x| x.is_finite());
            Value::Float(x.ok_or("a number is not finite")?)
        }
        DeValue::Boolean(on) => Value::Boolean(*on),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| free(item.get_ref())).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => Value::Table(
            table
                .iter()
                .map(|(key, item)| Ok((key.get_ref().to_string(), free(item.get_ref())?)))
                .collect::<Result<_, String>>()?,
        ),
    })
}

/// Why a text does not have its form.
struct Misfit(&'static str);

impl Misfit {
    fn of(&self, key: &str, form: Form) -> Fault {
        Fault::new(format!("`{key}` {}", self.0), form.allowed())
    }
}

impl Form {
    fn take(self, text: &str) -> Result<String, Misfit> {
        let is_word = |extra: &'static [u8], max: usize| {
            move |text: &str| {
                (1..=max).contains(&text.len())
                    && text
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || extra.contains(&b))
            }
        };
        let good = match self {
            Self::NodeName => text.chars().count() <= 128 && !text.chars().any(char::is_control),
            Self::OptionalPath => !text.contains('\0'),
            Self::Path => !text.is_empty() && !text.contains('\0'),
            Self::Token => is_token(text),
            Self::TokenName => {
                (1..=128).contains(&text.chars().count()) && !text.chars().any(char::is_control)
            }
            Self::Address => return address(text).ok_or(Misfit("is not an IP address")),
            Self::Origin => is_origin(text),
            Self::HostName => is_host(text),
            Self::Network => network(text).is_some(),
            Self::LogFilter => is_log_filter(text),
            Self::SourceGlob => {
                (1..=128).contains(&text.chars().count()) && !text.chars().any(char::is_control)
            }
            Self::PluginName => is_word(b"-", 64)(text),
            Self::EventKind => is_word(b"._-", 64)(text),
            Self::NetRule => is_net_rule(text),
        };
        if good { Ok(text.to_owned()) } else { Err(Misfit(self.misfit())) }
    }

    const fn misfit(self) -> &'static str {
        match self {
            Self::NodeName | Self::TokenName | Self::PluginName => "is not a possible name",
            Self::OptionalPath | Self::Path => "is not a path",
            Self::Token => "is not a possible token",
            Self::Address => "is not an IP address",
            Self::Origin => "is not an origin",
            Self::HostName => "is not a host name",
            Self::Network => "is not a network",
            Self::LogFilter => "is not a log level",
            Self::SourceGlob => "is not a pattern of sources",
            Self::EventKind => "is not a kind of event",
            Self::NetRule => "is not a rule for the network",
        }
    }

    const fn allowed(self) -> &'static str {
        match self {
            Self::NodeName => "up to 128 characters, none of them a control character",
            Self::TokenName => "1 to 128 characters, none of them a control character",
            Self::OptionalPath => "a path without a zero byte",
            Self::Path => "a path that is not empty",
            Self::Token => "1 to 1024 visible ASCII characters without blanks",
            Self::Address => "an address such as 127.0.0.1, 0.0.0.0 or ::1",
            Self::Origin => "scheme and host, as in \"https://example.org\", without a path",
            Self::HostName => "a host without port, as in \"shimmer.example.org\"",
            Self::Network => "an address, or a network such as 10.0.0.0/8 or fd00::/8",
            Self::LogFilter => {
                "off, error, warn, info, debug, trace, or a list as in \"info,shimmer_ring=debug\""
            }
            Self::SourceGlob => "1 to 128 characters; * stands for any of them, as in \"sensor-*\"",
            Self::PluginName => "1 to 64 of a-z, 0-9 and -",
            Self::EventKind => "1 to 64 of a-z, 0-9, dot, underscore and -",
            Self::NetRule => "\"listen:PORT\" or \"connect:PORT\"; * for any port",
        }
    }
}

/// Whether `text` can stand in an `Authorization` header; empty stands for none.
pub(super) fn is_token(text: &str) -> bool {
    text.len() <= 1024 && text.bytes().all(|b| b.is_ascii_graphic())
}

fn address(text: &str) -> Option<String> {
    let text = if text == "localhost" { "127.0.0.1" } else { text };
    let text = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    text.parse::<IpAddr>().ok().map(|ip| ip.to_string())
}

fn is_origin(text: &str) -> bool {
    text.split_once("://")
        .is_some_and(|(scheme, rest)| matches!(scheme, "http" | "https") && is_host_and_port(rest))
}

fn is_host_and_port(text: &str) -> bool {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && !text.ends_with(']') => {
            is_host(host) && port.parse::<u16>().is_ok()
        }
        _ => is_host(text),
    }
}

fn is_host(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    bare.is_some_and(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok())
        || ((1..=253).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)))
}

/// A network, of which a plain address is the smallest.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn is_log_filter(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    let is_target = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:-".contains(&b))
    };
    !text.is_empty()
        && text.split(',').map(str::trim).all(|directive| match directive.split_once('=') {
            Some((target, level)) => is_target(target.trim()) && is_level(level.trim()),
            None => is_level(directive),
        })
}

fn is_net_rule(text: &str) -> bool {
    match text.split_once(':') {
        Some(("listen" | "connect", "*")) => true,
        Some(("listen" | "connect", port)) => port.parse::<u16>().is_ok_and(|port| port != 0),
        _ => false,
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}...", text[..at].escape_debug()),
        None => text.escape_debug().to_string(),
    }
}
