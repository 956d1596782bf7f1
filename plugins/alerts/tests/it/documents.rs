//! What people read about rules: the page of the plugin and the file to begin with.
//!
//! The rule: every example is taken as it stands, and every key that the parser knows is explained.

use std::collections::BTreeSet;
use std::path::Path;

use shimmer_alerts::Rules;

/// Tables of the rules' text, each with its place in the page; the first one is the text itself.
const TABLES: [(&str, &str); 10] = [
    ("", "### The top of the file"),
    ("[[threshold]]", "### `[[threshold]]`"),
    ("[[anomaly]]", "### `[[anomaly]]`"),
    ("[[no_data]]", "### `[[no_data]]`"),
    ("[[receiver]]", "### `[[receiver]]`"),
    ("[[route]]", "### `[[route]]`"),
    ("[[inhibit]]", "### `[[inhibit]]`"),
    ("[heartbeat]", "### `[heartbeat]`"),
    ("[noise_cap]", "### `[noise_cap]`"),
    ("[correlation]", "### `[correlation]`"),
];
/// The tables that have the keys of all rules.
const RULES: [&str; 3] = ["[[threshold]]", "[[anomaly]]", "[[no_data]]"];

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).expect(path)
}

fn page() -> String {
    read("plugins/anomaly/README.md")
}

#[track_caller]
fn is_good(text: &str) {
    if let Err(refused) = Rules::parse(text) {
        panic!("{refused}\n{text}");
    }
}

/// Words in backticks.
fn quoted(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The keys that the parser takes in a table.
fn known_keys(table: &str) -> BTreeSet<String> {
    let refused = Rules::parse(&format!("{table}\nno_key_has_this_name = 1\n"));
    let error = refused.expect_err("no key has this name").errors.remove(0);
    let (_, expected) = error.message.split_once("expected ").expect("what was expected");
    quoted(expected)
}

/// The keys that a section of the page explains, in the first cells of its table.
fn explained_keys(page: &str, section: &str) -> BTreeSet<String> {
    let (_, rest) = page.split_once(&format!("{section}\n")).expect(section);
    let body = rest.split("\n#").next().unwrap_or_default();
    let cells = body.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    cells.flat_map(quoted).collect()
}

/// Blocks of TOML in the page.
fn blocks(page: &str) -> Vec<&str> {
    let blocks = page.split("```toml\n").skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn every_example_of_the_page_is_taken() {
    let page = page();
    let (plugins, rules): (Vec<_>, Vec<_>) =
        blocks(&page).into_iter().partition(|block| block.starts_with("[[plugin]]"));
    assert!(rules.len() >= 6 && plugins.len() == 1, "they are found");
    rules.into_iter().for_each(is_good);
    let table: toml::Table = plugins[0].parse().expect("TOML");
    let config = table["plugin"][0]["config"].as_table().expect("[plugin.config]");
    let keys: BTreeSet<&str> = config.keys().map(String::as_str).collect();
    assert_eq!(keys, BTreeSet::from(["rules", "tier", "full", "series", "memory_mb"]));
}

#[test]
fn the_page_explains_every_key_and_no_other() {
    let page = page();
    let shared = explained_keys(&page, "### Keys of all rules");
    for (table, section) in TABLES {
        let mut explained = explained_keys(&page, section);
        if RULES.contains(&table) {
            explained.extend(shared.iter().cloned());
        }
        assert_eq!(explained, known_keys(table), "{section}");
    }
}

#[test]
fn the_file_to_begin_with_is_taken_and_shows_every_key() {
    let file = read("config/alerts.toml");
    is_good(&file);
    // A line that begins with `#` and no space is a key or a table that is not in force.
    let shown = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with([' ', '#']) => rest.to_owned(),
        _ => line.to_owned(),
    };
    let all: String = file.lines().map(|line| shown(line) + "\n").collect();
    is_good(&all);
    assert!(all.lines().filter(|line| line.contains(" = ")).count() > 40, "they are uncommented");
    for (table, _) in TABLES {
        assert!(all.contains(&format!("{table}\n")), "{table}");
        for key in known_keys(table) {
            let written = format!("{key} = ");
            let begins = |line: &str| {
                let line = line.trim_start_matches(['#', ' ', '`']);
                line.starts_with(&written) || line.trim_matches(['[', ']']) == key
            };
            assert!(all.lines().any(begins), "{key} of {table}");
        }
    }
}
