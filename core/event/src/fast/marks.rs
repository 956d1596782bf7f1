//! Where strings can end: one bit for each byte of a body, set for quotes, backslashes and control characters.
//!
//! The rule: all ways of marking a body mark the same; which one is taken depends on the processor alone.

#![allow(unsafe_code, reason = "vector code may only be entered where the processor has it")]

/// Bytes that one word marks.
const BLOCK: usize = 64;

/// The marks of a body.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    words: Vec<u64>,
    /// No byte is above `~`: no text beyond ASCII and no DEL.
    is_plain: bool,
}

impl Marks {
    /// Marks `body` in place of what was marked before.
    pub(crate) fn look(&mut self, body: &[u8]) {
        self.words.clear();
        self.words.reserve(body.len() / BLOCK + 1);
        #[cfg(target_arch = "x86_64")]
        {
            if std::is_x86_feature_detected!("avx512bw") {
                // SAFETY: the processor has it.
                self.is_plain = unsafe { avx512(body, &mut self.words) };
                return;
            }
            if std::is_x86_feature_detected!("avx2") {
                // SAFETY: as above.
                self.is_plain = unsafe { avx2(body, &mut self.words) };
                return;
            }
        }
        self.is_plain = portable(body, &mut self.words);
    }

    /// Whether no byte of the body is above `~`.
    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// The first mark at or behind `at`; the end of the marks if there is none.
    #[inline(always)]
    pub(crate) fn next(&self, at: usize) -> usize {
        let mut word = at / BLOCK;
        let mut bits = self.words.get(word).map_or(0, |bits| bits >> (at % BLOCK) << (at % BLOCK));
        while bits == 0 {
            word += 1;
            match self.words.get(word) {
                Some(next) => bits = *next,
                None => return self.words.len() * BLOCK,
            }
        }
        word * BLOCK + bits.trailing_zeros() as usize
    }

    /// Gives back memory beyond `keep_bytes`.
    pub(crate) fn trim(&mut self, keep_bytes: usize) {
        self.words.clear();
        self.words.shrink_to(keep_bytes / 8);
    }
}

/// Calls `block` with the whole body, its end filled up with blanks.
#[inline(always)]
fn blocks(body: &[u8], words: &mut Vec<u64>, mut block: impl FnMut(&[u8; BLOCK]) -> u64) {
    let (whole, rest) = body.as_chunks::<BLOCK>();
    words.extend(whole.iter().map(&mut block));
    if !rest.is_empty() {
        let mut last = [b' '; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        words.push(block(&last));
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512bw")]
fn avx512(body: &[u8], words: &mut Vec<u64>) -> bool {
    use std::arch::x86_64::{
        _mm512_cmpeq_epi8_mask, _mm512_cmpgt_epu8_mask, _mm512_cmplt_epu8_mask, _mm512_set_epi64,
        _mm512_set1_epi8,
    };
    let all = |byte: u8| _mm512_set1_epi8(byte.cast_signed());
    let (quote, backslash, blank, tilde) = (all(b'"'), all(b'\\'), all(b' '), all(b'~'));
    let mut above = 0;
    blocks(body, words, |block| {
        let word =
            |i: usize| block[8 * i..].first_chunk().map_or(0, |bytes| i64::from_le_bytes(*bytes));
        let bytes = _mm512_set_epi64(
            word(7),
            word(6),
            word(5),
            word(4),
            word(3),
            word(2),
            word(1),
            word(0),
        );
        above |= _mm512_cmpgt_epu8_mask(bytes, tilde);
        _mm512_cmpeq_epi8_mask(bytes, quote)
            | _mm512_cmpeq_epi8_mask(bytes, backslash)
            | _mm512_cmplt_epu8_mask(bytes, blank)
    });
    above == 0
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(body: &[u8], words: &mut Vec<u64>) -> bool {
    use std::arch::x86_64::{
        _mm256_cmpeq_epi8, _mm256_max_epu8, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256,
        _mm256_set_epi64x, _mm256_set1_epi8,
    };
    let all = |byte: u8| _mm256_set1_epi8(byte.cast_signed());
    let (quote, backslash, control, del) = (all(b'"'), all(b'\\'), all(b' ' - 1), all(b'~' + 1));
    let mut above = all(0);
    blocks(body, words, |block| {
        let mut marks = 0;
        for half in [1, 0] {
            let word = |i: usize| {
                block[32 * half + 8 * i..]
                    .first_chunk()
                    .map_or(0, |bytes| i64::from_le_bytes(*bytes))
            };
            let bytes = _mm256_set_epi64x(word(3), word(2), word(1), word(0));
            above = _mm256_or_si256(above, _mm256_cmpeq_epi8(_mm256_max_epu8(bytes, del), bytes));
            let quotes = _mm256_or_si256(
                _mm256_cmpeq_epi8(bytes, quote),
                _mm256_cmpeq_epi8(bytes, backslash),
            );
            let controls = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, control), bytes);
            let found = _mm256_movemask_epi8(_mm256_or_si256(quotes, controls)).cast_unsigned();
            marks = marks << 32 | u64::from(found);
        }
        marks
    });
    _mm256_movemask_epi8(above) == 0
}

/// Eight bytes at a time in a word: the high bit of each byte says what is found, and is set by a sum of its other
/// bits, which never carries into the next byte.
fn portable(body: &[u8], words: &mut Vec<u64>) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    /// The high bits of bytes below `limit`, which is at most 128.
    const fn below(word: u64, limit: u8) -> u64 {
        !((word & !HIGH).wrapping_add(ONES * (0x80 - limit as u64)) | word) & HIGH
    }
    let equal = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let mut above = 0;
    blocks(body, words, |block| {
        let mut marks = 0;
        for bytes in block.as_chunks::<8>().0.iter().rev() {
            let word = u64::from_le_bytes(*bytes);
            above |= !below(word, b'~' + 1) & HIGH;
            let found = below(word, b' ') | equal(word, b'"') | equal(word, b'\\');
            // Brings the eight high bits together in the topmost byte.
            marks = marks << 8 | (found >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        }
        marks
    });
    above == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_way_marks_the_same(
            body in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..300),
                "[ -~]{0,300}".prop_map(String::into_bytes),
                "[\u{1f} !\"#\\[\\\\\\]\u{7e}\u{7f}\u{80}]{0,300}".prop_map(String::into_bytes),
            ],
        ) {
            let is_marked = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
            let is_plain = body.iter().all(|byte| *byte <= b'~');
            let mut marks = Marks::default();
            marks.look(&body);
            let mut words = Vec::new();
            prop_assert_eq!(portable(&body, &mut words), is_plain);
            prop_assert_eq!((&words, marks.is_plain()), (&marks.words, is_plain));
            #[cfg(target_arch = "x86_64")]
            if std::is_x86_feature_detected!("avx2") {
                words.clear();
                // SAFETY: the processor has it.
                prop_assert_eq!(unsafe { avx2(&body, &mut words) }, is_plain);
                prop_assert_eq!(&words, &marks.words);
            }
            for at in 0..body.len() {
                let next = body[at..].iter().position(is_marked).map(|step| at + step);
                prop_assert_eq!(marks.next(at), next.unwrap_or(words.len() * BLOCK));
            }
            prop_assert_eq!(marks.next(body.len() + 1000), words.len() * BLOCK);
        }
    }
}
