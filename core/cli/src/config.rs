//! `shimmer config`: check, show and default.
//!
//! The rule: what is checked and shown is what `run` with the same flags would use.

use std::io::Write;

use serde_json::json;
use shimmer_server::ServerError;
use shimmer_server::config::{Loaded, Origin, Sources, default_file};

use crate::args::{ConfigArgs, ConfigCommand, ShowArgs, When};
use crate::failure::{Failure, Outcome};
use crate::terminal::{Paint, safe};

/// Runs `shimmer config ...`.
pub(crate) fn dispatch(command: ConfigCommand) -> Outcome {
    match command {
        ConfigCommand::Check(args) => check(&args),
        ConfigCommand::Show(args) => show(&args),
        ConfigCommand::Default => Ok(std::io::stdout().write_all(default_file().as_bytes())?),
    }
}

/// The places that the arguments and the environment name.
pub(crate) fn sources(args: &ConfigArgs) -> Sources {
    let mut sources = Sources::of_process(args.config.clone());
    sources.flag("--data-dir", "data_dir", args.data_dir.clone());
    sources.flag("--host", "server.host", args.host.clone());
    sources.flag("--port", "server.port", args.port.clone());
    sources.flag("--log-level", "log.level", args.log_level.clone());
    sources.flag("--log-format", "log.format", args.log_format.clone());
    sources
}

fn check(args: &ConfigArgs) -> Outcome {
    let loaded = sources(args).load()?;
    loaded.config.auth.read_tokens()?;
    let asked = shimmer_server::rehearse(&loaded).map_err(|error| match error {
        ServerError::Configuration(problems) => Failure::from(problems),
        other => Failure::Failed(other.into()),
    })?;
    let paint = Paint::stdout(When::Auto);
    let what = match &loaded.file {
        Some(path) => path.display().to_string(),
        None => "no file, the defaults".to_owned(),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} {what}", paint.good("ok:"))?;
    if !asked.is_empty() {
        writeln!(out, "{} plugins that take it: {}", paint.good("ok:"), asked.join(", "))?;
    }
    if !loaded.config.auth.is_given() {
        let note =
            "no token is set: `shimmer run` needs DASHBOARD_TOKEN, auth.token_file or --demo";
        writeln!(out, "{} {note}", paint.warn("note:"))?;
    }
    Ok(())
}

fn show(args: &ShowArgs) -> Outcome {
    let loaded = sources(&args.config).load()?;
    let text =
        if args.json { json_of(&loaded, args.origin) } else { text_of(&loaded, args.origin) };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

/// One line a setting: `key = value`, with the origins in a column of their own.
fn text_of(loaded: &Loaded, origin: bool) -> String {
    let paint = Paint::stdout(When::Auto);
    let rows: Vec<(String, Origin)> = loaded
        .rows()
        .into_iter()
        .map(|row| (format!("{} = {}", row.key, safe(&row.value.to_string())), row.origin))
        .collect();
    let width = rows.iter().map(|(text, _)| text.chars().count().min(50)).max().unwrap_or(0);
    rows.iter()
        .map(|(text, from)| {
            let from = match from {
                Origin::Default => paint.dim(format!("# {from}")),
                _ => format!("# {from}"),
            };
            if origin { format!("{text:<width$}  {from}\n") } else { format!("{text}\n") }
        })
        .collect()
}

fn json_of(loaded: &Loaded, origin: bool) -> String {
    let rows = loaded.rows().into_iter().map(|row| {
        let value = match origin {
            true => json!({ "value": row.value, "origin": row.origin.to_string() }),
            false => json!(row.value),
        };
        (row.key.to_owned(), value)
    });
    let object: serde_json::Map<_, _> = rows.collect();
    format!("{:#}\n", serde_json::Value::Object(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_reach_their_settings() {
        let args = ConfigArgs {
            data_dir: Some("/srv/a".into()),
            host: Some("0.0.0.0".into()),
            port: Some("0".into()),
            log_level: Some("debug".into()),
            log_format: Some("json".into()),
            ..ConfigArgs::default()
        };
        let mut sources = sources(&args);
        (sources.env, sources.search) = Default::default();
        let loaded = sources.load().unwrap();
        assert_eq!(loaded.config.data_dir.to_str(), Some("/srv/a"));
        assert_eq!(loaded.config.server.port, 0);
        let shown = text_of(&loaded, true);
        assert!(shown.contains("server.port = 0"), "{shown}");
        assert_eq!(shown.matches("# flag --").count(), 5, "{shown}");
        let json: serde_json::Value = serde_json::from_str(&json_of(&loaded, true)).unwrap();
        assert_eq!(json["log.format"]["origin"], "flag --log-format");
        assert_eq!(json["ring.capacity"]["origin"], "default");
    }
}
