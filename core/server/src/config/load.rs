//! From file, environment and flags to one [`Config`].
//!
//! The rule: flag over environment over file over default, for each setting by itself; all
//! layers are read and judged before anything is refused, so that one run tells every fault.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use toml::Value;

use super::check;
use super::origin::{Origin, Origins};
use super::plugin_env;
use super::problem::{Place, Problem, Problems};
use super::read::{self, Given, Layer};
use super::settings::{self, SETTINGS};
use super::value;
use super::{Config, SHIPPED};

/// Files that are looked for when none is named, the first one found is taken.
pub const SEARCH: [&str; 2] = ["./shimmer.toml", "/etc/shimmer/shimmer.toml"];

/// Where settings come from. Kept by the program, so that a reload reads the same places again.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The file that was asked for.
    pub file: Option<PathBuf>,
    /// The files that are looked for otherwise.
    pub search: Vec<PathBuf>,
    /// Variables of the environment; only known ones are looked at.
    pub env: BTreeMap<String, OsString>,
    /// What the command line sets, in its order.
    pub flags: Vec<Flag>,
    /// Whether a token is kept in `token` below the data folder when none is set.
    pub demo: bool,
    /// Names of the bundled plugins that exist.
    pub shipped: &'static [&'static str],
}

/// A setting given on the command line.
#[derive(Clone, Debug)]
pub struct Flag {
    /// The flag as it was typed, `--port`.
    pub flag: &'static str,
    /// Key of the setting.
    pub key: &'static str,
    /// Its value.
    pub text: String,
}

/// A configuration and where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What is in force.
    pub config: Config,
    /// Where each value came from that is not a default.
    pub origins: Origins,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// Where each plugin was asked for.
    pub(crate) plugins: BTreeMap<String, Place>,
}

impl Sources {
    /// The usual places: `file`, else [`SEARCH`], and the environment of this process.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>) -> Self {
        Self {
            file,
            search: SEARCH.iter().map(PathBuf::from).collect(),
            env: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
                .collect(),
            ..Self::nowhere()
        }
    }

    /// No file, no environment, no flags: the defaults. For tests and as a base.
    #[must_use]
    pub fn nowhere() -> Self {
        Self {
            file: None,
            search: Vec::new(),
            env: BTreeMap::new(),
            flags: Vec::new(),
            demo: false,
            shipped: SHIPPED,
        }
    }

    /// Adds a setting of the command line.
    pub fn flag(&mut self, flag: &'static str, key: &'static str, text: Option<String>) {
        self.flags.extend(text.map(|text| Flag { flag, key, text }));
    }

    /// Reads all layers and puts them over each other.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn load(&self) -> Result<Loaded, Problems> {
        let path = self.find_file();
        let mut problems = Vec::new();
        let mut places = BTreeMap::new();
        let mut values = BTreeMap::new();
        if let Some(path) = &path {
            let mut layer = match read::open(path) {
                Ok(source) => read::file(&Arc::new(source)),
                Err(problem) => return Err(Problems(vec![problem])),
            };
            places = std::mem::take(&mut layer.places);
            put_over(&mut values, layer, &mut problems);
        }
        put_over(&mut values, self.environment(), &mut problems);
        put_over(&mut values, self.command_line(), &mut problems);
        let (overlay, found) = plugin_env::read(&self.env);
        problems.extend(found);

        let mut config = compose(&values).map_err(|problem| match problems.is_empty() {
            true => Problems(vec![problem]),
            false => Problems(problems.clone()),
        })?;
        let mut origins: Origins =
            values.iter().map(|(key, given)| (key.clone(), Origin::from(&given.place))).collect();
        problems.extend(overlay.apply(&mut config, &mut origins, self.shipped));
        let given = check::Given { config: &config, values: &values, places: &places };
        problems.extend(check::all(&given, self.shipped));
        let plugins = given.plugins();
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        if self.demo && !config.auth.is_given() {
            config.auth.token_file = config.data_dir.join("token");
            origins.insert("auth.token_file".to_owned(), Origin::Flag("--demo".to_owned()));
        }
        Ok(Loaded { config, origins, file: path, plugins })
    }

    /// The file that is read.
    pub(crate) fn find_file(&self) -> Option<PathBuf> {
        let found = || self.search.iter().find(|path| exists(path)).cloned();
        self.file.clone().or_else(found)
    }

    fn environment(&self) -> Layer {
        let mut layer = Layer::default();
        for setting in SETTINGS {
            let Some(name) = setting.env else { continue };
            let Some(text) = self.env.get(name).filter(|text| !text.is_empty()) else { continue };
            let place = Place::Env(name);
            match text.to_str() {
                Some(text) => take(&mut layer, setting, text, place),
                None => layer.problems.push(Problem::new(place, "the value is not UTF-8")),
            }
        }
        layer
    }

    fn command_line(&self) -> Layer {
        let mut layer = Layer::default();
        for Flag { flag, key, text } in &self.flags {
            let setting = settings::find(key).expect("flags name settings of the table");
            take(&mut layer, setting, text, Place::Flag((*flag).to_owned()));
        }
        layer
    }
}

/// Whether something is there, readable or not: an unreadable file is told, not passed over.
fn exists(path: &Path) -> bool {
    !matches!(path.try_exists(), Ok(false))
}

fn take(layer: &mut Layer, setting: &settings::Setting, text: &str, place: Place) {
    match value::from_text(setting.key, &setting.kind, text) {
        Ok(value) => {
            layer.values.insert(setting.key.to_owned(), Given { value, place });
        }
        Err(fault) => {
            let mut problem = Problem::new(place, fault.message);
            problem.hint = fault.hint;
            layer.problems.push(problem);
        }
    }
}

/// The two ways to give the token of the owner. Each layer's choice hides what a lower one says
/// in the other way.
const TOKEN_KEYS: [&str; 2] = ["auth.token", "auth.token_file"];

fn put_over(values: &mut BTreeMap<String, Given>, layer: Layer, problems: &mut Vec<Problem>) {
    problems.extend(layer.problems);
    let given: Vec<_> = TOKEN_KEYS
        .iter()
        .filter_map(|key| layer.values.get(*key))
        .filter(|given| given.value.as_str() != Some(""))
        .collect();
    if let [_, second] = given[..] {
        problems.push(
            Problem::new(second.place.clone(), "both a token and a token file are given")
                .hint("keep one of them")
                .unquoted(),
        );
    }
    if !given.is_empty() {
        for key in TOKEN_KEYS {
            values.remove(key);
        }
    }
    values.extend(layer.values);
}

/// The defaults with `values` over them.
fn compose(values: &BTreeMap<String, Given>) -> Result<Config, Problem> {
    let mut table = toml::Table::try_from(Config::default())
        .expect("the defaults have no value that TOML lacks");
    for (key, given) in values {
        read::insert(&mut table, key, given.value.clone());
    }
    Config::deserialize(Value::Table(table)).map_err(|error| {
        Problem::new(Place::Defaults, format!("the configuration does not fit: {error}"))
            .hint("this is a fault of the program: the table of settings allows what it must not")
    })
}

/// Whether every field of the configuration is a setting and the other way round.
#[cfg(test)]
pub(super) fn fields_beside_settings() -> Vec<String> {
    fn leaves(prefix: &str, table: &toml::Table, out: &mut Vec<String>) {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            let whole =
                settings::find(&key).is_some_and(|s| matches!(s.kind, settings::Kind::Tables(_)));
            match value {
                Value::Table(inner) if !whole => leaves(&format!("{key}."), inner, out),
                _ => out.push(key),
            }
        }
    }
    let mut fields = Vec::new();
    leaves("", &toml::Table::try_from(Config::default()).unwrap(), &mut fields);
    let keys: Vec<String> = SETTINGS.iter().map(|setting| setting.key.to_owned()).collect();
    let stray = |a: &[String], b: &[String]| -> Vec<String> {
        a.iter().filter(|key| !b.contains(key)).cloned().collect()
    };
    [stray(&fields, &keys), stray(&keys, &fields)].concat()
}
