//! Values that are possible each by itself but not together.
//!
//! The rule: a check points at the value that a person would change, in the layer it came from.

use std::collections::BTreeMap;

use super::nearest::nearest;
use super::problem::{Place, Problem};
use super::read;
use super::{Config, PluginTable};

/// A composed configuration with the places of its parts.
pub(super) struct Given<'a> {
    pub(super) config: &'a Config,
    pub(super) values: &'a BTreeMap<String, read::Given>,
    pub(super) places: &'a BTreeMap<String, Place>,
}

impl Given<'_> {
    /// The place of the first of `keys` that somebody set.
    fn place(&self, keys: &[&str]) -> Place {
        keys.iter()
            .find_map(|key| match self.values.get(*key) {
                Some(given) => Some(given.place.clone()),
                None => self.places.get(*key).cloned(),
            })
            .unwrap_or(Place::Defaults)
    }

    /// The places where the plugins were asked for: their tables, or the list of the bundled ones.
    pub(super) fn plugins(&self) -> BTreeMap<String, Place> {
        let tables = self.config.plugin.iter().enumerate().map(|(n, table)| {
            (table.name.clone(), self.place(&[&format!("plugin[{n}]"), "plugins.bundled"]))
        });
        let listed = self.config.plugins.bundled.iter();
        let listed = listed.map(|name| (name.clone(), self.place(&["plugins.bundled"])));
        // A table stands before the list.
        listed.chain(tables).collect()
    }
}

/// Everything that does not fit together.
pub(super) fn all(given: &Given<'_>, shipped: &[&str]) -> Vec<Problem> {
    let mut problems = Vec::new();
    tls(given, &mut problems);
    ring(given, &mut problems);
    tokens(given, &mut problems);
    plugins(given, shipped, &mut problems);
    problems
}

fn tls(given: &Given<'_>, problems: &mut Vec<Problem>) {
    let server = &given.config.server;
    let keys = ["server.tls_cert", "server.tls_key"];
    let (has, lacks) = match [&server.tls_cert, &server.tls_key].map(|p| p.as_os_str().is_empty()) {
        [false, true] => (keys[0], keys[1]),
        [true, false] => (keys[1], keys[0]),
        _ => return,
    };
    problems.push(
        Problem::new(given.place(&[has]), format!("`{has}` is given without `{lacks}`"))
            .hint("give both to speak TLS, or neither"),
    );
}

fn ring(given: &Given<'_>, problems: &mut Vec<Problem>) {
    let ring = &given.config.ring;
    if ring.max_events > ring.capacity {
        let message = format!(
            "`ring.max_events` ({}) is more than `ring.capacity` ({})",
            ring.max_events, ring.capacity
        );
        let place = given.place(&["ring.max_events", "ring.capacity"]);
        problems.push(Problem::new(place, message).hint(format!(
            "lower it to at most {}, or raise the capacity to {}",
            ring.capacity,
            ring.max_events.next_power_of_two()
        )));
    }
    if !ring.text_bytes.is_multiple_of(64) {
        let message = format!("`ring.text_bytes` ({}) is not a multiple of 64", ring.text_bytes);
        let hint = format!("the next one is {}", ring.text_bytes.next_multiple_of(64));
        problems.push(Problem::new(given.place(&["ring.text_bytes"]), message).hint(hint));
    }
    // An eighth of the text is reserved for what plugins emit; one event must fit either part.
    let least = ring.event_bytes * 8;
    if ring.text_bytes < least {
        let message = format!(
            "`ring.text_bytes` ({}) has no room for events of `ring.event_bytes` ({})",
            ring.text_bytes, ring.event_bytes
        );
        let place = given.place(&["ring.text_bytes", "ring.event_bytes"]);
        problems.push(Problem::new(place, message).hint(format!("allowed: at least {least}")));
    }
}

fn tokens(given: &Given<'_>, problems: &mut Vec<Problem>) {
    let tokens = &given.config.auth.tokens;
    for (n, token) in tokens.iter().enumerate() {
        let place = |key: &str| {
            given.place(&[&format!("auth.tokens[{n}].{key}"), &format!("auth.tokens[{n}]")])
        };
        if token.name.is_empty() {
            problems.push(
                Problem::new(place("name"), "a token has no name").hint("add name = \"...\""),
            );
        } else if token.name == "default" {
            problems.push(
                Problem::new(place("name"), "`default` is the name of the token in [auth]")
                    .hint("choose another name"),
            );
        } else if tokens[..n].iter().any(|other| other.name == token.name) {
            let message = format!("the token name `{}` is given twice", token.name);
            problems.push(Problem::new(place("name"), message).hint("rename one of them"));
        }
        let (text, file) = (!token.token.is_empty(), !token.token_file.as_os_str().is_empty());
        if text == file {
            let message = match text {
                true => format!("the token `{}` is given both as text and as a file", token.name),
                false => {
                    format!("the token `{}` is given neither as text nor as a file", token.name)
                }
            };
            problems.push(
                Problem::new(place("token"), message)
                    .hint("give exactly one of token and token_file")
                    .unquoted(),
            );
        }
        let first = tokens[..n].iter().map(|other| &other.token).chain([&given.config.auth.token]);
        if text && first.into_iter().any(|other| *other == token.token) {
            let message = format!("the token `{}` is the same as another one", token.name);
            problems.push(
                Problem::new(place("token"), message)
                    .hint("every token is its own secret")
                    .unquoted(),
            );
        }
    }
}

fn plugins(given: &Given<'_>, shipped: &[&str], problems: &mut Vec<Problem>) {
    let tables = &given.config.plugin;
    for (n, plugin) in tables.iter().enumerate() {
        let place =
            |key: &str| given.place(&[&format!("plugin[{n}].{key}"), &format!("plugin[{n}]")]);
        if plugin.name.is_empty() {
            problems.push(
                Problem::new(place("name"), "a plugin has no name").hint("add name = \"...\""),
            );
            continue;
        }
        if tables[..n].iter().any(|other| other.name == plugin.name) {
            let message = format!("the plugin `{}` has two tables", plugin.name);
            problems.push(Problem::new(place("name"), message).hint("join them, or rename one"));
        }
        if !given.config.plugins.sandbox.admits(plugin.isolation) {
            let message = format!("the plugin `{}` would run without a sandbox", plugin.name);
            problems.push(
                Problem::new(place("isolation"), message).hint(
                    "remove isolation = \"thread\", or set plugins.sandbox = \"best-effort\"",
                ),
            );
        }
        if plugin.is_bundled() && !shipped.contains(&plugin.name.as_str()) {
            problems.push(not_shipped(place("name"), plugin, shipped));
        }
    }
    let bundled = &given.config.plugins.bundled;
    for (n, name) in bundled.iter().enumerate() {
        let place = given.place(&["plugins.bundled"]);
        if !shipped.contains(&name.as_str()) {
            let message = format!("`{name}` is not a bundled plugin");
            problems.push(Problem::new(place, message).hint(shipped_hint(name, shipped)));
        } else if bundled[..n].contains(name) {
            let message = format!("`{name}` is listed twice");
            problems.push(Problem::new(place, message).hint("remove one of them"));
        }
    }
}

fn not_shipped(place: Place, plugin: &PluginTable, shipped: &[&str]) -> Problem {
    let message = format!("the plugin `{}` has no path and is not bundled", plugin.name);
    let hint = match nearest(&plugin.name, shipped.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("add path = \"...\"; {}", shipped_list(shipped)),
    };
    Problem::new(place, message).hint(hint)
}

fn shipped_hint(name: &str, shipped: &[&str]) -> String {
    match nearest(name, shipped.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`? {}", shipped_list(shipped)),
        None => format!(
            "{}; another plugin needs a [[plugin]] table with its path",
            shipped_list(shipped)
        ),
    }
}

fn shipped_list(shipped: &[&str]) -> String {
    match shipped {
        [] => "this build bundles no plugins".to_owned(),
        names => format!("bundled in this build: {}", names.join(", ")),
    }
}
