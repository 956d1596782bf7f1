//! `shimmer plugin test`: the conformance suite against a shared object.
//!
//! The rule: the suite is the host's own; this command only tells its results.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, anyhow};
use serde_json::json;
use shimmer_host::conformance::{self, Check, Options};

use crate::args::{TestArgs, When};
use crate::failure::{Failure, Outcome};
use crate::terminal::{Paint, safe};

/// Runs `shimmer plugin test`.
pub(super) fn test(args: &TestArgs) -> Outcome {
    let config = serde_json::from_str(&args.config)
        .map_err(|error| Failure::Usage(format!("--config is not a JSON object: {error}")))?;
    if !args.file.is_file() {
        return Err(anyhow!("{} is not a file", args.file.display()).into());
    }
    let work = WorkDir::new()?;
    let checks = conformance::run(&Options {
        library: args.file.clone(),
        config,
        permissions: shimmer_host::Permissions {
            net: args.net.clone(),
            read: args.read.clone(),
            write: args.write.clone(),
            source: args.source.clone(),
            origin: args.origin.clone(),
            weights: args.weights,
            folder: args.folder,
        },
        executable: std::env::current_exe().context("the own program is not found")?,
        work_dir: work.0.clone(),
    });
    let text =
        if args.json { json_of(&checks) } else { text_of(&checks, Paint::stdout(When::Auto)) };
    std::io::stdout().write_all(text.as_bytes())?;
    match checks.iter().all(|check| check.result.is_ok()) {
        true => Ok(()),
        false => Err(Failure::Told),
    }
}

fn text_of(checks: &[Check], paint: Paint) -> String {
    let mut out: String = checks
        .iter()
        .map(|Check { name, result }| match result {
            Ok(seen) => format!("{}  {name}  {}\n", paint.good("ok"), paint.dim(safe(seen))),
            Err(why) => format!("{}  {name}: {}\n", paint.error("no"), safe(why)),
        })
        .collect();
    let broken = checks.iter().filter(|check| check.result.is_err()).count();
    let kept = checks.len() - broken;
    out.push_str(&match broken {
        0 => paint.good(format!("{kept} promises kept\n")),
        _ => paint.error(format!("{kept} promises kept, {broken} broken\n")),
    });
    out
}

fn json_of(checks: &[Check]) -> String {
    let rows: Vec<_> = checks
        .iter()
        .map(|Check { name, result }| match result {
            Ok(seen) => json!({ "check": name, "ok": true, "seen": seen }),
            Err(why) => json!({ "check": name, "ok": false, "error": why }),
        })
        .collect();
    format!("{:#}\n", serde_json::Value::Array(rows))
}

/// A folder that goes away with the command.
struct WorkDir(std::path::PathBuf);

impl WorkDir {
    fn new() -> anyhow::Result<Self> {
        let word = getrandom::u64().map_err(|error| anyhow!("no random numbers: {error}"))?;
        let path = std::env::temp_dir().join(format!("shimmer-test-{word:016x}"));
        make_private(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self(path))
    }
}

fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // What is left behind lies in the folder for temporary files, which is cleaned anyway.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_told_in_both_forms() {
        let checks = [
            Check { name: "it runs", result: Ok("pid 1".to_owned()) },
            Check { name: "it ends", result: Err("too late".to_owned()) },
        ];
        assert_eq!(
            text_of(&checks, Paint::PLAIN),
            "ok  it runs  pid 1\nno  it ends: too late\n1 promises kept, 1 broken\n"
        );
        let json: serde_json::Value = serde_json::from_str(&json_of(&checks)).unwrap();
        assert_eq!(json[1], json!({"check": "it ends", "ok": false, "error": "too late"}));
    }
}
