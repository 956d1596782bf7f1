//! The command as its users meet it: the real binary, its output and its exit codes.
//!
//! The rule: every test has its own folder, and no variable of the outer environment counts.

use std::path::Path;
use std::process::{Command, Output};

struct Shell {
    dir: tempfile::TempDir,
    env: Vec<(&'static str, String)>,
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Shell {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a folder"), env: Vec::new() }
    }

    fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.to_owned()));
        self
    }

    fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.path().join(name), text).expect("a file");
        self
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn run(&self, args: &[&str]) -> Said {
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_shimmer"))
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .output()
            .expect("the binary runs");
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        Said {
            code: status.code().expect("it was not killed"),
            out: text(stdout),
            err: text(stderr),
        }
    }
}

#[test]
fn a_good_configuration_checks_out() {
    let said = Shell::new().run(&["config", "check"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert!(said.out.contains("the defaults") && said.out.contains("no token"), "{}", said.out);

    let file = "plugins.bundled = []\n[auth]\ntoken = 'x'\n";
    let said = Shell::new().file("shimmer.toml", file).run(&["config", "check"]);
    assert_eq!((said.code, said.out.as_str()), (0, "ok: ./shimmer.toml\n"));
}

#[test]
fn a_bad_file_is_shown_with_a_frame_and_exits_with_78() {
    let shell = Shell::new().file("shimmer.toml", "[server]\nprot = 80\nport = 70000\n");
    let said = shell.run(&["config", "check"]);
    assert_eq!((said.code, said.out.as_str()), (78, ""));
    let expected = "\
error: unknown key `server.prot`
  --> ./shimmer.toml:2:1
  |
2 | prot = 80
  | ^^^^
  hint: did you mean `port`?

error: `server.port` is too large
  --> ./shimmer.toml:3:8
  |
3 | port = 70000
  |        ^^^^^
  hint: allowed: a whole number from 0 to 65535
";
    let sorted = |text: &str| {
        let mut blocks: Vec<_> = text.trim().split("\n\n").map(str::to_owned).collect();
        blocks.sort();
        blocks
    };
    assert_eq!(sorted(&said.err), sorted(expected));
    assert_eq!(shell.run(&["run"]).code, 78);
}

#[test]
fn bad_variables_and_flags_exit_with_78_and_are_named() {
    let said = Shell::new().env("DASHBOARD_PORT", "x").run(&["config", "check"]);
    assert_eq!(said.code, 78);
    assert!(said.err.contains("environment variable DASHBOARD_PORT"), "{}", said.err);
    for flag in ["--port=70000", "--host=nowhere", "--log-level=loud", "--log-format=xml"] {
        let said = Shell::new().env("DASHBOARD_TOKEN", "t").run(&["run", flag]);
        assert_eq!(said.code, 78, "{flag}");
        let name = flag.split('=').next().unwrap();
        assert!(said.err.contains(&format!("flag {name}")), "{}", said.err);
    }
    let said = Shell::new().run(&["config", "check", "--config", "none.toml"]);
    assert_eq!(said.code, 78);
    assert!(said.err.contains("none.toml"), "{}", said.err);
    let said = Shell::new().env("DASHBOARD_TOKEN_FILE", "/none").run(&["config", "check"]);
    assert_eq!(said.code, 78);
}

#[test]
fn a_node_without_a_token_refuses_to_start_and_says_how() {
    let shell = Shell::new();
    let said = shell.run(&["run"]);
    assert_eq!(said.code, 78);
    for way in ["DASHBOARD_TOKEN", "auth.token_file", "--demo"] {
        assert!(said.err.contains(way), "{}", said.err);
    }
    assert_eq!(said.err.lines().filter(|line| line.starts_with("error")).count(), 1);
    assert_eq!(std::fs::read_dir(shell.path()).unwrap().count(), 0, "nothing was written");
}

#[test]
fn show_tells_values_and_origins_but_no_secrets() {
    let shell = Shell::new()
        .env("DASHBOARD_TOKEN", "hunter2")
        .env("DASHBOARD_PORT", "9000")
        .file("my.toml", "[stats]\nrolling_window = 7\n");
    let said = shell.run(&["config", "show", "--origin", "--config", "my.toml", "--host", "::1"]);
    assert_eq!(said.code, 0);
    let line = |key: &str| said.out.lines().find(|line| line.starts_with(key)).unwrap();
    assert!(
        line("server.port").contains("= 9000")
            && line("server.port").ends_with("# environment DASHBOARD_PORT")
    );
    assert!(line("server.host").ends_with("# flag --host"));
    assert!(line("stats.rolling_window").ends_with("# my.toml:2"));
    assert!(line("ring.capacity").ends_with("# default"));
    assert!(line("auth.token =").contains("\"***\"") && !said.out.contains("hunter2"));
    assert!(!said.out.contains('\x1b'));

    let said = shell.run(&["config", "show", "--json", "--origin"]);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        json["server.port"],
        serde_json::json!({"value": 9000, "origin": "environment DASHBOARD_PORT"})
    );
    let said = shell.run(&["config", "show", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json["ring.capacity"], 65_536);
}

#[test]
fn the_default_file_passes_its_own_check() {
    let file = Shell::new().run(&["config", "default"]).out;
    assert!(file.contains("\n#port = 8080\n"));
    let said = Shell::new().file("shimmer.toml", &file).run(&["config", "check"]);
    assert_eq!(said.code, 0, "{}", said.err);
}

#[test]
fn wrong_usage_exits_with_2_and_help_with_0() {
    for args in [
        &["fly"][..],
        &[],
        &["run", "--prot", "1"],
        &["replay", "f.csv", "--speed", "0"],
        &["replay", "f.csv", "--beauty=9..1"],
        &["post", "--batch", "0"],
        &["completions", "cobol"],
        &["plugin", "new", "Bad_Name"],
        &["plugin", "logs", "../x"],
    ] {
        let said = Shell::new().run(args);
        assert_eq!(said.code, 2, "{args:?}: {}", said.err);
        assert!(!said.err.is_empty());
    }
    for args in [&["--help"][..], &["help", "replay"], &["run", "--help"], &["--version"]] {
        assert_eq!(Shell::new().run(args).code, 0, "{args:?}");
    }
    let help = Shell::new().run(&["--help"]).out;
    assert!(help.contains("Examples:") && help.contains("Exit codes:"));
    assert!(!help.contains("plugin-host"));
}

#[test]
fn every_command_has_examples_or_needs_none() {
    for command in ["run", "post", "replay", "tail", "completions"] {
        let help = Shell::new().run(&[command, "--help"]).out;
        assert!(help.contains("Examples:"), "{command}");
    }
}

#[test]
fn completions_are_written_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = Shell::new().run(&["completions", shell]);
        assert_eq!(said.code, 0);
        assert!(said.out.contains("shimmer") && said.out.contains("replay"), "{shell}");
    }
}

#[test]
fn client_commands_fail_with_1_and_one_clear_line() {
    let shell = Shell::new()
        .env("DASHBOARD_TOKEN", "t")
        .file("e.ndjson", "{}\n")
        .file("v.csv", "timestamp,value\n2014-04-01 00:00:00,1\n");
    // Port 1 is never listened on by accident.
    let url = "--url=http://127.0.0.1:1";
    for args in [
        &["post", "e.ndjson", url][..],
        &["post", "missing.ndjson", url],
        &["replay", "v.csv", url],
        &["replay", "missing.csv", url],
        &["tail", url],
        &["reload", url],
        &["health", url],
        &["plugin", "list", url],
        &["plugin", "reload", "a", url],
        &["health", "--url=ftp://x"],
        &["health", "--url=https://x"],
    ] {
        let said = shell.run(args);
        assert_eq!(said.code, 1, "{args:?}: {}", said.err);
        let faults = said.err.lines().filter(|line| line.starts_with("error:")).count();
        assert_eq!(faults, 1, "{args:?}: {}", said.err);
        assert!(!said.err.contains("panicked"));
    }
    let said = Shell::new().run(&["reload", url]);
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("DASHBOARD_TOKEN") && said.err.contains("data/token"),
        "{}",
        said.err
    );
}

#[test]
fn a_bad_row_is_named_by_file_and_line() {
    let shell = Shell::new()
        .env("DASHBOARD_TOKEN", "t")
        .file("v.csv", "timestamp,value\n2014-04-01 00:00:00,1\n2014-04-01 00:05:00,x\n");
    let said = shell.run(&["replay", "v.csv"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("v.csv:3: `x` is not a number"), "{}", said.err);
}
