//! One layer of the configuration: the file.
//!
//! The rule: the whole file is read before it is judged, so that everything wrong with it is
//! told at once, each fault at the bytes that hold it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Value;
use toml::de::{DeTable, DeValue};

use super::nearest::nearest;
use super::problem::{Place, Problem, SourceText};
use super::settings::{Form, Kind, SETTINGS, Setting};
use super::value;

/// Longest file that is read.
const FILE_BYTES: u64 = 1 << 20;

/// Faults of syntax that are told at once: after a few, the rest are usually echoes.
const SYNTAX_FAULTS: usize = 8;

/// A value with the place it was given at.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// What one origin sets, by key.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) values: BTreeMap<String, Given>,
    /// Places of what stands inside arrays of tables, as `plugin[0].name`, for checks that
    /// look at more than one value.
    pub(super) places: BTreeMap<String, Place>,
    pub(super) problems: Vec<Problem>,
}

/// Reads a file into a text.
pub(super) fn open(path: &Path) -> Result<SourceText, Problem> {
    let fault = |message: String| Problem::new(Place::Path(path.to_owned()), message);
    let size = std::fs::metadata(path)
        .map_err(|error| fault(format!("the configuration cannot be read: {error}")))?
        .len();
    if size > FILE_BYTES {
        return Err(fault(format!("the configuration is longer than {FILE_BYTES} bytes")));
    }
    let bytes = std::fs::read(path)
        .map_err(|error| fault(format!("the configuration cannot be read: {error}")))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(SourceText { path: path.to_owned(), text }),
        Err(error) => Err(fault(format!(
            "the configuration is not UTF-8: byte {} is not part of any character",
            error.utf8_error().valid_up_to()
        ))
        .hint("save it as UTF-8")),
    }
}

/// Reads what a file sets.
pub(super) fn file(source: &Arc<SourceText>) -> Layer {
    let mut walk = Walk { source, layer: Layer::default() };
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    if errors.is_empty() {
        walk.table("", "", SETTINGS, table.get_ref(), &mut Vec::new());
    }
    for error in errors.iter().take(SYNTAX_FAULTS) {
        let end = source.text.len();
        let place = walk.place(error.span().unwrap_or(end..end));
        // The line may hold half a token: a fault of syntax shows it only when it cannot.
        let problem = Problem::new(place, error.message());
        let quotable = error.span().is_none_or(|span| !near_secret(&source.text, span.start));
        walk.layer.problems.push(if quotable { problem } else { problem.unquoted() });
    }
    walk.layer
}

/// Whether the line at `offset` assigns something whose name speaks of a secret.
fn near_secret(text: &str, offset: usize) -> bool {
    let offset = offset.min(text.len());
    let start = text.as_bytes()[..offset].iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let line = text[start..].lines().next().unwrap_or("").to_ascii_lowercase();
    ["token", "secret", "password", "key", "psk", "url"].iter().any(|word| line.contains(word))
}

struct Walk<'a> {
    source: &'a Arc<SourceText>,
    layer: Layer,
}

impl Walk<'_> {
    fn place(&self, range: Range<usize>) -> Place {
        Place::File(Arc::clone(self.source), range)
    }

    fn refuse(&mut self, key: &str, range: Range<usize>, message: String, hint: Option<String>) {
        let is_secret = key.starts_with("auth.") || near_secret(&self.source.text, range.start);
        let mut problem = Problem::new(self.place(range), message);
        problem.hint = hint;
        self.layer.problems.push(if is_secret { problem.unquoted() } else { problem });
    }

    /// Walks `table`, whose settings begin with `prefix` in `settings`; `item` is the array
    /// element it stands in, as `plugin[0].`. Inside an array the values go to `taken`.
    fn table(
        &mut self,
        prefix: &str,
        item: &str,
        settings: &'static [Setting],
        table: &DeTable<'_>,
        taken: &mut Vec<(&'static str, Value)>,
    ) {
        for (name, value) in table {
            let key = format!("{prefix}{}", name.get_ref());
            if let Some(setting) = settings.iter().find(|setting| setting.key == key) {
                let (value, range) = (value.get_ref(), value.span());
                match (&setting.kind, value) {
                    (Kind::Tables(inner), DeValue::Array(_)) => {
                        self.tables(setting.key, inner, value, range);
                    }
                    _ => self.leaf(setting, item, value, range, taken),
                }
                continue;
            }
            let section = format!("{key}.");
            if settings.iter().any(|setting| setting.key.starts_with(&section)) {
                match value.get_ref() {
                    DeValue::Table(inner) => self.table(&section, item, settings, inner, taken),
                    other => self.refuse(
                        &section,
                        value.span(),
                        format!("`{key}` is a section, this is {}", value::type_name(other)),
                        Some(format!("write its settings below a line [{key}]")),
                    ),
                }
                continue;
            }
            let hint = unknown_hint(prefix, name.get_ref(), settings);
            let key = format!("{item}{key}");
            self.refuse(&key, name.span(), format!("unknown key `{key}`"), hint);
        }
    }

    fn leaf(
        &mut self,
        setting: &'static Setting,
        item: &str,
        value: &DeValue<'_>,
        range: Range<usize>,
        taken: &mut Vec<(&'static str, Value)>,
    ) {
        let shown = format!("{item}{}", setting.key);
        match value::from_file(&shown, &setting.kind, value) {
            Ok(value) => {
                let place = self.place(range);
                if item.is_empty() {
                    self.layer.values.insert(setting.key.to_owned(), Given { value, place });
                } else {
                    self.layer.places.insert(shown, place);
                    taken.push((setting.key, value));
                }
            }
            Err(fault) => {
                let element = fault.element.and_then(|n| match value {
                    DeValue::Array(items) => items.get(n).map(|element| element.span()),
                    _ => None,
                });
                let problem = Problem::new(self.place(element.unwrap_or(range)), fault.message);
                let problem = match fault.hint {
                    Some(hint) => problem.hint(hint),
                    None => problem,
                };
                let secret = matches!(setting.kind, Kind::Text(Form::Token) | Kind::Free);
                self.layer.problems.push(if secret { problem.unquoted() } else { problem });
            }
        }
    }

    fn tables(
        &mut self,
        key: &'static str,
        settings: &'static [Setting],
        value: &DeValue<'_>,
        range: Range<usize>,
    ) {
        let DeValue::Array(items) = value else { return };
        let mut list = Vec::with_capacity(items.len());
        for (n, item) in items.iter().enumerate() {
            let name = format!("{key}[{n}]");
            let DeValue::Table(table) = item.get_ref() else {
                self.refuse(
                    key,
                    item.span(),
                    format!("`{name}` is a table, this is {}", value::type_name(item.get_ref())),
                    Some(format!("begin each one with [[{key}]]")),
                );
                continue;
            };
            let mut taken = Vec::new();
            self.table("", &format!("{name}."), settings, table, &mut taken);
            let place = self.place(item.span());
            self.layer.places.insert(name, place);
            let mut out = toml::Table::new();
            for (key, value) in taken {
                insert(&mut out, key, value);
            }
            list.push(Value::Table(out));
        }
        let place = self.place(range);
        self.layer.values.insert(key.to_owned(), Given { value: Value::Array(list), place });
    }
}

/// Puts `value` at a dotted key, making the tables on the way.
pub(super) fn insert(table: &mut toml::Table, key: &str, value: Value) {
    let mut table = table;
    let mut rest = key;
    while let Some((section, inner)) = rest.split_once('.') {
        let next = table.entry(section).or_insert_with(|| Value::Table(toml::Table::new()));
        if !next.is_table() {
            *next = Value::Table(toml::Table::new());
        }
        table = next.as_table_mut().expect("made a table just above");
        rest = inner;
    }
    table.insert(rest.to_owned(), value);
}

fn unknown_hint(prefix: &str, name: &str, settings: &'static [Setting]) -> Option<String> {
    let here = || {
        let mut names: Vec<&str> = settings
            .iter()
            .filter_map(|setting| setting.key.strip_prefix(prefix))
            .map(|rest| rest.split('.').next().unwrap_or(rest))
            .collect();
        names.dedup();
        names
    };
    if let Some(meant) = nearest(name, here()) {
        return Some(format!("did you mean `{meant}`?"));
    }
    let elsewhere = |setting: &&Setting| setting.key.rsplit('.').next() == Some(name);
    if let Some(setting) = settings.iter().find(elsewhere) {
        return Some(match setting.key.rsplit_once('.') {
            Some((section, _)) => format!("`{name}` belongs to [{section}]"),
            None => format!("`{name}` stands above the first section"),
        });
    }
    Some(format!("known here: {}", here().join(", ")))
}
