//! Whether a text is in canonical form already, in one pass.
//!
//! The rule: true exactly for the texts that `canonicalise` returns. Nothing is built but a stack of the names before,
//! one for each open object.

use super::MAX_DEPTH;

/// Whether `text` is JSON in the form of RFC 8785, at most [`MAX_DEPTH`] levels deep.
#[must_use]
pub fn is_canonical(text: &str) -> bool {
    let mut reader = Reader { text, at: 0, numbers: ryu_js::Buffer::new() };
    reader.value(0).is_some() && reader.at == text.len()
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    numbers: ryu_js::Buffer,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.text.as_bytes()[self.at..].starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    /// Recursion is bounded by the depth.
    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'{' if depth < MAX_DEPTH => self.object(depth),
            b'[' if depth < MAX_DEPTH => self.array(depth),
            b'"' => self.string().map(|_| ()),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.eat(b'[')?;
        if self.eat(b']').is_some() {
            return Some(());
        }
        loop {
            self.value(depth + 1)?;
            if self.eat(b']').is_some() {
                return Some(());
            }
            self.eat(b',')?;
        }
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        self.eat(b'{')?;
        if self.eat(b'}').is_some() {
            return Some(());
        }
        let mut before: Option<&'t str> = None;
        loop {
            let name = self.string()?;
            if before.is_some_and(|before| !is_before(before, name)) {
                return None;
            }
            before = Some(name);
            self.eat(b':')?;
            self.value(depth + 1)?;
            if self.eat(b'}').is_some() {
                return Some(());
            }
            self.eat(b',')?;
        }
    }

    /// What stands between the quotes, escapes as they are.
    fn string(&mut self) -> Option<&'t str> {
        self.eat(b'"')?;
        let start = self.at;
        let bytes = self.text.as_bytes();
        loop {
            match *bytes.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(&self.text[start..self.at - 1]);
                }
                b'\\' => self.at += escape(&bytes[self.at..])?,
                0..0x20 => return None,
                _ => self.at += 1,
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        let rest = &self.text[self.at..];
        let is_part = |b: &u8| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e');
        let text = &rest[..rest.bytes().take_while(|b| is_part(b)).count()];
        // Whole numbers of up to 15 digits are their own shortest text.
        let digits = text.strip_prefix('-').unwrap_or(text);
        let plain = matches!(digits.len(), 1..=15) && digits.bytes().all(|b| b.is_ascii_digit());
        let shortest = if plain {
            text == "0" || !digits.starts_with('0')
        } else {
            let value: f64 = text.parse().ok()?;
            value.is_finite() && self.numbers.format_finite(value) == text
        };
        shortest.then(|| self.at += text.len())
    }
}

/// The length of the escape at the start, if it is the one that RFC 8785 (3.2.2.2) writes.
fn escape(bytes: &[u8]) -> Option<usize> {
    match *bytes.get(1)? {
        b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => {
            let [b'0', b'0', high, low] = *bytes.get(2..6)? else { return None };
            let low = match low {
                b'0'..=b'9' => low - b'0',
                b'a'..=b'f' => low - b'a' + 10,
                _ => return None,
            };
            let short = high == b'0' && matches!(low, 8 | 9 | 10 | 12 | 13);
            (matches!(high, b'0' | b'1') && !short).then_some(6)
        }
        _ => None,
    }
}

/// Whether `a` sorts before `b` by UTF-16 code units (RFC 8785, 3.2.3); both as they stand between quotes.
fn is_before(a: &str, b: &str) -> bool {
    if !a.contains('\\') && !b.contains('\\') {
        return is_less(a, b);
    }
    is_less(&unescaped(a), &unescaped(b))
}

fn is_less(a: &str, b: &str) -> bool {
    // Below the surrogates the order of bytes is the order of code units.
    if a.is_ascii() || b.is_ascii() {
        return a < b;
    }
    a.encode_utf16().lt(b.encode_utf16())
}

/// The text of a string whose escapes were checked.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (escaped, length) = match rest.as_bytes()[at + 1] {
            b'b' => ('\u{8}', 2),
            b'f' => ('\u{c}', 2),
            b'n' => ('\n', 2),
            b'r' => ('\r', 2),
            b't' => ('\t', 2),
            b'u' => {
                let code = u8::from_str_radix(&rest[at + 4..at + 6], 16).unwrap_or_default();
                (char::from(code), 6)
            }
            other => (char::from(other), 2),
        };
        out.push(escaped);
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    out
}
