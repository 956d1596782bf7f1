//! What is wrong with a configuration, and how it is told.
//!
//! The rule: a problem names its place as exactly as it is known (line and column, variable or
//! flag), says what is wrong there, and gives the remedy where there is one. It never quotes a
//! secret.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// A file as it was read.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceText {
    /// Where it was read from.
    pub path: PathBuf,
    /// What it held.
    pub text: String,
}

impl SourceText {
    /// Line and column of a byte offset, both from 1; columns count characters.
    #[must_use]
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..floor_char(&self.text, offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// Where a problem lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At these bytes of a file.
    File(Arc<SourceText>, Range<usize>),
    /// In a variable of the environment.
    Env(&'static str),
    /// In a flag of the command line, as `--port`.
    Flag(String),
    /// In a file as a whole, or in one that could not be read.
    Path(PathBuf),
    /// Between settings that were left at their defaults.
    Defaults,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, in one sentence without a full stop.
    pub message: String,
    /// What somebody else says of it, as a plugin of its own configuration: lines without control characters.
    pub words: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether the line at fault may be quoted: not where it holds a secret.
    pub quotable: bool,
}

impl Problem {
    /// A problem without a hint.
    #[must_use]
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        let mut message = message.into();
        // A key out of the file may hold what commands a terminal.
        if message.contains(char::is_control) {
            message = message.escape_debug().to_string();
        }
        Self { place, message, words: Vec::new(), hint: None, quotable: true }
    }

    /// Adds the words of somebody else.
    #[must_use]
    pub fn words(mut self, words: Vec<String>) -> Self {
        self.words = words;
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Keeps the line at fault out of what is shown.
    #[must_use]
    pub fn unquoted(mut self) -> Self {
        self.quotable = false;
        self
    }
}

/// All that is wrong with a configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f, &Style::PLAIN)
    }
}

impl Problems {
    /// Writes all problems, a blank line between them.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn render(&self, out: &mut impl fmt::Write, style: &Style) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                writeln!(out)?;
            }
            problem.render(out, style)?;
        }
        Ok(())
    }
}

impl Problems {
    /// All problems in one line, as a log wants them: places, messages, hints, and no quoted lines.
    #[must_use]
    pub fn line(&self) -> String {
        let each = self.0.iter().map(|problem| {
            let Problem { place, hint, .. } = problem;
            let hint = hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{place}{}{hint}", problem.sentence())
        });
        each.collect::<Vec<_>>().join("; ")
    }
}

impl Problem {
    /// The message with the words behind it, in one line.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self.words.as_slice() {
            [] => self.message.clone(),
            words => format!("{}: {}", self.message, words.join("; ")),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(source, range) => {
                let (line, column) = source.position(range.start);
                write!(f, "{}:{line}:{column}: ", source.path.display())
            }
            Self::Env(name) => write!(f, "{name}: "),
            Self::Flag(name) => write!(f, "{name}: "),
            Self::Path(path) => write!(f, "{}: ", path.display()),
            Self::Defaults => Ok(()),
        }
    }
}

/// Escape sequences around the parts of a rendered problem.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Before the word `error` and the marks under the fault.
    pub error: &'static str,
    /// Before the message.
    pub message: &'static str,
    /// Before line numbers and rules.
    pub frame: &'static str,
    /// Before the word `hint`.
    pub hint: &'static str,
    /// After each of them.
    pub reset: &'static str,
}

impl Style {
    /// Nothing but the text.
    pub const PLAIN: Self = Self { error: "", message: "", frame: "", hint: "", reset: "" };
    /// For a terminal that shows colours.
    pub const COLOUR: Self = Self {
        error: "\x1b[1;31m",
        message: "\x1b[1m",
        frame: "\x1b[34m",
        hint: "\x1b[36m",
        reset: "\x1b[0m",
    };
}

/// Characters of a line that a frame shows at most.
const FRAME_WIDTH: usize = 100;

impl Problem {
    fn render(&self, out: &mut impl fmt::Write, style: &Style) -> fmt::Result {
        let Style { error, message, frame, hint, reset } = style;
        writeln!(out, "{error}error{reset}: {message}{}{reset}", self.message)?;
        match &self.place {
            Place::File(source, range) => self.render_frame(out, style, source, range)?,
            Place::Env(name) => writeln!(out, "  {frame}-->{reset} environment variable {name}")?,
            Place::Flag(name) => writeln!(out, "  {frame}-->{reset} flag {name}")?,
            Place::Path(path) => writeln!(out, "  {frame}-->{reset} {}", path.display())?,
            Place::Defaults => {}
        }
        for line in &self.words {
            writeln!(out, "  {frame}={reset} {line}")?;
        }
        if let Some(text) = &self.hint {
            writeln!(out, "  {hint}hint{reset}: {text}")?;
        }
        Ok(())
    }

    fn render_frame(
        &self,
        out: &mut impl fmt::Write,
        style: &Style,
        source: &SourceText,
        range: &Range<usize>,
    ) -> fmt::Result {
        let Style { error, frame, reset, .. } = style;
        let (line, column) = source.position(range.start);
        writeln!(out, "  {frame}-->{reset} {}:{line}:{column}", source.path.display())?;
        if !self.quotable {
            return Ok(());
        }
        let (shown, mark_at, mark_len) = excerpt(source, range);
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let (indent, marks) = (" ".repeat(mark_at), "^".repeat(mark_len));
        writeln!(out, "{margin} {frame}|{reset}")?;
        writeln!(out, "{frame}{number} |{reset} {shown}")?;
        writeln!(out, "{margin} {frame}|{reset} {indent}{error}{marks}{reset}")
    }
}

/// The line of `range`, cut to a window around it and free of control characters, with the
/// place and the length of the marks under it.
fn excerpt(source: &SourceText, range: &Range<usize>) -> (String, usize, usize) {
    let text = &source.text;
    let start = floor_char(text, range.start);
    let end = floor_char(text, range.end).max(start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let line = text[line_start..line_end].trim_end_matches('\r');
    let column = text[line_start..start].chars().count();
    let marked = text[start..end.min(line_end)].trim_end().chars().count().max(1);

    let line = mask(line, column, marked);

    let skip = if column + marked.min(40) > FRAME_WIDTH { column.saturating_sub(40) } else { 0 };
    let shown: String = line
        .chars()
        .skip(skip)
        .take(FRAME_WIDTH)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let mark_at = column - skip;
    (shown, mark_at, marked.min(FRAME_WIDTH.saturating_sub(mark_at)).max(1))
}

/// Stars over whatever stands in quotes beside the marked characters: a neighbour of the fault
/// may be a token.
fn mask(line: &str, mark_at: usize, mark_len: usize) -> String {
    let mut quote = None;
    line.chars()
        .enumerate()
        .map(|(column, c)| match quote {
            None => {
                quote = matches!(c, '"' | '\'').then_some(c);
                c
            }
            Some(open) if c == open => {
                quote = None;
                c
            }
            Some(_) if (mark_at..mark_at + mark_len).contains(&column) => c,
            Some(_) => '*',
        })
        .collect()
}

fn floor_char(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Arc<SourceText> {
        Arc::new(SourceText { path: PathBuf::from("a.toml"), text: text.to_owned() })
    }

    fn shown(text: &str, range: Range<usize>) -> String {
        let problem = Problem::new(Place::File(source(text), range), "bad port").hint("use 1");
        Problems(vec![problem]).to_string()
    }

    #[test]
    fn a_frame_marks_the_fault() {
        assert_eq!(
            shown("a = 1\nport = 70000\n", 13..18),
            "error: bad port\n  --> a.toml:2:8\n  |\n2 | port = 70000\n  |        ^^^^^\n  hint: use 1\n"
        );
    }

    #[test]
    fn a_log_gets_one_line_without_the_frame() {
        let place = Place::File(source("a = 1\nport = 70000\n"), 13..18);
        let first = Problem::new(place, "bad port").hint("use 1");
        let problems = Problems(vec![first, Problem::new(Place::Env("LOG_LEVEL"), "bad level")]);
        assert_eq!(problems.line(), "a.toml:2:8: bad port (use 1); LOG_LEVEL: bad level");
    }

    #[test]
    fn the_words_of_a_plugin_keep_their_lines() {
        let place = Place::File(source("[[plugin]]\nname = 'a'\n"), 0..10);
        let words = ["a.toml: line 3: x; do y", "a.toml: line 5: z"].map(str::to_owned);
        let problems = Problems(vec![Problem::new(place, "no").words(words.into())]);
        assert!(
            problems
                .to_string()
                .ends_with("^^^^^^^^^^\n  = a.toml: line 3: x; do y\n  = a.toml: line 5: z\n"),
            "{problems}"
        );
        let line = "a.toml:1:1: no: a.toml: line 3: x; do y; a.toml: line 5: z";
        assert_eq!(problems.line(), line);
    }

    #[test]
    fn columns_count_characters_and_tabs_take_one() {
        let text = "\tä = 70\r\n";
        let at = text.find('7').unwrap();
        let out = shown(text, at..at + 2);
        assert!(out.contains("a.toml:1:6"), "{out}");
        assert!(out.contains("1 |  ä = 70\n  |      ^^\n"), "{out}");
    }

    #[test]
    fn any_range_is_shown_without_a_panic() {
        let long = format!("x = \"{}\" # é", "é".repeat(500));
        for text in ["", "a", "a\n", "ä\r\nb", long.as_str()] {
            for start in 0..=text.len() + 2 {
                for end in [start, start + 1, start + 700] {
                    let out = shown(text, start..end);
                    assert!(out.contains('^') && out.lines().all(|l| l.chars().count() < 120));
                }
            }
        }
    }

    #[test]
    fn nothing_in_a_message_commands_a_terminal() {
        let problem = Problem::new(Place::Defaults, "unknown key `\u{1b}[31m\n`");
        assert_eq!(Problems(vec![problem]).line(), "unknown key `\\u{1b}[31m\\n`");
    }

    #[test]
    fn a_secret_line_is_not_quoted() {
        let place = Place::File(source("token = \"a b\"\n"), 8..13);
        let out = Problems(vec![Problem::new(place, "bad token").unquoted()]).to_string();
        assert!(out.contains("a.toml:1:9") && !out.contains("a b"), "{out}");
    }

    #[test]
    fn quoted_text_beside_the_marks_is_masked() {
        assert!(shown("tokn = \"open\" # a\n", 0..4).contains("1 | tokn = \"****\" # a\n"));
        assert!(shown("a = [\"x\", \"yy\"]\n", 10..14).contains("[\"*\", \"yy\"]"));
    }

    #[test]
    fn places_outside_a_file_are_named() {
        let of = |place| Problems(vec![Problem::new(place, "m")]).to_string();
        assert!(of(Place::Env("DASHBOARD_PORT")).contains("environment variable DASHBOARD_PORT"));
        assert!(of(Place::Flag("--port".into())).contains("flag --port"));
        assert!(of(Place::Path("/x".into())).contains("/x"));
    }
}
