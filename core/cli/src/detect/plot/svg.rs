//! Writing SVG: elements, texts and short paths.
//!
//! The rule: nothing reaches the file that was not escaped here, and no number in it is anything but a number.

use std::fmt::{Display, Write};

/// Longest text that is shown.
const TEXT_CHARS: usize = 120;

/// A text as XML wants it: without mark-up, and without the characters that XML cannot hold.
pub(super) fn text(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(TEXT_CHARS) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Direction marks would show another name than the one that is there.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push(char::REPLACEMENT_CHARACTER);
            }
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                out.push(char::REPLACEMENT_CHARACTER);
            }
            c => out.push(c),
        }
    }
    out
}

/// A drawing in the making. The attributes are the program's own; texts go through [`text`].
#[derive(Debug, Default)]
pub(super) struct Drawing {
    out: String,
}

impl Drawing {
    /// Opens an element that holds others.
    pub(super) fn open(&mut self, tag: impl Display) {
        self.line(format_args!("<{tag}>"));
    }

    /// Text of the program's own.
    pub(super) fn raw(&mut self, text: &'static str) {
        self.line(text);
    }

    pub(super) fn close(&mut self, name: &str) {
        self.line(format_args!("</{name}>"));
    }

    /// An element without content.
    pub(super) fn element(&mut self, tag: impl Display) {
        self.line(format_args!("<{tag}/>"));
    }

    /// A text at a place.
    pub(super) fn write(&mut self, x: f64, y: f64, attributes: &str, words: &str) {
        let words = text(words);
        self.line(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{words}</text>"));
    }

    /// The name of the whole.
    pub(super) fn title(&mut self, words: &str) {
        self.line(format_args!("<title>{}</title>", text(words)));
    }

    /// An element with a text that viewers show when somebody points at it.
    pub(super) fn titled(&mut self, name: &str, attributes: impl Display, title: &str) {
        let title = text(title);
        self.line(format_args!("<{name} {attributes}><title>{title}</title></{name}>"));
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    fn line(&mut self, line: impl Display) {
        // A String takes any text.
        let _ = writeln!(self.out, "{line}");
    }
}

/// The data of a path in tenths of a pixel, each step relative to the one before: a third of the bytes of
/// absolute coordinates.
#[derive(Debug, Default)]
pub(super) struct Path {
    data: String,
    at: Option<(i64, i64)>,
    /// Whether the figure has a line already.
    drawn: bool,
}

impl Path {
    /// Draws a line to a place, or begins there.
    pub(super) fn to(&mut self, x: f64, y: f64) {
        let tenths = |pixels: f64| (pixels * 10.0).round() as i64;
        let (x, y) = (tenths(x), tenths(y));
        match self.at {
            None => {
                self.data.push('M');
                self.numbers(x, y);
            }
            Some(from) if from == (x, y) => return,
            Some((from_x, from_y)) => {
                let (x, y) = (x - from_x, y - from_y);
                if !std::mem::replace(&mut self.drawn, true) {
                    self.data.push('l');
                } else if x >= 0 {
                    self.data.push(' ');
                }
                self.numbers(x, y);
            }
        }
        self.at = Some((x, y));
    }

    /// The next place begins anew; one that stood alone becomes a dot.
    pub(super) fn lift(&mut self) {
        if self.at.take().is_some() && !std::mem::take(&mut self.drawn) {
            self.data.push_str("h0");
        }
    }

    /// Closes the figure.
    pub(super) fn close(&mut self) {
        self.lift();
        self.data.push('z');
    }

    pub(super) fn finish(mut self) -> String {
        self.lift();
        self.data
    }

    fn numbers(&mut self, x: i64, y: i64) {
        let between = if y < 0 { "" } else { " " };
        // A String takes any text.
        let _ = write!(self.data, "{x}{between}{y}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_mark_up() {
        let hostile = "</text><script>alert(\"1\")</script>&amp;'\u{0}\u{1b}\u{202e}\u{ffff}\n";
        let shown = text(hostile);
        assert!(!shown.contains(['<', '>', '"', '\'', '\u{0}', '\u{1b}', '\u{202e}', '\u{ffff}']));
        assert!(shown.starts_with("&lt;/text&gt;&lt;script&gt;alert(&quot;1&quot;)"), "{shown}");
        assert_eq!(text(&"é".repeat(500)).chars().count(), TEXT_CHARS);
        let mut drawing = Drawing::default();
        drawing.write(1.0, 2.0, "", hostile);
        drawing.titled("path", "d=\"M0 0\"", hostile);
        assert_eq!(drawing.finish().matches("script").count(), 4);
    }

    #[test]
    fn a_path_is_relative_and_its_signs_part_its_numbers() {
        let mut path = Path::default();
        for (x, y) in [(1.0, 2.0), (2.0, 1.5), (2.0, 1.5), (1.0, 3.0), (1.0, 3.1)] {
            path.to(x, y);
        }
        path.lift();
        path.to(5.0, -5.0);
        path.lift();
        path.lift();
        path.to(1.0, 1.0);
        path.to(2.0, 2.0);
        path.close();
        assert_eq!(path.finish(), "M10 20l10-5-10 15 0 1M50-50h0M10 10l10 10z");
    }
}
