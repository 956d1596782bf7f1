//! What the documents promise.
//!
//! The rule: a command, a path, a variable or a link that a document names is really there.

use std::path::Path;

use crate::tree::{TextFile, files, root};
use crate::{Violation, hold};

/// Where `cargo xtask` keeps the table of its commands.
const COMMANDS_FILE: &str = "xtask/src/args.rs";
/// Where the program keeps its commands.
const PROGRAM_FILE: &str = "core/cli/src/args.rs";
/// What stands above a block of code that is part of a file.
const EXCERPT: &str = "<!-- from ";
/// The two commands that the README promises to a newcomer.
const QUICKSTART: &[&str] = &["cargo xtask up", "cargo xtask test"];
/// Folders whose paths the documents may name.
const FOLDERS: &[&str] =
    &["core/", "plugins/", "renderers/", "tests/", "benches/", "xtask/", "config/"];

fn documents() -> Vec<TextFile> {
    files(&["md"])
}

/// Names in the table of commands.
fn xtask_commands(source: &str) -> Vec<String> {
    let table = source.split_once("COMMANDS: &[").map_or("", |(_, rest)| rest);
    let table = table.split_once("];").map_or("", |(table, _)| table);
    let quoted = table.split('(').skip(1).filter_map(|row| row.split('"').nth(1));
    quoted.map(str::to_owned).collect()
}

fn unknown_xtask_commands(file: &TextFile, known: &[String]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (at, line) in file.text.lines().enumerate() {
        for rest in line.split("cargo xtask ").skip(1) {
            let word: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
            if !word.is_empty() && !known.contains(&word) {
                let complaint = format!("xtask has no command `{word}`");
                violations.push(Violation::at(&file.path, at + 1, complaint));
            }
        }
    }
    violations
}

/// Names of the variants in a file of `clap` enums, spelled as on the command line.
fn program_commands(source: &str) -> Vec<String> {
    let variants = source.lines().filter_map(|line| line.strip_prefix("    "));
    variants
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(|line| line.chars().take_while(char::is_ascii_alphanumeric).collect::<String>())
        .map(|name| name.to_ascii_lowercase())
        .collect()
}

fn unknown_program_commands(file: &TextFile, known: &[String]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut fenced = false;
    for (at, line) in file.text.lines().enumerate() {
        fenced ^= line.starts_with("```");
        let code = if fenced { vec![line] } else { quoted(line).collect() };
        let calls = code.into_iter().flat_map(|code| {
            // `cargo build --package shimmer` ends in the name; what follows it is no command.
            let called = code.split_inclusive("shimmer ").collect::<Vec<_>>();
            (1..called.len()).map(move |i| (called[i - 1], called[i])).collect::<Vec<_>>()
        });
        for (before, after) in calls {
            let is_program = before == "shimmer " || before.ends_with([' ', '/']);
            let mut words = after.split_whitespace();
            let mut name = words.next().unwrap_or_default();
            if matches!(name, "plugin" | "config") {
                name = words.next().unwrap_or(name);
            }
            let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase());
            if is_program && is_name && !known.iter().any(|k| k == name) {
                let complaint = format!("shimmer has no command `{name}`");
                violations.push(Violation::at(&file.path, at + 1, complaint));
            }
        }
    }
    violations
}

/// Blocks of code that say which file they are from and are not in it.
fn false_excerpts(file: &TextFile, read: impl Fn(&str) -> String) -> Vec<Violation> {
    let mut violations = Vec::new();
    for excerpt in file.text.split(EXCERPT).skip(1) {
        let (path, rest) = excerpt.split_once(" -->\n").unwrap_or((excerpt, ""));
        let block = rest.strip_prefix("```").and_then(|rest| rest.split_once('\n'));
        let block = block.and_then(|(_, rest)| rest.split_once("```")).map_or("", |(code, _)| code);
        if block.is_empty() || !read(path).contains(block) {
            violations.push(Violation::new(&file.path, format!("the excerpt is not in {path}")));
        }
    }
    violations
}

/// Targets of `[text](target)`, with their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    text.lines()
        .enumerate()
        .flat_map(|(at, line)| {
            line.split("](").skip(1).filter_map(move |rest| Some((at + 1, rest.split_once(')')?.0)))
        })
        .collect()
}

fn dead_links(file: &TextFile, exists: impl Fn(&Path) -> bool) -> Vec<Violation> {
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    links(&file.text)
        .into_iter()
        .filter(|(_, target)| !target.contains("://") && !target.starts_with(['#', '<']))
        .filter(|(_, target)| {
            let path = target.split('#').next().unwrap_or_default();
            !exists(&folder.join(path))
        })
        .map(|(line, target)| Violation::at(&file.path, line, format!("`{target}` leads nowhere")))
        .collect()
}

/// Words in backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn missing_paths(file: &TextFile, exists: impl Fn(&Path) -> bool) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (at, line) in file.text.lines().enumerate() {
        for word in quoted(line) {
            let plain = !word.contains(|c: char| c.is_whitespace() || "*{}<>$".contains(c));
            let ours = FOLDERS.iter().any(|folder| word.starts_with(folder));
            if plain && ours && !exists(Path::new(word)) {
                let complaint = format!("`{word}` is not there");
                violations.push(Violation::at(&file.path, at + 1, complaint));
            }
        }
    }
    violations
}

/// Variables of the environment, as `DASHBOARD_PORT`, that no source knows.
fn unknown_variables(file: &TextFile, sources: &str) -> Vec<Violation> {
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let mut violations = Vec::new();
    for (at, line) in file.text.lines().enumerate() {
        let words = line.split(|c| !is_name(c));
        for word in words.filter(|word| word.starts_with("DASHBOARD_")) {
            if !sources.contains(&format!("\"{word}\"")) {
                let complaint = format!("nothing reads {word}");
                violations.push(Violation::at(&file.path, at + 1, complaint));
            }
        }
    }
    violations
}

fn exists(path: &Path) -> bool {
    root().join(path).exists()
}

#[test]
fn every_named_command_exists() {
    let source = std::fs::read_to_string(root().join(COMMANDS_FILE)).expect(COMMANDS_FILE);
    let known = xtask_commands(&source);
    let check = |file: &TextFile| unknown_xtask_commands(file, &known);
    hold(&documents().iter().flat_map(check).collect::<Vec<_>>());
}

#[test]
fn every_named_command_of_the_program_exists() {
    let source = std::fs::read_to_string(root().join(PROGRAM_FILE)).expect(PROGRAM_FILE);
    let known = program_commands(&source);
    let check = |file: &TextFile| unknown_program_commands(file, &known);
    hold(&documents().iter().flat_map(check).collect::<Vec<_>>());
}

#[test]
fn every_excerpt_is_what_the_file_says() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap_or_default();
    hold(&documents().iter().flat_map(|file| false_excerpts(file, read)).collect::<Vec<_>>());
}

#[test]
fn the_readme_starts_with_two_commands() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    for command in QUICKSTART {
        assert!(readme.lines().any(|line| line.starts_with(command)), "`{command}` is missing");
    }
}

#[test]
fn every_link_leads_somewhere() {
    hold(&documents().iter().flat_map(|file| dead_links(file, exists)).collect::<Vec<_>>());
}

#[test]
fn every_named_path_exists() {
    hold(&documents().iter().flat_map(|file| missing_paths(file, exists)).collect::<Vec<_>>());
}

#[test]
fn every_named_variable_is_read() {
    let sources: String = files(&["rs"])
        .into_iter()
        .filter(|file| file.path.starts_with("core/") || file.path.starts_with("plugins/"))
        .map(|file| file.text)
        .collect();
    let check = |file: &TextFile| unknown_variables(file, &sources);
    hold(&documents().iter().flat_map(check).collect::<Vec<_>>());
}

mod samples {
    use super::*;

    fn document(text: &str) -> TextFile {
        TextFile { path: "core/notes.md".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn commands() {
        let known = xtask_commands("const COMMANDS: &[(&str, &str)] = &[\n  (\"up\", UP),\n];\n");
        assert_eq!(known, ["up"]);
        let file = document("Run `cargo xtask up` or\ncargo xtask fly --high\n");
        assert_eq!(unknown_xtask_commands(&file, &known).len(), 1);
    }

    #[test]
    fn program_calls() {
        let source = "enum C {\n    /// Help.\n    Run(RunArgs),\n    Plugin(P),\n    New {\n}\n";
        let known = program_commands(source);
        assert_eq!(known, ["run", "plugin", "new"]);
        let good = "`shimmer run --demo`, `shimmer plugin new NAME`, shimmer flies\n\
                    ```sh\nTOKEN=x target/release/shimmer run\n```\n";
        assert_eq!(unknown_program_commands(&document(good), &known), []);
        let bad = "`shimmer fly`, `shimmer plugin fly`\n```sh\nA=b shimmer fly\n```\n";
        assert_eq!(unknown_program_commands(&document(bad), &known).len(), 3);
    }

    #[test]
    fn excerpts() {
        let text = "<!-- from a.rs -->\n```rust\nfn a() {}\n```\n";
        assert_eq!(false_excerpts(&document(text), |_| "//! A\nfn a() {}\n".to_owned()), []);
        assert_eq!(false_excerpts(&document(text), |_| "fn b() {}\n".to_owned()).len(), 1);
        let empty = document("<!-- from a.rs -->\nwords\n");
        assert_eq!(false_excerpts(&empty, |_| "words\n".to_owned()).len(), 1);
    }

    #[test]
    fn the_real_table_is_read() {
        let source = std::fs::read_to_string(root().join(COMMANDS_FILE)).expect(COMMANDS_FILE);
        assert!(xtask_commands(&source).contains(&"up".to_owned()));
    }

    #[test]
    fn link_targets() {
        let file = document("[a](there.md#part), [b](gone.md)\n[c](https://x.org/) [d](#here)\n");
        let found = dead_links(&file, |path| path == Path::new("core/there.md"));
        assert_eq!(found, [Violation::at("core/notes.md", 1, "`gone.md` leads nowhere")]);
    }

    #[test]
    fn paths() {
        let file = document("`core/ring` and `core/rang`, `plugins/*`, `cargo test -p core/x`\n");
        assert_eq!(missing_paths(&file, |path| path == Path::new("core/ring")).len(), 1);
    }

    #[test]
    fn variables() {
        let file = document("`DASHBOARD_PORT` and DASHBOARD_PROT=1\n");
        assert_eq!(unknown_variables(&file, "env(\"DASHBOARD_PORT\")").len(), 1);
    }
}
