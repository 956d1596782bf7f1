//! `[plugin.config]` of the plugin.
//!
//! The rule: what is wrong is told with its key and the remedy, all of it at once, before anything runs.

use std::path::PathBuf;

use serde::Deserialize;
use shimmer_governor::{Auto, DaoId, MemberKey, Ratio, Secret, Span};
use shimmer_sdk::Error;
use shimmer_view::{MAX_SOURCE_WINDOW, Method, Rule};

/// The keys as they stand in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    id: String,
    writer: String,
    key_file: PathBuf,
    clock: ClockName,
    auto: bool,
    default_weight: f64,
    max_step: f64,
    epoch_s: f64,
    renew_s: f64,
    method: Method,
    trim: f64,
    share_cap: f64,
    window: usize,
}

/// Whose time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClockName {
    /// This machine's.
    System,
    /// What `POST /dao/clock` says.
    Manual,
}

/// What the keys mean.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) governor: shimmer_governor::Config,
    pub(crate) standing: Standing,
    pub(crate) clock: ClockName,
    pub(crate) rule: Rule,
}

/// Who writes the log.
#[derive(Debug, PartialEq)]
pub(crate) enum Standing {
    /// This node, for itself.
    Alone,
    /// This node, for others too, with the key of this file.
    Writer(MemberKey, PathBuf),
    /// The node with this key.
    Follower(MemberKey),
}

impl Standing {
    /// The key that a writer signs with.
    pub(crate) fn secret(&self) -> Result<Option<Secret>, Error> {
        let Self::Writer(writer, file) = self else { return Ok(None) };
        let secret =
            Secret::read(file).map_err(|why| Error::config("key_file", &why.to_string()))?;
        if secret.key() != *writer {
            let why = format!(
                "must be the public key of {}, {}, or that of the node to follow, without key_file",
                file.display(),
                secret.key()
            );
            return Err(Error::config("writer", &why));
        }
        Ok(Some(secret))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            id: String::new(),
            writer: String::new(),
            key_file: PathBuf::new(),
            clock: ClockName::System,
            auto: true,
            default_weight: 0.5,
            max_step: 0.1,
            epoch_s: 3_600.0,
            renew_s: 30.0 * 86_400.0,
            method: Method::TrimmedMean,
            trim: 0.2,
            share_cap: 0.3,
            window: 50,
        }
    }
}

impl Config {
    /// Checks what the types cannot. `node` is what the host calls this node: the DAO's id where none is given. It is
    /// empty where a configuration is checked beside a node that has no name yet.
    pub(crate) fn check(self, node: &str) -> Result<Settings, Error> {
        let mut wrong = Vec::new();
        let id = [self.id.as_str(), node, "node"]
            .into_iter()
            .find(|id| !id.is_empty())
            .unwrap_or_default();
        let id = id.parse::<DaoId>().map_err(|why| wrong.push(format!("id: {why}")));
        let standing = self.standing().map_err(|why| wrong.push(why));
        let mut ratio = |key: &str, value: f64| {
            let ratio = Ratio::from_f64(value);
            if ratio.is_none() {
                wrong.push(format!("{key}: must be 0 to 1"));
            }
            ratio.unwrap_or(Ratio::ZERO)
        };
        let default_weight = ratio("default_weight", self.default_weight);
        let max_step = ratio("max_step", self.max_step);
        let mut span = |key: &str, seconds: f64| {
            let span = Span::from_s_f64(seconds).filter(|span| *span > Span::ZERO);
            if span.is_none() {
                wrong.push(format!("{key}: must be seconds, more than 0 and at most ten years"));
            }
            span.unwrap_or(Span::MAX)
        };
        let epoch = span("epoch_s", self.epoch_s);
        let renew = span("renew_s", self.renew_s);
        if !(0.0..0.5).contains(&self.trim) {
            wrong.push(
                "trim: must be 0 to less than 0.5; for 0.5 set method = \"median\"".to_owned(),
            );
        }
        if !(self.share_cap > 0.0 && self.share_cap <= 1.0) {
            wrong.push(
                "share_cap: must be more than 0 and at most 1, which caps nothing".to_owned(),
            );
        }
        if !(1..=MAX_SOURCE_WINDOW).contains(&self.window) {
            wrong.push(format!("window: must be 1 to {MAX_SOURCE_WINDOW}"));
        }
        if max_step < Ratio::from_f64(0.001).unwrap_or(Ratio::ZERO) {
            wrong.push("max_step: must be at least 0.001".to_owned());
        }
        let (Ok(id), Ok(standing), true) = (id, standing, wrong.is_empty()) else {
            return Err(Error::Invalid(wrong.join("\n")));
        };
        let auto = if self.auto { Auto::On } else { Auto::Off };
        Ok(Settings {
            governor: shimmer_governor::Config { id, auto, default_weight, max_step, epoch, renew },
            standing,
            clock: self.clock,
            rule: Rule {
                method: self.method,
                trim: self.trim,
                share_cap: self.share_cap,
                window: self.window,
                default_weight: self.default_weight,
            },
        })
    }

    fn standing(&self) -> Result<Standing, String> {
        let is_keyed = !self.key_file.as_os_str().is_empty();
        if self.writer.is_empty() {
            return if is_keyed {
                let file = self.key_file.display();
                Err(format!("writer: must be the public key of {file}, which is given as key_file"))
            } else {
                Ok(Standing::Alone)
            };
        }
        let writer = self.writer.parse::<MemberKey>();
        let writer = writer.map_err(|why| {
            format!("writer: {why}; it is what `shimmer dao keygen` prints for the writer")
        })?;
        Ok(if is_keyed {
            Standing::Writer(writer, self.key_file.clone())
        } else {
            Standing::Follower(writer)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_good_and_the_node_names_the_dao() {
        let settings = Config::default().check("node-1").expect("good");
        assert_eq!(&*settings.governor.id, "node-1");
        assert!(shimmer_view::Influence::new(settings.rule).is_ok());
        assert!(settings.governor.checked().is_ok());
        assert!(Config::default().check("").is_ok());
        let named = Config { id: "our dao".to_owned(), ..Config::default() };
        assert_eq!(&*named.check("node-1").expect("good").governor.id, "our dao");
    }

    #[test]
    fn everything_wrong_is_told_at_once_by_its_key() {
        let config = Config {
            id: "\u{7}".to_owned(),
            default_weight: 1.5,
            max_step: f64::NAN,
            epoch_s: 0.0,
            renew_s: -1.0,
            trim: 0.5,
            share_cap: 0.0,
            window: 0,
            ..Config::default()
        };
        let Err(Error::Invalid(why)) = config.check("node") else { panic!("taken") };
        let keys: Vec<_> =
            why.lines().filter_map(|line| line.split_once(':')).map(|(key, _)| key).collect();
        let expected = [
            "id",
            "default_weight",
            "max_step",
            "epoch_s",
            "renew_s",
            "trim",
            "share_cap",
            "window",
            "max_step",
        ];
        assert_eq!(keys, expected);
    }
}
