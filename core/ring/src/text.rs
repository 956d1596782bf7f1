//! The text of an event: what comes before its sequence, the sequence, and what comes after.
//!
//! Rule: it is put together in registers and leaves in whole words. Bytes that are stored and read
//! again as words wait for everything stored before them, which costs more than all the rest.

/// A sequence in decimal, without allocating.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decimal {
    /// The digits from the first on, zeros behind; each word in little-endian order.
    words: [u64; 3],
    len: usize,
}

impl Decimal {
    /// No digits at all.
    pub(crate) const NONE: Self = Self { words: [0; 3], len: 0 };

    pub(crate) fn new(mut value: u64) -> Self {
        let mut decimal =
            Self { words: [0; 3], len: value.checked_ilog10().unwrap_or(0) as usize + 1 };
        for at in (0..decimal.len).rev() {
            decimal.words[at / 8] |= u64::from(b'0' + (value % 10) as u8) << (at % 8 * 8);
            value /= 10;
        }
        decimal
    }

    /// Whether a number not smaller than this one has as many digits.
    pub(crate) fn holds(&self, value: u64) -> bool {
        10_u64.checked_pow(self.len as u32).is_none_or(|more| value < more)
    }

    /// Goes on to the next number; the largest has none.
    pub(crate) fn step(&mut self) {
        for at in (0..self.len).rev() {
            let (word, bits) = (&mut self.words[at / 8], at % 8 * 8);
            if *word >> bits & 0xff < u64::from(b'9') {
                *word += 1 << bits;
                return;
            }
            *word -= 9 << bits;
        }
        // All were nines and are zeros now.
        self.words[0] += 1;
        self.words[self.len / 8] |= u64::from(b'0') << (self.len % 8 * 8);
        self.len += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

/// A text in its parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    pub(crate) head: &'a [u8],
    pub(crate) digits: &'a Decimal,
    pub(crate) tail: &'a [u8],
}

impl<'a> Text<'a> {
    /// A text that holds its sequence already.
    pub(crate) fn whole(text: &'a [u8]) -> Self {
        Self { head: text, digits: &Decimal::NONE, tail: &[] }
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.digits.len + self.tail.len()
    }

    /// The whole words at its start, which can be copied as they are.
    pub(crate) fn start(&self) -> &'a [[u8; 8]] {
        self.head.as_chunks().0
    }

    /// Hands out the words after [`start`](Self::start); the last is filled up with zeros.
    pub(crate) fn end(&self, put: impl FnMut(u64)) {
        let (whole, rest) = self.head.as_chunks::<8>();
        let mut joiner = Joiner { word: 0, filled: 0, put };
        // What is left of the head is the end of its last eight bytes.
        let last = whole.last().and(self.head.last_chunk()).map_or_else(
            || word(rest),
            |last| u64::from_le_bytes(*last).checked_shr(64 - 8 * rest.len() as u32).unwrap_or(0),
        );
        joiner.push(last, rest.len());
        let mut digits = self.digits.len;
        for word in self.digits.words {
            joiner.push(word, digits.min(8));
            digits = digits.saturating_sub(8);
        }
        for chunk in self.tail.chunks(8) {
            joiner.push(word(chunk), chunk.len());
        }
        if joiner.filled > 0 {
            (joiner.put)(joiner.word);
        }
    }
}

/// Up to eight bytes as a word.
fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// Puts pieces of words together to words.
struct Joiner<F> {
    word: u64,
    /// Bytes in the word, fewer than eight.
    filled: usize,
    put: F,
}

impl<F: FnMut(u64)> Joiner<F> {
    /// Appends the first `len` bytes of `word`, at most eight; those behind are 0.
    fn push(&mut self, word: u64, len: usize) {
        self.word |= word << (8 * self.filled);
        if self.filled + len < 8 {
            self.filled += len;
            return;
        }
        (self.put)(self.word);
        self.word = word.checked_shr(64 - 8 * self.filled as u32).unwrap_or(0);
        self.filled = self.filled + len - 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &Text<'_>) -> Vec<u8> {
        let mut bytes = text.start().as_flattened().to_vec();
        text.end(|word| bytes.extend(word.to_le_bytes()));
        bytes
    }

    #[test]
    fn steps_as_numbers_do() {
        for first in [0, 7, 98, 999_999, 99_999_990, 9_999_999_999_999_995, u64::MAX - 12] {
            let mut decimal = Decimal::new(first);
            for number in first..first + 12 {
                let digits = number.to_string().into_bytes();
                let text = Text { head: &[], digits: &decimal, tail: &[] };
                assert_eq!(written(&text)[..text.len()], digits);
                decimal.step();
            }
        }
    }

    proptest! {
        #[test]
        fn parts_follow_each_other_and_zeros_follow_them(
            head in proptest::collection::vec(1u8.., 0..40),
            seq: u64,
            shorter in 0u32..64,
            tail in proptest::collection::vec(1u8.., 0..20),
        ) {
            let seq = seq >> shorter;
            let digits = Decimal::new(seq);
            let text = Text { head: &head, digits: &digits, tail: &tail };
            let mut expected = [&head, seq.to_string().as_bytes(), &tail].concat();
            prop_assert_eq!(text.len(), expected.len());
            expected.resize(expected.len().next_multiple_of(8), 0);
            prop_assert_eq!(written(&text), expected);
        }
    }
}
