//! Colours, and whether there are any.
//!
//! The rule: no escape sequence leaves the program where NO_COLOR is set or nobody looks.

use std::fmt::Display;
use std::io::IsTerminal;

use shimmer_server::config::{Problems, Style};

use crate::args::When;

/// Whether one output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// For stderr.
    pub(crate) fn stderr() -> Self {
        Self { on: wanted(std::io::stderr().is_terminal()) }
    }

    /// For stdout, where the user may have a say.
    pub(crate) fn stdout(when: When) -> Self {
        let on = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => wanted(std::io::stdout().is_terminal()),
        };
        Self { on }
    }

    /// Never any colour.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { on: false };

    /// Always colours.
    #[cfg(test)]
    pub(crate) const COLOUR: Self = Self { on: true };

    /// For words that announce a fault.
    pub(crate) fn error(self, text: impl Display) -> String {
        self.wrap("1;31", text)
    }

    /// For words that announce something to look at.
    pub(crate) fn warn(self, text: impl Display) -> String {
        self.wrap("33", text)
    }

    /// For words that announce success.
    pub(crate) fn good(self, text: impl Display) -> String {
        self.wrap("32", text)
    }

    /// For what matters less.
    pub(crate) fn dim(self, text: impl Display) -> String {
        self.wrap("2", text)
    }

    /// For what matters more.
    pub(crate) fn bold(self, text: impl Display) -> String {
        self.wrap("1", text)
    }

    /// One of six colours, always the same for the same text.
    pub(crate) fn named(self, text: &str) -> String {
        let hash = text.bytes().fold(0u32, |hash, b| hash.wrapping_mul(31).wrapping_add(b.into()));
        self.wrap(&(31 + hash % 6).to_string(), text)
    }

    fn wrap(self, code: &str, text: impl Display) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// <https://no-color.org>: set and not empty means no colours.
fn wanted(is_terminal: bool) -> bool {
    is_terminal
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The problems of a configuration as text.
pub(crate) fn render(problems: &Problems, paint: Paint) -> String {
    let style = if paint.on { Style::COLOUR } else { Style::PLAIN };
    let mut out = String::new();
    problems.render(&mut out, &style).expect("a String takes any text");
    out
}

/// `text` with control characters made visible: what comes over the network may hold escape
/// sequences that command a terminal.
pub(crate) fn safe(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            // Characters that turn the direction of writing can hide what a line says.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paint_adds_nothing() {
        assert_eq!(Paint::PLAIN.error("x"), "x");
        assert_eq!(Paint::COLOUR.error("x"), "\x1b[1;31mx\x1b[0m");
        assert_eq!(Paint::COLOUR.named("a"), Paint::COLOUR.named("a"));
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(safe("a\x1b[2J\nb\u{202e}ü"), "a\u{fffd}[2J\u{fffd}b\u{fffd}ü");
    }
}
