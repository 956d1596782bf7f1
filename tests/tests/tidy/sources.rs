//! How every Rust file looks.
//!
//! The rule: a file says what it is, has one role, and leaves nothing unfinished.

use crate::lexer::code_only;
use crate::tree::{TextFile, files};
use crate::{Violation, hold};

/// A file above this is split by role.
const FILE_LINES: usize = 600;
/// Lines of code in a `lib.rs`, which holds lints, modules and re-exports.
const LIB_LINES: usize = 80;
/// A function stays under this.
const FUNCTION_LINES: usize = 70;
/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc"];
/// What unfinished or forgotten code looks like.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!", "#[ignore"];
/// Crates whose work needs `unsafe`: the contract, the shared memory, the loader and sandbox, the
/// plugin's side of the contract, and vector code.
const UNSAFE_CRATES: &[&str] =
    &["core/abi", "core/event", "core/ring", "core/host", "plugins/sdk", "renderers/cpu"];
/// A test that polls may sleep between two looks when this stands on the line or the one before.
const POLL_MARK: &str = "// Poll:";

type Check = fn(&TextFile) -> Vec<Violation>;

fn hold_everywhere(check: Check) {
    let violations: Vec<_> = files(&["rs"]).iter().flat_map(check).collect();
    hold(&violations);
}

fn head_missing(file: &TextFile) -> Vec<Violation> {
    let first = file.text.lines().next().unwrap_or_default();
    if first.strip_prefix("//!").is_some_and(|words| !words.trim().is_empty()) {
        return Vec::new();
    }
    vec![Violation::at(&file.path, 1, "does not open with `//!` and what it is")]
}

fn too_long(file: &TextFile) -> Vec<Violation> {
    match file.text.lines().count() {
        lines if lines <= FILE_LINES => Vec::new(),
        lines => vec![Violation::new(&file.path, format!("has {lines} lines: split it by role"))],
    }
}

fn empty_name(file: &TextFile) -> Vec<Violation> {
    let parts = file.path.split('/').map(|part| part.trim_end_matches(".rs"));
    parts
        .filter(|part| EMPTY_NAMES.contains(part))
        .map(|part| Violation::new(&file.path, format!("`{part}` says nothing")))
        .collect()
}

fn busy_lib(file: &TextFile) -> Vec<Violation> {
    if !file.path.ends_with("src/lib.rs") {
        return Vec::new();
    }
    let code = code_only(&file.text);
    let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
    let mut violations = Vec::new();
    if lines > LIB_LINES {
        violations.push(Violation::new(&file.path, format!("has {lines} lines of code")));
    }
    let word = code
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .find(|word| matches!(*word, "fn" | "struct" | "enum" | "trait" | "impl" | "union"));
    if let Some(word) = word {
        violations.push(Violation::new(&file.path, format!("holds a `{word}`: give it a module")));
    }
    violations
}

fn unfinished(file: &TextFile) -> Vec<Violation> {
    let code = code_only(&file.text);
    let found = |line: &str| UNFINISHED.iter().find(|mark| line.contains(**mark)).copied();
    code.lines()
        .enumerate()
        .filter_map(|(at, line)| {
            let mark = found(line)?;
            Some(Violation::at(&file.path, at + 1, format!("`{mark}` is left in it")))
        })
        .collect()
}

/// The first line that belongs to tests, counted from 0.
fn tests_begin(file: &TextFile, code: &str) -> Option<usize> {
    let of_tests = |part: &str| part == "tests" || part == "tests.rs";
    // What a plugin made for the tests does is its own affair: one must hang.
    if file.path.starts_with("tests/fixtures/") {
        return None;
    }
    if file.path.split('/').any(of_tests) {
        return Some(0);
    }
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let opens = |line: &str| line.starts_with("mod ") && line.ends_with('{');
    lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && opens(pair[1]))
}

fn sleeping_test(file: &TextFile) -> Vec<Violation> {
    let code = code_only(&file.text);
    let Some(begin) = tests_begin(file, &code) else { return Vec::new() };
    let full: Vec<&str> = file.text.lines().collect();
    let marked = |at: usize| full[at.saturating_sub(1)..=at].iter().any(|l| l.contains(POLL_MARK));
    code.lines()
        .enumerate()
        .skip(begin)
        .filter(|(at, line)| line.contains("sleep(") && !line.contains("fn ") && !marked(*at))
        .map(|(at, _)| {
            Violation::at(&file.path, at + 1, "a test sleeps: wait on a condition instead")
        })
        .collect()
}

fn long_functions(file: &TextFile) -> Vec<Violation> {
    let code = code_only(&file.text);
    let mut violations = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let starts_word = code[..at].chars().next_back().is_none_or(char::is_whitespace);
        let Some(lines) = starts_word.then(|| function_lines(&code[at..])).flatten() else {
            continue;
        };
        if lines >= FUNCTION_LINES {
            let line = code[..at].matches('\n').count() + 1;
            let complaint = format!("a function of {lines} lines");
            violations.push(Violation::at(&file.path, line, complaint));
        }
    }
    violations
}

/// Lines from the `fn` at the start of `code` to the brace that closes its body, if it has one.
fn function_lines(code: &str) -> Option<usize> {
    let body = code.find(['{', ';'])?;
    // `[u8; 4]` in a signature ends the search too early; such a function is short or caught by
    // its file's length.
    if code.as_bytes()[body] == b';' {
        return None;
    }
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(body) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(code[..at].matches('\n').count() + 1);
        }
    }
    None
}

/// A crate's root, or a plugin's file, that leaves a way open to `unsafe`.
fn unsafe_allowed(file: &TextFile) -> Vec<Violation> {
    if UNSAFE_CRATES.iter().any(|folder| file.path.starts_with(&format!("{folder}/")))
        || file.path.starts_with("tests/fixtures/")
        || file.path.split('/').any(|part| part == "examples")
    {
        return Vec::new();
    }
    // What exports a plugin expands to `unsafe`, so its root cannot forbid it, but its author
    // writes none.
    let is_plugin = file.path.starts_with("plugins/");
    let code = code_only(&file.text);
    if is_plugin {
        let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
        return match words.any(|word| word == "unsafe") {
            true => vec![Violation::new(&file.path, "a plugin that says `unsafe`")],
            false => Vec::new(),
        };
    }
    let is_root = ["src/lib.rs", "src/main.rs"].iter().any(|root| file.path.ends_with(root));
    if is_root && !code.contains("#![forbid(unsafe_code)]") {
        return vec![Violation::new(&file.path, "does not forbid unsafe_code")];
    }
    Vec::new()
}

#[test]
fn every_file_says_what_it_is() {
    hold_everywhere(head_missing);
}

#[test]
fn no_file_is_too_long() {
    hold_everywhere(too_long);
}

#[test]
fn every_name_says_something() {
    hold_everywhere(empty_name);
}

#[test]
fn lib_files_hold_modules_alone() {
    hold_everywhere(busy_lib);
}

#[test]
fn nothing_is_left_unfinished() {
    hold_everywhere(unfinished);
}

#[test]
fn tests_do_not_sleep() {
    hold_everywhere(sleeping_test);
}

#[test]
fn functions_stay_short() {
    hold_everywhere(long_functions);
}

#[test]
fn unsafe_stays_where_it_belongs() {
    hold_everywhere(unsafe_allowed);
}

mod samples {
    use super::*;

    #[track_caller]
    fn found(check: Check, path: &str, text: &str, count: usize) {
        let file = TextFile { path: path.to_owned(), text: text.to_owned() };
        let violations = check(&file);
        assert_eq!(violations.len(), count, "{path}: {violations:?}");
    }

    #[test]
    fn heads() {
        found(head_missing, "a.rs", "//! The a.\n", 0);
        found(head_missing, "a.rs", "//!\nfn a() {}\n", 1);
        found(head_missing, "a.rs", "#![forbid(unsafe_code)]\n//! Late.\n", 1);
    }

    #[test]
    fn lengths() {
        found(too_long, "a.rs", &"\n".repeat(FILE_LINES), 0);
        found(too_long, "a.rs", &"\n".repeat(FILE_LINES + 1), 1);
    }

    #[test]
    fn names() {
        found(empty_name, "core/ring/src/utils.rs", "", 1);
        found(empty_name, "tests/tests/common/mod.rs", "", 1);
        found(empty_name, "core/ring/src/utilisation.rs", "", 0);
    }

    #[test]
    fn libs() {
        found(busy_lib, "core/a/src/lib.rs", "//! fn in words\nmod a;\npub use a::A;\n", 0);
        found(busy_lib, "core/a/src/lib.rs", "pub fn a() {}\n", 1);
        found(busy_lib, "core/a/src/lib.rs", &"mod a;\n".repeat(LIB_LINES + 1), 1);
        found(busy_lib, "core/a/src/other.rs", "pub fn a() {}\n", 0);
    }

    #[test]
    fn unfinished_work() {
        found(unfinished, "a.rs", "fn a() { todo!() }\n// dbg!(x)\n", 1);
        found(unfinished, "a.rs", "#[test]\n#[ignore = \"slow\"]\nfn a() { dbg!(1); }\n", 2);
        found(unfinished, "a.rs", "const A: &str = \"dbg!\";\n", 0);
    }

    #[test]
    fn sleepers() {
        let line = "std::thread::sleep(A);\n";
        found(sleeping_test, "core/a/src/b.rs", line, 0);
        found(sleeping_test, "core/a/tests/b.rs", line, 1);
        found(sleeping_test, "core/a/src/b/tests.rs", line, 1);
        found(sleeping_test, "tests/fixtures/hang.rs", line, 0);
        let beside = format!("{line}#[cfg(test)]\nmod tests {{\n{line}}}\n");
        found(sleeping_test, "core/a/src/b.rs", &beside, 1);
        let seam = format!("#[cfg(test)]\nfn never() {{}}\nfn wait() {{\n{line}}}\n");
        found(sleeping_test, "core/a/src/b.rs", &seam, 0);
        let polled = format!("// Poll: the child writes no event.\n{line}");
        found(sleeping_test, "core/a/tests/b.rs", &polled, 0);
    }

    #[test]
    fn functions() {
        let of = |lines: usize| {
            format!("impl A {{\n    fn a() {{\n{}    }}\n}}\n", "\n".repeat(lines - 2))
        };
        found(long_functions, "a.rs", &of(FUNCTION_LINES - 1), 0);
        found(long_functions, "a.rs", &of(FUNCTION_LINES), 1);
        found(long_functions, "a.rs", "trait A { fn a(); }\ntype B = fn (u8);\n", 0);
    }

    #[test]
    fn unsafety() {
        found(unsafe_allowed, "core/view/src/lib.rs", "//! #![forbid(unsafe_code)]\n", 1);
        found(unsafe_allowed, "core/view/src/lib.rs", "#![forbid(unsafe_code)]\n", 0);
        found(unsafe_allowed, "core/ring/src/lib.rs", "", 0);
        found(unsafe_allowed, "plugins/dao/src/vote.rs", "unsafe { a() }\n", 1);
        found(unsafe_allowed, "plugins/dao/src/vote.rs", "// unsafe\n#![deny(unsafe_code)]\n", 0);
    }
}
