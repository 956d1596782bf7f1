//! Decimal numbers of the usual size: their value without the general algorithm, and whether their text is the
//! one that an event shows.
//!
//! The rule: a value is that of `str::parse`, and a text that passes for canonical is the one that `zmij` writes.

/// Digits that every text may have and still name one float, whose shortest text then has these digits.
const SURE_DIGITS: usize = 15;
/// Largest whole number up to which all are floats.
const EXACT: u64 = 1 << 53;
/// Powers of ten that are floats; a quotient of two floats is rounded once, so that it is the nearest (Clinger,
/// "How to read floating point numbers accurately", PLDI 1990).
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];
/// Smaller numbers are written with an exponent.
const SMALL: f64 = 1e-4;

/// A number as posted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Number {
    pub(super) value: f64,
    start: usize,
    end: usize,
    pub(super) text: Canonical,
}

/// How an event shows a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Canonical {
    /// As it was posted.
    Posted,
    /// As it was posted, with `.0` behind it.
    PostedWhole,
    /// Written anew.
    #[default]
    Anew,
}

impl Number {
    /// Reads the number at `at`; `None` for no number, and for one with an exponent.
    #[inline(always)]
    pub(super) fn read(text: &str, at: usize) -> Option<Self> {
        let bytes = text.as_bytes();
        let is_negative = bytes.get(at) == Some(&b'-');
        let whole = at + usize::from(is_negative);
        let (mut mantissa, mut end) = digits(bytes, whole, 0);
        let mut digits_read = end - whole;
        if digits_read == 0 || digits_read > 1 && bytes.get(whole) == Some(&b'0') {
            return None;
        }
        let mut places = 0;
        if bytes.get(end) == Some(&b'.') {
            let point = end;
            (mantissa, end) = digits(bytes, point + 1, mantissa);
            places = end - point - 1;
            digits_read += places;
            if places == 0 {
                return None;
            }
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            return None;
        }
        // Nineteen digits never wrap.
        let value = if digits_read <= 19 && mantissa <= EXACT && places < TENS.len() {
            let size = mantissa as f64 / TENS[places];
            if is_negative { -size } else { size }
        } else {
            text.get(at..end)?.parse().ok().filter(|value: &f64| value.is_finite())?
        };
        let shown = if digits_read > SURE_DIGITS {
            Canonical::Anew
        } else if places == 0 {
            Canonical::PostedWhole
        } else if bytes[end - 1] == b'0' || value.abs() < SMALL {
            Canonical::Anew
        } else {
            Canonical::Posted
        };
        Some(Self { value, start: at, end, text: shown })
    }

    /// Where its text starts.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Where its text ends.
    pub(super) fn end(&self) -> usize {
        self.end
    }
}

/// Reads digits from `at` on, eight at a time and without a branch for each; what they make of `before`, and where
/// they end.
#[inline(always)]
fn digits(bytes: &[u8], mut at: usize, before: u64) -> (u64, usize) {
    const ONES: u64 = u64::MAX / 255;
    const WEIGHTS: [u64; 9] =
        [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
    let mut number = before;
    loop {
        let word = bytes
            .get(at..)
            .and_then(|rest| rest.first_chunk())
            .map_or_else(|| last_word(bytes, at), |chunk| u64::from_le_bytes(*chunk));
        let values = word ^ (ONES * u64::from(b'0'));
        // The high bit of a byte that is no digit; a carry only reaches bytes behind such a one.
        let other = (values.wrapping_add(ONES * (0x80 - 10)) | values) & (ONES << 7);
        let count = other.trailing_zeros() as usize / 8;
        // The digits in the topmost bytes, zeros before them, and then neighbours put together three times.
        let pairs = values.checked_shl(64 - 8 * count as u32).unwrap_or(0);
        let pairs = pairs.wrapping_mul(10).wrapping_add(pairs >> 8) & 0x00ff_00ff_00ff_00ff;
        let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
        let eight = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff;
        number = number.wrapping_mul(WEIGHTS[count]).wrapping_add(eight);
        at += count;
        if count < 8 {
            return (number, at);
        }
    }
}

/// Fewer than eight bytes that are left, with zeros behind.
#[cold]
fn last_word(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn agrees(text: &str) {
        let Some(number) = Number::read(text, 0).filter(|number| number.end() == text.len()) else {
            return;
        };
        let value: f64 = text.parse().expect("a number");
        assert_eq!(number.value.to_bits(), value.to_bits(), "{text}");
        let mut buffer = zmij::Buffer::new();
        let expected = buffer.format_finite(value);
        match number.text {
            Canonical::Posted => assert_eq!(text, expected),
            Canonical::PostedWhole => assert_eq!(format!("{text}.0"), expected),
            Canonical::Anew => {}
        }
    }

    #[test]
    fn usual_numbers_are_shown_as_posted() {
        for (text, shown) in [
            ("0", Canonical::PostedWhole),
            ("-0", Canonical::PostedWhole),
            ("42", Canonical::PostedWhole),
            ("0.92", Canonical::Posted),
            ("-273.15", Canonical::Posted),
            ("0.0001", Canonical::Posted),
            ("999999999999999", Canonical::PostedWhole),
            ("0.00001", Canonical::Anew),
            ("0.50", Canonical::Anew),
            ("0.0", Canonical::Anew),
            ("0.8444218515250481", Canonical::Anew),
        ] {
            assert_eq!(Number::read(text, 0).map(|number| number.text), Some(shown), "{text}");
            agrees(text);
        }
        for text in ["", "-", "01", "-01", "1.", ".5", "+1", "1e5", "1.5E3", "x"] {
            assert!(Number::read(text, 0).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn values_and_texts_are_those_of_the_general_algorithms(
            text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,25})?|-?0\\.0{0,6}[0-9]{1,18}",
        ) {
            agrees(&text);
        }

        #[test]
        fn floats_read_back(value: f64) {
            agrees(&format!("{value:?}"));
            agrees(&format!("{value}"));
        }
    }
}
