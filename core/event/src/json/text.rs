//! Strings of JSON: finding their end, taking their escapes out and putting them in.
//!
//! A surrogate escape without its other half is valid grammar but no Unicode text: it is passed and marked, and
//! whoever needs the text refuses it.

use std::borrow::Cow;

/// The contents of a string, without its quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<'b> {
    pub(crate) raw: &'b str,
    /// `raw` has escapes that are still to be taken out.
    pub(crate) escaped: bool,
    /// There is a surrogate escape without its other half; the text cannot be decoded.
    pub(crate) unpaired: bool,
}

impl<'b> Text<'b> {
    /// A text that never was escaped.
    pub(crate) fn plain(raw: &'b str) -> Self {
        Self { raw, escaped: false, unpaired: false }
    }

    /// The text itself; `None` where a surrogate is unpaired. Allocates only where there are escapes.
    pub(crate) fn decode(&self) -> Option<Cow<'b, str>> {
        if self.unpaired {
            return None;
        }
        if !self.escaped {
            return Some(Cow::Borrowed(self.raw));
        }
        let mut out = String::with_capacity(self.raw.len());
        self.decode_into(&mut out);
        Some(Cow::Owned(out))
    }

    /// Appends the text to `out`; an unpaired surrogate becomes U+FFFD.
    pub(crate) fn decode_into(&self, out: &mut String) {
        let mut rest = self.raw;
        while let Some(at) = rest.find('\\') {
            out.push_str(&rest[..at]);
            let (decoded, used) = escape(&rest[at..]);
            out.push(decoded);
            rest = &rest[at + used..];
        }
        out.push_str(rest);
    }
}

/// Finds the end of the string whose contents start at `start`: the contents, and where the closing quote ends.
pub(super) fn scan(text: &str, start: usize) -> Result<(Text<'_>, usize), (usize, &'static str)> {
    let bytes = text.as_bytes();
    let mut at = start;
    let mut escaped = false;
    let mut unpaired = false;
    let mut high = false;
    loop {
        let run = plain_run(&bytes[at..]);
        if run > 0 {
            unpaired |= std::mem::take(&mut high);
            at += run;
        }
        match bytes.get(at) {
            Some(b'"') => {
                let raw = &text[start..at];
                return Ok((Text { raw, escaped, unpaired: unpaired | high }, at + 1));
            }
            Some(b'\\') => {
                escaped = true;
                let Some(unit) = unit(bytes, at + 1)? else {
                    unpaired |= std::mem::take(&mut high);
                    at += 2;
                    continue;
                };
                let low = matches!(unit, 0xDC00..=0xDFFF);
                unpaired |= high != low;
                high = matches!(unit, 0xD800..=0xDBFF);
                at += 6;
            }
            Some(_) => return Err((at, "control character in a string")),
            None => return Err((at, "unexpected end")),
        }
    }
}

/// Appends `text` with the escapes that JSON demands and no others.
pub(crate) fn escape_into(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    loop {
        let run = plain_run(rest);
        out.extend_from_slice(&rest[..run]);
        let Some(&byte) = rest.get(run) else { return };
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x09 => b't',
            0x0A => b'n',
            0x0C => b'f',
            0x0D => b'r',
            _ => b'u',
        };
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
            out.extend_from_slice(&[b'0', b'0', digit(byte >> 4), digit(byte & 0xF)]);
        }
        rest = &rest[run + 1..];
    }
}

/// Bytes up to the first quote, backslash or control character, eight at a time.
fn plain_run(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    for (i, &word) in words.iter().enumerate() {
        let found = special(u64::from_le_bytes(word));
        if found != 0 {
            return i * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let plain = |b: &u8| !matches!(b, b'"' | b'\\' | 0..0x20);
    bytes.len() - tail.len() + tail.iter().take_while(|b| plain(b)).count()
}

/// The high bit of each byte that is a quote, a backslash or a control character. Only the lowest is sure.
///
/// A byte less than another borrows into its own high bit; the borrow may also reach the bytes above it. A quote
/// is turned into the blank, the one character after the control characters, which itself goes elsewhere.
#[inline(always)]
pub(crate) fn special(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let turned = word ^ (ONES * (b'"' ^ b' ') as u64);
    let quote_or_control = turned.wrapping_sub(ONES * (b' ' + 1) as u64) & !turned;
    let other = word ^ (ONES * b'\\' as u64);
    let backslash = other.wrapping_sub(ONES) & !other;
    (quote_or_control | backslash) & (ONES << 7)
}

/// Checks the escape whose letter is at `at`; the UTF-16 unit of a `\u` one.
fn unit(bytes: &[u8], at: usize) -> Result<Option<u16>, (usize, &'static str)> {
    match bytes.get(at) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(None),
        Some(b'u') => match bytes.get(at + 1..at + 5).and_then(hex4) {
            Some(unit) => Ok(Some(unit)),
            None => Err((at, "`\\u` without four hexadecimal digits")),
        },
        Some(_) => Err((at, "unknown escape")),
        None => Err((at, "unexpected end")),
    }
}

fn hex4(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0_u16, |unit, &digit| {
        let value = char::from(digit).to_digit(16)?;
        Some(unit << 4 | value as u16)
    })
}

/// The character that a checked escape at the start of `rest` stands for, and the escape's bytes.
fn escape(rest: &str) -> (char, usize) {
    let bytes = rest.as_bytes();
    let unit = |at: usize| bytes.get(at + 2..at + 6).and_then(hex4).unwrap_or(0xFFFD);
    let simple = match bytes.get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => {
            let first = unit(0);
            let paired = matches!(first, 0xD800..=0xDBFF) && bytes[6..].starts_with(b"\\u");
            let units = [first, if paired { unit(6) } else { 0 }];
            let units = &units[..1 + usize::from(paired)];
            let decoded = char::decode_utf16(units.iter().copied()).next();
            let decoded = decoded.and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER);
            return (decoded, if decoded.len_utf16() == 2 { 12 } else { 6 });
        }
        Some(&other) => char::from(other),
        None => char::REPLACEMENT_CHARACTER,
    };
    (simple, 2)
}
