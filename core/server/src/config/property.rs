//! What must hold for any bytes as `shimmer.toml`: a property for a fuzz target and for tests to call.
//!
//! The rule: what is refused is refused at a place and in words that a terminal may show; what is taken, shown and
//! read again is the same.

use tempfile::TempDir;

use super::problem::{Place, Problem, Problems, Style};
use super::{Loaded, SETTINGS, Sources};

/// A folder for the file.
#[derive(Debug)]
pub struct Bench(TempDir);

impl Default for Bench {
    fn default() -> Self {
        Self(tempfile::tempdir().expect("a folder for temporary files"))
    }
}

impl Bench {
    /// Panics unless all properties hold for these bytes.
    pub fn holds(&self, data: &[u8]) {
        let loaded = match self.load(data) {
            Ok(loaded) => loaded,
            Err(problems) => return refused(&problems, data),
        };
        let shown = shown(&loaded);
        let again = self.load(shown.as_bytes());
        let again = again.unwrap_or_else(|problems| panic!("{problems}\nin\n{shown}"));
        assert!([&loaded, &again].iter().all(|it| it.rows().len() == SETTINGS.len()));
        for (row, other) in loaded.rows().iter().zip(again.rows()) {
            assert_eq!((row.key, &row.value), (other.key, &other.value));
        }
    }

    fn load(&self, data: &[u8]) -> Result<Loaded, Problems> {
        let file = self.0.path().join("shimmer.toml");
        std::fs::write(&file, data).expect("written");
        Sources { file: Some(file), ..Sources::nowhere() }.load()
    }
}

/// The lines of `shimmer config show`, but that tokens, which are all masked alike, are told apart.
fn shown(loaded: &Loaded) -> String {
    let mut lines = String::new();
    for mut row in loaded.rows() {
        if row.key == "auth.token" {
            assert!(matches!(row.value.as_str(), Some("" | "***")), "a secret");
        }
        if row.key == "auth.tokens" {
            let tables = row.value.as_array_mut().expect("a list of tables");
            for (n, table) in tables.iter_mut().enumerate() {
                let token = table.get_mut("token").expect("a token or none");
                let text = token.as_str().expect("text");
                assert!(text.is_empty() || text == "***", "a secret");
                if !text.is_empty() {
                    *token = format!("{text}{n}").into();
                }
            }
        }
        lines.push_str(&format!("{} = {}\n", row.key, row.value));
    }
    lines
}

fn refused(problems: &Problems, data: &[u8]) {
    assert!(!problems.0.is_empty());
    problems.0.iter().for_each(|problem| is_placed(problem, data));
    for style in [Style::PLAIN, Style::COLOUR] {
        let mut out = String::new();
        problems.render(&mut out, &style).expect("a String takes any text");
        for escape in [style.error, style.message, style.frame, style.hint, style.reset] {
            if !escape.is_empty() {
                out = out.replace(escape, "");
            }
        }
        assert!(out.lines().all(|line| !line.contains(char::is_control)), "{out:?}");
    }
    assert!(!problems.line().contains(char::is_control), "{:?}", problems.line());
}

fn is_placed(problem: &Problem, data: &[u8]) {
    assert!(!problem.message.is_empty());
    match &problem.place {
        Place::File(source, range) => {
            assert!(source.text.as_bytes() == data);
            assert!(range.start <= range.end && range.end <= data.len(), "{range:?}");
        }
        Place::Path(_) => assert!(std::str::from_utf8(data).is_err() || data.len() > 1 << 20),
        place => panic!("only the file says anything, not {place:?}: {}", problem.message),
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    use proptest::prelude::*;

    use super::*;

    thread_local! {
        static BENCH: Bench = Bench::default();
    }

    fn holds(data: &[u8]) {
        BENCH.with(|bench| bench.holds(data));
    }

    /// Files of all sections, and what the fuzzer made of them.
    #[test]
    fn the_kept_corpus_holds() {
        let kept = include_str!("../../../../tests/fuzz/corpora/config_toml.txt");
        for line in kept.lines() {
            holds(&BASE64_STANDARD.decode(line).expect("a line of Base64"));
        }
        assert!(kept.lines().count() > 50);
    }

    #[test]
    fn every_setting_at_its_default_holds() {
        let file = super::super::default_file();
        holds(file.as_bytes());
        // `#` without a blank begins a setting.
        holds(file.replace("\n#", "\n").replace("\n ", "\n# ").as_bytes());
    }

    proptest! {
        #[test]
        fn generated_text_holds(text in "([a-z_.]{0,9}|[\\[\\]{}=\"'#,\n\\\\]|-?[0-9]{1,19}|é|\u{1b}|\\PC){0,40}") {
            holds(text.as_bytes());
        }
    }
}
