//! The default file: every setting commented out, with its default and a sentence.
//!
//! The rule: the file is written from the table of settings and the defaults, never by hand.
//! `# ` begins a sentence or an example, `#` without a blank a setting.

use std::fmt::Write;

use super::settings::{Applies, Kind, SETTINGS, Setting};
use super::{Config, show};

const HEAD: &str = "\
# Shimmer's configuration. Every setting is shown with its default; remove the # before one to
# change it. Precedence: flag, environment, this file, default.
# `shimmer config check` validates this file, `shimmer config show --origin` tells where every
# value came from, `shimmer reload` or SIGHUP applies a change to a running server.
";

const TOKENS: &str = "\
#     [[auth.tokens]]
#     name = \"sensors\"
#     token_file = \"/run/secrets/sensors\"     # or token = \"...\"
#     sources = [\"sensor-*\"]                  # empty: any source
";

const PLUGINS: &str = "\
#     [[plugin]]
#     name = \"threshold\"
#     path = \"./plugins/libthreshold.so\"      # none for a bundled plugin
#     enabled = true
#     isolation = \"process\"                   # or \"thread\": no sandbox, for trusted code
#     delivery = \"gating\"                     # or \"lossy\": events wait for nobody
#     kinds = [\"temperature\"]                 # empty: those the plugin asks for
#     permissions = { net = [\"listen:8091\", \"connect:*\"], read = [], write = [] }
#                              # also source = [], origin = [], weights = true, folder = true
#     limits = { memory_bytes = 536870912, threads = 64, cpu_percent = 0 }     # 0: no limit
#     [plugin.config]                           # what the plugin itself validates
#     limit = 30.0
";

/// The text of the default file.
#[must_use]
pub fn default_file() -> String {
    let mut out = String::from(HEAD);
    let mut section = "";
    for setting in SETTINGS {
        let (own, name) = setting.key.rsplit_once('.').unwrap_or(("", setting.key));
        if own != section && !matches!(setting.kind, Kind::Tables(_)) {
            section = own;
            let _ = write!(out, "\n[{section}]\n");
        } else {
            out.push('\n');
        }
        describe(&mut out, setting);
        match (&setting.kind, setting.key) {
            (Kind::Tables(_), "auth.tokens") => out.push_str(TOKENS),
            (Kind::Tables(_), _) => out.push_str(PLUGINS),
            _ => {
                let value = show::value(&Config::default(), setting.key)
                    .map(|value| value.to_string())
                    .unwrap_or_default();
                let _ = writeln!(out, "#{name} = {value}");
            }
        }
    }
    out
}

/// The sentences about a setting, wrapped at 100 columns.
fn describe(out: &mut String, setting: &Setting) {
    let mut text = setting.about.to_owned();
    if let Some(env) = setting.env {
        let _ = write!(text, " Environment: {env}.");
    }
    match &setting.kind {
        Kind::Integer { min, max } | Kind::PowerOfTwo { min, max } => {
            let _ = write!(text, " Allowed: {min} to {max}.");
        }
        Kind::OneOf(words) if words.iter().any(|word| !text.contains(word)) => {
            let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
            let _ = write!(text, " One of {}.", quoted.join(", "));
        }
        _ => {}
    }
    if setting.applies == Applies::Restart {
        text.push_str(" Needs a restart.");
    }
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > 98 {
            out.push_str(&line);
            out.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
}
