//! `shimmer plugin`: list and control plugins of a node, write, build and test new ones.
//!
//! The rule: what a node knows is asked of the node; what needs no node works without one.

mod dev;
mod new;
mod test;

use std::io::Write;

use serde_json::Value;

use crate::args::{ListArgs, NamedArgs, PluginCommand, When};
use crate::client::Client;
use crate::failure::{Failure, Outcome};
use crate::terminal::{Paint, safe};

/// Runs `shimmer plugin ...`.
pub(crate) fn dispatch(command: PluginCommand) -> Outcome {
    match command {
        PluginCommand::List(args) => list(&args),
        PluginCommand::New { name, dir } => new::new(&name, dir),
        PluginCommand::Dev(args) => dev::dev(&args),
        PluginCommand::Test(args) => test::test(&args),
        PluginCommand::Reload(named) => control(&named, "reload"),
        PluginCommand::Restart(named) => control(&named, "restart"),
        PluginCommand::Enable(named) => control(&named, "enable"),
        PluginCommand::Disable(named) => control(&named, "disable"),
        PluginCommand::Logs { named, limit, json } => logs(&named, limit, json),
    }
}

/// The route of a plugin. A name that is none is a wrong usage: it would lead elsewhere.
fn route(name: &str, action: &str) -> Result<String, Failure> {
    check_name(name)?;
    Ok(format!("/api/plugin/{name}{action}"))
}

fn check_name(name: &str) -> Result<(), Failure> {
    let good = (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    match good {
        true => Ok(()),
        false => Err(Failure::Usage(format!(
            "`{}` cannot be a plugin's name: use 1 to 64 of a-z, 0-9 and -",
            safe(name)
        ))),
    }
}

fn control(named: &NamedArgs, action: &str) -> Outcome {
    let path = route(&named.name, &format!("/{action}"))?;
    let answer = Client::with_token(&named.remote)?.post(&path)?.ok()?;
    let state = answer.json().ok().and_then(|card| card["state"].as_str().map(str::to_owned));
    let state = state.map(|state| format!(" ({})", safe(&state))).unwrap_or_default();
    writeln!(std::io::stdout(), "{}: {action} done{state}", named.name)?;
    Ok(())
}

fn logs(named: &NamedArgs, limit: usize, json: bool) -> Outcome {
    let path = route(&named.name, &format!("/logs?limit={limit}"))?;
    let document = Client::open(&named.remote)?.get(&path)?.ok()?.json()?;
    let mut out = std::io::stdout().lock();
    if json {
        return Ok(writeln!(out, "{document:#}")?);
    }
    for line in document["lines"].as_array().into_iter().flatten() {
        writeln!(out, "{}", log_line(line))?;
    }
    Ok(())
}

/// A log line: time, level, text.
fn log_line(line: &Value) -> String {
    let word = |key: &str| line[key].as_str().map(safe);
    let words: Vec<String> =
        ["timestamp", "level", "message"].into_iter().filter_map(word).collect();
    words.join(" ")
}

fn list(args: &ListArgs) -> Outcome {
    let document = Client::open(&args.remote)?.get("/api/metrics")?.ok()?.json()?;
    let mut out = std::io::stdout().lock();
    let plugins = document["plugins"].as_array().cloned().unwrap_or_default();
    if args.json {
        return Ok(writeln!(out, "{:#}", Value::Array(plugins))?);
    }
    if plugins.is_empty() {
        return Ok(writeln!(out, "no plugins")?);
    }
    Ok(out.write_all(table(&plugins, Paint::stdout(When::Auto)).as_bytes())?)
}

const HEADS: [&str; 10] = [
    "NAME",
    "VERSION",
    "STATE",
    "ISOLATION",
    "DELIVERY",
    "EVENTS",
    "LAG",
    "CRASHES",
    "MEMORY",
    "PERMISSIONS",
];

/// One plugin a line, columns as wide as their widest cell.
fn table(plugins: &[Value], paint: Paint) -> String {
    let rows: Vec<[String; 10]> = plugins.iter().map(cells).collect();
    let mut widths = HEADS.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<String>| format!("{}\n", cells.join("  ").trim_end());
    let pad = |n: usize, cell: &str| format!("{cell:<width$}", width = widths[n]);
    let head = HEADS.iter().enumerate().map(|(n, cell)| pad(n, cell)).collect();
    let mut out = line(head);
    for row in &rows {
        let painted = row.iter().enumerate().map(|(n, cell)| match (n, cell.as_str()) {
            (2, "RUNNING") => paint.good(pad(n, cell)),
            (2, "CRASHED") => paint.error(pad(n, cell)),
            (2, "STARTING" | "RESTARTING") => paint.warn(pad(n, cell)),
            _ => pad(n, cell),
        });
        out.push_str(&line(painted.collect()));
    }
    out
}

fn cells(plugin: &Value) -> [String; 10] {
    let text = |key: &str| match &plugin[key] {
        Value::String(text) => safe(text),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let memory = plugin["memory_mb"].as_f64().map_or("-".to_owned(), |mb| format!("{mb:.1} MB"));
    [
        text("name"),
        text("version"),
        text("state"),
        text("isolation"),
        text("delivery"),
        text("event_count"),
        text("lag_events"),
        text("crash_count"),
        memory,
        permissions(plugin),
    ]
}

/// What it may reach, in the words of its table; on a thread of the host that is whatever the host may.
fn permissions(plugin: &Value) -> String {
    if plugin["isolation"] == "thread" {
        return "all".to_owned();
    }
    let granted = plugin["permissions"].as_object().into_iter().flatten();
    let words: Vec<String> = granted
        .filter_map(|(name, value)| match value {
            Value::Bool(true) => Some(safe(name)),
            Value::Array(list) if !list.is_empty() => {
                let list: Vec<_> = list.iter().filter_map(Value::as_str).map(safe).collect();
                Some(format!("{}={}", safe(name), list.join(",")))
            }
            _ => None,
        })
        .collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_that_would_lead_elsewhere_are_refused() {
        assert_eq!(route("a-1", "/logs").ok().unwrap(), "/api/plugin/a-1/logs");
        for bad in ["", "a/b", "..", "A", "a b", "a?x", &"a".repeat(65)] {
            assert!(matches!(route(bad, ""), Err(Failure::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn plugins_are_listed_in_columns() {
        let plugins = [
            json!({"name":"anomaly","version":"1.0.0","state":"RUNNING","isolation":"process",
                   "delivery":"gating","event_count":12,"lag_events":0,"crash_count":1,"memory_mb":3.25,
                   "permissions":{"net":["listen:80","connect:*"],"read":[],"folder":true,"weights":false}}),
            json!({"name":"x\u{1b}[2J","state":"CRASHED","isolation":"thread","permissions":{}}),
        ];
        let text = table(&plugins, Paint::PLAIN);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("NAME     VERSION  STATE"), "{text}");
        assert!(lines[1].starts_with("anomaly  1.0.0    RUNNING  process"), "{text}");
        assert!(lines[1].contains("3.2 MB") || lines[1].contains("3.3 MB"), "{text}");
        assert!(lines[1].ends_with("  folder net=listen:80,connect:*"), "{text}");
        assert!(lines[2].ends_with("  all"), "{text}");
        assert_eq!(permissions(&json!({"permissions":{"net":[],"folder":false}})), "none");
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn log_lines_are_shown_without_what_commands_a_terminal() {
        let line = json!({"timestamp":"t","level":"INFO","stream":"log","message":"m\u{1b}[2J"});
        assert_eq!(log_line(&line), "t INFO m\u{fffd}[2J");
    }
}
