//! Tests of the loader as a whole: layers, faults, and the default file.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use super::load::fields_beside_settings;
use super::*;

struct Bench {
    dir: tempfile::TempDir,
    sources: Sources,
}

impl Bench {
    fn new(file: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shimmer.toml");
        std::fs::write(&path, file).unwrap();
        Self { sources: Sources { file: Some(path), ..Sources::nowhere() }, dir }
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.sources.env.insert(name.to_owned(), value.into());
        self
    }

    fn flag(mut self, flag: &'static str, key: &'static str, value: &str) -> Self {
        self.sources.flag(flag, key, Some(value.to_owned()));
        self
    }

    fn shipped(mut self, names: &'static [&'static str]) -> Self {
        self.sources.shipped = names;
        self
    }

    fn load(&self) -> Loaded {
        self.sources.load().unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn refusal(&self) -> String {
        self.sources.load().expect_err("it should be refused").to_string()
    }
}

fn refusal(file: &str) -> String {
    Bench::new(file).refusal()
}

/// Asserts that `file` is refused with each of `parts` in what is said.
#[track_caller]
fn refused(file: &str, parts: &[&str]) {
    let said = refusal(file);
    for part in parts {
        assert!(said.contains(part), "`{part}` is missing in:\n{said}");
    }
}

#[test]
fn the_table_of_settings_has_every_field_and_no_other() {
    assert_eq!(fields_beside_settings(), Vec::<String>::new());
}

#[test]
fn nothing_set_is_the_default() {
    assert_eq!(Sources::nowhere().load().unwrap().config, Config::default());
    assert_eq!(Bench::new("").load().config, Config::default());
    assert_eq!(toml::from_str::<Config>("").unwrap(), Config::default());
}

#[test]
fn the_default_file_is_the_one_in_the_repository() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/shimmer.toml");
    let file = std::fs::read_to_string(path).unwrap();
    assert!(
        file == default_file(),
        "config/shimmer.toml is stale: write it anew with `shimmer config default`"
    );
}

#[test]
fn the_default_file_says_the_defaults() {
    let file = default_file();
    assert_eq!(Bench::new(&file).load().config, Config::default());

    let uncommented: String = file
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let loaded = Bench::new(&uncommented).load();
    assert_eq!(loaded.config, Config::default());
    let tables = ["auth.tokens", "plugin"];
    for setting in SETTINGS.iter().filter(|setting| !tables.contains(&setting.key)) {
        assert!(loaded.origins.contains_key(setting.key), "{} is not shown", setting.key);
    }
    assert!(file.lines().all(|line| line.len() <= 100));
}

#[test]
fn the_streams_take_every_value_that_the_table_of_settings_allows() {
    for setting in SETTINGS {
        let Some(key) = setting.key.strip_prefix("stream.") else { continue };
        let Kind::Integer { min, max } = setting.kind else { panic!("{key} is a number") };
        for (value, allowed) in [(min, true), (max, true), (max + 1, false)] {
            let config = serde_json::from_value::<StreamConfig>(json!({ key: value })).unwrap();
            assert_eq!(config.check().is_ok(), allowed, "{key} = {value}");
        }
    }
}

#[test]
fn the_examples_in_the_default_file_are_right() {
    let example: String = default_file()
        .lines()
        .filter_map(|line| line.strip_prefix("#     "))
        .map(|line| format!("{line}\n"))
        .collect();
    let config = Bench::new(&example).load().config;
    assert_eq!(config.auth.tokens[0].sources, ["sensor-*"]);
    let plugin = &config.plugin[0];
    assert_eq!(plugin.permissions.net, ["listen:8091", "connect:*"]);
    assert_eq!(plugin.limits.memory_bytes, 512 << 20);
    assert_eq!(plugin.config["limit"].as_f64(), Some(30.0));
}

#[test]
fn flag_over_environment_over_file_over_default() {
    let bench = Bench::new("[server]\nport = 1\nhost = \"0.0.0.0\"\n[stats]\nrolling_window = 7\n")
        .env("DASHBOARD_PORT", "2")
        .env("DASHBOARD_HOST", "::1")
        .flag("--port", "server.port", "3");
    let loaded = bench.load();
    assert_eq!(loaded.config.server.port, 3);
    assert_eq!(loaded.config.server.host.to_string(), "::1");
    assert_eq!(loaded.config.stats.rolling_window, 7);
    assert_eq!(loaded.config.ring.capacity, 65_536);

    let origin = |key: &str| loaded.origins.get(key).map(ToString::to_string);
    assert_eq!(origin("server.port").unwrap(), "flag --port");
    assert_eq!(origin("server.host").unwrap(), "environment DASHBOARD_HOST");
    let file = bench.dir.path().join("shimmer.toml");
    assert_eq!(origin("stats.rolling_window").unwrap(), format!("{}:5", file.display()));
    assert_eq!(origin("ring.capacity"), None);
}

#[test]
fn every_variable_reaches_its_setting() {
    let cases = [
        ("DASHBOARD_DATA_DIR", "/srv/x"),
        ("FEDERATED_NODE_ID", "node-a"),
        ("DASHBOARD_TOKEN", "s3cret"),
        ("DASHBOARD_TOKEN_FILE", "/run/token"),
        ("DASHBOARD_MAX_EVENTS", "600"),
        ("DASHBOARD_PORT", "0"),
        ("DASHBOARD_HOST", "localhost"),
        ("DASHBOARD_ROLLING_WINDOW", "60"),
        ("LOG_LEVEL", "DEBUG"),
    ];
    for (name, text) in cases {
        let loaded = Bench::new("").env(name, text).load();
        let origin =
            Origin::Env(SETTINGS.iter().find_map(|s| s.env.filter(|e| *e == name)).unwrap());
        assert!(loaded.origins.values().any(|o| *o == origin), "{name}");
    }
    let known: Vec<_> = SETTINGS.iter().filter_map(|setting| setting.env).collect();
    assert_eq!(known.len(), cases.len());
    assert_eq!(Bench::new("").env("DASHBOARD_PORT", "").load().config.server.port, 8080);
}

#[test]
fn a_bad_variable_or_flag_is_named() {
    for (name, text) in [
        ("DASHBOARD_PORT", "70000"),
        ("DASHBOARD_PORT", "http"),
        ("DASHBOARD_PORT", "-1"),
        ("DASHBOARD_PORT", "99999999999999999999"),
        ("DASHBOARD_HOST", "nowhere"),
        ("DASHBOARD_MAX_EVENTS", "0"),
        ("DASHBOARD_MAX_EVENTS", "1.5"),
        ("DASHBOARD_ROLLING_WINDOW", "many"),
        ("LOG_LEVEL", "verbose"),
        ("LOG_LEVEL", "a=b"),
        ("DASHBOARD_TOKEN", "two words"),
        ("FEDERATED_ENABLE", "perhaps"),
        ("FEDERATED_PORT", "x"),
        ("FEDERATED_JSON_PORT", "65536"),
        ("FEDERATED_PEERS", "peer1"),
        ("DATABASE_URL", "mysql://x"),
        ("NATS_URL", "http://x"),
    ] {
        let said = Bench::new("").env(name, text).refusal();
        assert!(said.contains(&format!("environment variable {name}\n")), "{said}");
        assert!(said.contains("hint:"), "{said}");
        assert!(!said.contains("two words"), "{said}");
    }
    let said = Bench::new("").flag("--port", "server.port", "x").refusal();
    assert!(said.contains("flag --port"), "{said}");
}

#[test]
fn an_unknown_key_is_shown_with_the_nearest_one() {
    refused(
        "[server]\nprot = 1\n",
        &[
            "unknown key `server.prot`",
            "shimmer.toml:2:1",
            "2 | prot = 1",
            "| ^^^^",
            "did you mean `port`?",
        ],
    );
    refused("[sever]\nport = 1\n", &["unknown key `sever`", ":1:2", "did you mean `server`?"]);
    refused("[server]\nmax_events = 1\n", &["`max_events` belongs to [ring]"]);
    refused("[stats]\nzebra = 1\n", &["known here: rolling_window"]);
    refused("server.prot = 1\n", &[":1:8", "`server.prot`"]);
    refused(
        "[[plugin]]\nname = 'a'\npath = 'a.so'\nenabeld = true\n",
        &["`plugin[0].enabeld`", "`enabled`"],
    );
    refused(
        "[[plugin]]\nname = 'a'\npath = 'a.so'\nlimits = { memory = 1 }\n",
        &["plugin[0].limits.memory"],
    );
    refused(
        "[[auth.tokens]]\nname = 'a'\ntoken = 'x'\nsource = ['a']\n",
        &["did you mean `sources`?"],
    );
}

#[test]
fn a_wrong_type_says_what_is_wanted() {
    refused(
        "[server]\nport = \"80\"\n",
        &["is a whole number, this is text", "write port = 80", ":2:8"],
    );
    refused("[server]\norigins = \"x\"\n", &["is a list, this is text"]);
    refused("[server]\norigins = [\"http://a\", 3]\n", &["this is a whole number", ":2:24"]);
    refused("[metrics]\nrosey_compat = 1\n", &["is true or false", "rosey_compat = true"]);
    refused("server = 1\n", &["`server` is a section", "[server]"]);
    refused("[plugin]\nname = \"a\"\n", &["is a list of tables", "[[plugin]]"]);
    refused("plugin = [1]\n", &["`plugin[0]` is a table, this is a whole number"]);
    refused("[[plugin]]\nname='a'\npath='b'\nconfig = 3\n", &["`plugin[0].config` is a table"]);
    refused("[ring]\ncapacity = 1.5\n", &["this is a fraction"]);
}

#[test]
fn an_impossible_value_says_what_is_allowed() {
    refused("[server]\nport = 65536\n", &["too large", "0 to 65535", ":2:8", "^^^^^"]);
    refused("[server]\nport = -1\n", &["too small"]);
    refused("[server]\nport = 99999999999999999999\n", &["too large"]);
    refused("[ring]\ncapacity = 1000\n", &["not a power of two", "512 and 1024"]);
    refused("[ring]\nstorage = \"disk\"\n", &["cannot be `disk`", "\"file\", \"memory\""]);
    refused("[log]\nlevel = \"loud\"\n", &["not a log level", "info"]);
    refused("[server]\nhost = \"example.org\"\n", &["not an IP address", "127.0.0.1"]);
    refused("[server]\norigins = [\"example.org\"]\n", &["not an origin", "https://"]);
    refused("[server]\nhosts = [\"a:80\"]\n", &["not a host name"]);
    refused("data_dir = \"\"\n", &["not a path"]);
    refused("[[plugin]]\nname = \"A\"\npath = \"x\"\n", &["not a possible name"]);
    refused(
        "[[plugin]]\nname='a'\npath='b'\npermissions.net = ['dial:1']\n",
        &["\"listen:PORT\" or"],
    );
    refused("[[plugin]]\nname='a'\npath='b'\nconfig.x = nan\n", &["not finite"]);
    refused("[[plugin]]\nname='a'\npath='b'\nkinds = ['Big']\n", &["not a kind"]);
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    refused("[ring]\nmax_events = 100000\n", &["more than `ring.capacity`", ":2:14", "131072"]);
    refused("[ring]\ncapacity = 256\n", &["more than `ring.capacity` (256)", ":2:12"]);
    refused(
        "[ring]\nevent_bytes = 1048576\ntext_bytes = 65536\n",
        &["no room", "8388608", ":3:14"],
    );
    refused("[ring]\ntext_bytes = 100000\n", &["not a multiple of 64", "100032"]);
    let said = Bench::new("[ring]\ncapacity = 512\n").env("DASHBOARD_MAX_EVENTS", "513").refusal();
    assert!(said.contains("DASHBOARD_MAX_EVENTS"), "{said}");
    refused("[auth]\ntoken = 'a'\ntoken_file = 'b'\n", &["both a token and a token file"]);
    refused("[[auth.tokens]]\ntoken = 'a'\n", &["a token has no name"]);
    refused("[[auth.tokens]]\nname = 'x'\n", &["neither as text nor as a file"]);
    refused("[[auth.tokens]]\nname = 'default'\ntoken = 'a'\n", &["`default` is the name"]);
    refused(
        "auth.tokens = [{name='x',token='a'},{name='x',token='b'},{name='y',token='b'}]\n",
        &["`x` is given twice", "`y` is the same as another"],
    );
    refused("[[plugin]]\npath = 'a.so'\n", &["a plugin has no name"]);
    refused("plugin = [{name='a',path='x'},{name='a',path='y'}]\n", &["`a` has two tables"]);
}

#[test]
fn only_shipped_plugins_need_no_path() {
    refused(
        "[[plugin]]\nname = 'other'\n",
        &["no path and is not bundled", "bundled in this build: anomaly"],
    );
    refused("plugins.bundled = ['other']\n", &["`other` is not a bundled plugin"]);
    assert_eq!(Bench::new("").load().config.plugin_names(), ["anomaly", "dao"]);
    let shipped = |file: &str| Bench::new(file).shipped(&["anomaly", "dao"]);
    assert_eq!(
        shipped("plugins.bundled = ['dao']\n[[plugin]]\nname='anomaly'\n")
            .load()
            .config
            .plugin_names(),
        ["anomaly", "dao"]
    );
    let said = shipped("plugins.bundled = ['anomly']\n").refusal();
    assert!(said.contains("did you mean `anomaly`?") && said.contains("anomaly, dao"), "{said}");
    let said = shipped("plugins.bundled = ['dao', 'dao']\n").refusal();
    assert!(said.contains("listed twice"), "{said}");
}

#[test]
fn variables_of_plugins_reach_their_tables() {
    let loaded =
        Bench::new("[[plugin]]\nname='gossip'\npath='g.so'\nconfig.port = 1\nconfig.x = 2\n")
            .env("FEDERATED_ENABLE", "1")
            .env("FEDERATED_PORT", "9000")
            .env("FEDERATED_PEERS", "ws://a:1, ws://b:2")
            .load();
    let config = &loaded.config.plugin[0].config;
    assert_eq!(config["port"].as_u64(), Some(9000));
    assert_eq!(config["x"].as_u64(), Some(2));
    assert_eq!(config["peers"].as_array().unwrap().len(), 2);

    let loaded = Bench::new("")
        .shipped(&["anomaly", "dao", "gossip"])
        .env("FEDERATED_ENABLE", "1")
        .env("FEDERATED_NODE_ID", "n1")
        .load();
    assert_eq!(loaded.config.plugins.bundled, ["anomaly", "dao", "gossip"]);
    assert_eq!(loaded.config.node, "n1");
    assert_eq!(loaded.config.plugin[0].config["node_id"].as_str(), Some("n1"));
}

#[test]
fn a_stronger_layer_replaces_the_other_way_to_give_the_token() {
    let file = Bench::new("[auth]\ntoken_file = '/run/a'\n").env("DASHBOARD_TOKEN", "x").load();
    assert_eq!(file.config.auth.token.reveal(), "x");
    assert_eq!(file.config.auth.token_file, PathBuf::new());
    let text = Bench::new("[auth]\ntoken = 'a'\n").env("DASHBOARD_TOKEN_FILE", "/run/b").load();
    assert!(text.config.auth.token.is_empty());
    assert_eq!(text.config.auth.token_file, PathBuf::from("/run/b"));
}

#[test]
fn a_demo_keeps_its_token_in_the_data_folder_unless_one_is_set() {
    let mut bench = Bench::new("data_dir = '/srv/d'\n");
    bench.sources.demo = true;
    assert_eq!(bench.load().config.auth.token_file, PathBuf::from("/srv/d/token"));
    let bench = bench.env("DASHBOARD_TOKEN", "x");
    assert_eq!(bench.load().config.auth.token_file, PathBuf::new());
}

#[test]
fn all_faults_are_told_at_once() {
    let said = Bench::new("nodee = 1\n[server]\nport = 70000\nhots = 'x'\n[log]\nlevel = 'loud'\n")
        .env("DASHBOARD_MAX_EVENTS", "none")
        .flag("--host", "server.host", "nowhere")
        .refusal();
    assert_eq!(said.matches("error:").count(), 6, "{said}");
}

#[test]
fn faults_of_syntax_have_a_place() {
    refused("[server\nport = 1\n", &["shimmer.toml:1:8"]);
    refused("a = 1\na = 2\n", &["duplicate key", ":2:1"]);
    refused("port = \n", &[":1:"]);
    let many = "= 1\n".repeat(50);
    assert!(refusal(&many).matches("error:").count() <= 8);
}

#[test]
fn secrets_never_appear_in_what_is_said() {
    for file in [
        "[auth]\ntoken = 'hunter 2'\n",
        "[auth]\ntoken = 'hunter2\n",
        "[auth]\ntoken = 'hunter2' x\n",
        "[auth]\ntoken = hunter2\n",
        "[auth]\ntokn = 'hunter2'\n",
        "auth = { token = 'hunter2', x = 1 }\n",
        "auth.tokens = [{name='a', token='hunter2', x=1}]\n",
        "[auth]\ntoken = 'hunter2'\n[[auth.tokens]]\nname='a'\ntoken='hunter2'\n",
        "[auth]\ntoken = ['hunter2']\n",
        "[auth]\ntokens = [\n  'hunter2'\n]\n",
        "[[auth.tokens]]\nname = 'a'\nvalue = 'hunter2'\n",
        "[auth]\nvalue = 'hunter2'\n",
        "[[plugin]]\nname = 'dao'\ntoken = 'hunter2'\n",
        "[auth]\ntoken = 'hunter2'\ntoken_file = 'x'\n",
    ] {
        let said = refusal(file);
        assert!(!said.contains("hunter"), "{file}:\n{said}");
    }
    let loaded =
        Bench::new("[auth]\ntoken='hunter2'\n[[auth.tokens]]\nname='a'\ntoken='hunter3'\n").load();
    let rows = format!("{:?} {:?}", loaded.rows(), loaded.config);
    assert!(!rows.contains("hunter") && rows.contains("***"), "{rows}");
}

#[test]
fn rows_show_every_setting_once() {
    let rows = Bench::new("").load().rows();
    let keys: Vec<_> = rows.iter().map(|row| row.key).collect();
    let known: Vec<_> = SETTINGS.iter().map(|setting| setting.key).collect();
    assert_eq!(keys, known);
    assert!(rows.iter().all(|row| row.origin == Origin::Default));
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let mut bench = Bench::new("");
    bench.sources.file = Some("/nonexistent/shimmer.toml".into());
    assert!(bench.refusal().contains("/nonexistent/shimmer.toml"));

    let bench = Bench::new("");
    let path = bench.sources.file.as_ref().unwrap();
    std::fs::write(path, b"a = '\xff'").unwrap();
    assert!(bench.refusal().contains("byte 5"), "{}", bench.refusal());
    std::fs::write(path, " ".repeat((1 << 20) + 1)).unwrap();
    assert!(bench.refusal().contains("longer than"));
    std::fs::write(path, " ".repeat(1 << 20)).unwrap();
    bench.load();
}

#[test]
fn the_first_file_found_is_read() {
    let first = Bench::new("[server]\nport = 1\n");
    let second = Bench::new("[server]\nport = 2\n");
    let path = |bench: &Bench| bench.sources.file.clone().unwrap();
    let search = vec!["/nonexistent/a".into(), path(&first), path(&second)];
    let sources = Sources { search, ..Sources::nowhere() };
    assert_eq!(sources.load().unwrap().config.server.port, 1);
    assert_eq!(sources.load().unwrap().file, Some(path(&first)));
    let sources = Sources { file: Some(path(&second)), ..sources };
    assert_eq!(sources.load().unwrap().config.server.port, 2);
}

#[test]
fn token_files_are_read_and_judged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    let auth = AuthSection { token_file: path.clone(), ..AuthSection::default() };
    assert!(auth.read_tokens().unwrap_err().to_string().contains("cannot be read"));
    for bad in ["", " \n", "a b", "a\nb\n", "é", &"x".repeat(1025)] {
        std::fs::write(&path, bad).unwrap();
        assert!(auth.read_tokens().unwrap_err().to_string().contains("does not hold a token"));
    }
    std::fs::write(&path, " abc \r\n").unwrap();
    let tokens = auth.read_tokens().unwrap();
    assert_eq!((tokens[0].name.as_str(), tokens[0].token.reveal()), ("default", "abc"));

    let twin = TokenTable { name: "b".into(), token: Secret::new("abc"), ..TokenTable::default() };
    let auth = AuthSection { tokens: vec![twin], ..auth };
    assert!(auth.read_tokens().unwrap_err().to_string().contains("`default` and `b` are the same"));
    assert_eq!(AuthSection::default().read_tokens().unwrap(), []);
}

#[test]
fn any_text_is_read_without_a_panic() {
    use proptest::prelude::*;
    let piece = prop::sample::select(vec![
        "[",
        "]",
        "[[",
        "]]",
        "server",
        "plugin",
        "auth.tokens",
        "port",
        "=",
        "1",
        "\"",
        "'",
        "\n",
        ".",
        "{",
        "}",
        ",",
        "true",
        "é",
        "\t",
        "\r",
        "config",
        "name",
        "-",
        "0x",
        "#",
        "token",
    ]);
    proptest!(|(pieces in prop::collection::vec(piece, 0..40))| {
        let text: String = pieces.concat();
        let source = SourceText { path: PathBuf::from("x"), text };
        let layer = super::read::file(&Arc::new(source));
        if !layer.problems.is_empty() {
            let _ = Problems(layer.problems).to_string();
        }
    });
}
