//! The state of a detector as bytes.
//!
//! The rule: one list of fields serves writing and reading, so that the two cannot differ; what the
//! constructor knows is not written, and what is read never makes an index or a length that the
//! constructor would not have allowed.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Rows that can be counted.
pub(crate) const MAX_ROWS: usize = 1 << 53;

/// The nearest float of 16 binary digits: three bytes instead of four, and fine enough for what is
/// averaged over hundreds of rows.
pub(crate) fn coarse(x: f32) -> f32 {
    f32::from_bits(x.to_bits().wrapping_add(0x80) & !0xff)
}

/// Something that goes onto a tape and comes back from one.
pub(crate) trait Keep {
    /// Writes itself, or becomes what was written; of a value that is read, the parts that are not
    /// on the tape are as the constructor made them.
    fn keep(&mut self, tape: &mut Tape<'_>);
}

/// Bytes that are written, or read.
#[derive(Debug)]
pub(crate) enum Tape<'a> {
    Writing(Vec<u8>),
    /// What is left, `None` once it did not fit.
    Reading(Option<&'a [u8]>),
}

/// Puts the named fields of a type onto a tape, in this order.
macro_rules! kept {
    ($type:ty: $($field:ident),+ $(,)?) => {
        impl $crate::tape::Keep for $type {
            fn keep(&mut self, tape: &mut $crate::tape::Tape<'_>) {
                $($crate::tape::Keep::keep(&mut self.$field, tape);)+
            }
        }
    };
}
pub(crate) use kept;

impl Tape<'_> {
    /// So many bytes, from `bytes` or into it.
    fn bytes(&mut self, bytes: &mut [u8]) {
        match self {
            Self::Writing(to) => to.extend_from_slice(bytes),
            Self::Reading(left) => match left.and_then(|left| left.split_at_checked(bytes.len())) {
                Some((these, rest)) => {
                    bytes.copy_from_slice(these);
                    *left = Some(rest);
                }
                None => self.fail(),
            },
        }
    }

    /// What was read is no state of a detector of this kind.
    pub(crate) fn fail(&mut self) {
        if let Self::Reading(left) = self {
            *left = None;
        }
    }

    /// Whether everything was read and fitted.
    pub(crate) fn is_read(&self) -> bool {
        matches!(self, Self::Reading(Some([])))
    }

    fn reads(&self) -> bool {
        matches!(self, Self::Reading(_))
    }

    fn has_failed(&self) -> bool {
        matches!(self, Self::Reading(None))
    }

    /// What was written.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Self::Writing(bytes) => Bytes(bytes),
            Self::Reading(_) => Bytes(Vec::new()),
        }
    }

    /// A whole number, seven bits a byte, the lowest first.
    fn number(&mut self, number: &mut u64) {
        let (mut rest, mut read, mut shift) = (*number, 0, 0);
        loop {
            let mut byte = [(rest & 0x7f) as u8 | if rest > 0x7f { 0x80 } else { 0 }];
            self.bytes(&mut byte);
            if self.has_failed() {
                return;
            }
            read |= u64::from(byte[0] & 0x7f) << shift;
            (rest, shift) = (rest >> 7, shift + 7);
            if byte[0] & 0x80 == 0 {
                break;
            }
            if shift > 63 {
                return self.fail();
            }
        }
        *number = read;
    }

    /// A number below `end`.
    pub(crate) fn index(&mut self, index: &mut usize, end: usize) {
        let mut number = *index as u64;
        self.number(&mut number);
        match usize::try_from(number).ok().filter(|number| *number < end) {
            Some(number) => *index = number,
            None => self.fail(),
        }
    }

    /// A whole number that is counted in a float.
    pub(crate) fn whole(&mut self, count: &mut f64) {
        debug_assert!(count.fract() == 0.0 && *count >= 0.0, "{count} counts nothing");
        let mut number = *count as usize;
        self.index(&mut number, MAX_ROWS);
        *count = number as f64;
    }

    /// At most `most` items, each like `blank` before it is read.
    pub(crate) fn list<T: Keep + Clone>(&mut self, list: &mut Vec<T>, blank: T, most: usize) {
        let mut len = list.len();
        self.index(&mut len, most + 1);
        if self.has_failed() {
            return;
        }
        list.resize(len, blank);
        list.iter_mut().for_each(|item| item.keep(self));
    }

    /// Something that may not be there, made by `blank` where it is read.
    pub(crate) fn maybe<T>(
        &mut self,
        it: &mut Option<T>,
        blank: impl FnOnce() -> T,
        keep: impl FnOnce(&mut T, &mut Self),
    ) {
        let mut there = it.is_some();
        there.keep(self);
        if self.reads() {
            *it = there.then(blank);
        }
        if let Some(it) = it {
            keep(it, self);
        }
    }

    /// A double that is an f32.
    pub(crate) fn rounded(&mut self, x: &mut f64) {
        let mut float = *x as f32;
        float.keep(self);
        *x = f64::from(float);
    }

    /// Floats of [`coarse`] precision.
    pub(crate) fn coarse(&mut self, floats: &mut [f32]) {
        for float in floats {
            let [low, mut rest @ ..] = float.to_le_bytes();
            debug_assert!(low == 0 || self.reads(), "{float} has more digits");
            self.bytes(&mut rest);
            *float = f32::from_le_bytes([0, rest[0], rest[1], rest[2]]);
        }
    }

    /// Small counts of which many in a row are alike.
    pub(crate) fn runs(&mut self, counts: &mut [u8]) {
        let mut rest = counts;
        while let Some(first) = rest.first() {
            let mut value = *first;
            let mut run = rest.iter().take_while(|count| **count == value).count();
            value.keep(self);
            self.index(&mut run, rest.len() + 1);
            if run == 0 {
                self.fail();
            }
            if self.has_failed() {
                return;
            }
            let (these, others) = rest.split_at_mut(run);
            these.fill(value);
            rest = others;
        }
    }

    /// Small counts of which most are zero.
    pub(crate) fn sparse(&mut self, counts: &mut [u8]) {
        let mut rest = counts;
        while let Some((first, others)) = rest.split_first_mut() {
            first.keep(self);
            let mut zeros = 0;
            if *first == 0 {
                zeros = others.iter().take_while(|count| **count == 0).count();
                self.index(&mut zeros, others.len() + 1);
            }
            if self.has_failed() {
                return;
            }
            let (these, others) = others.split_at_mut(zeros);
            these.fill(0);
            rest = others;
        }
    }
}

impl Keep for u8 {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        let mut byte = [*self];
        tape.bytes(&mut byte);
        [*self] = byte;
    }
}

impl Keep for bool {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        let mut byte = u8::from(*self);
        byte.keep(tape);
        *self = byte != 0;
    }
}

impl Keep for u32 {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        let mut number = u64::from(*self);
        tape.number(&mut number);
        match u32::try_from(number) {
            Ok(number) => *self = number,
            Err(_) => tape.fail(),
        }
    }
}

impl Keep for u64 {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        tape.number(self);
    }
}

impl Keep for i16 {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        let mut bytes = self.to_le_bytes();
        tape.bytes(&mut bytes);
        *self = Self::from_le_bytes(bytes);
    }
}

impl Keep for i64 {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        let mut bytes = self.to_le_bytes();
        tape.bytes(&mut bytes);
        *self = Self::from_le_bytes(bytes);
    }
}

impl Keep for f32 {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        let mut bytes = self.to_le_bytes();
        tape.bytes(&mut bytes);
        *self = Self::from_le_bytes(bytes);
    }
}

impl Keep for f64 {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        let mut bytes = self.to_le_bytes();
        tape.bytes(&mut bytes);
        *self = Self::from_le_bytes(bytes);
    }
}

impl<T: Keep + Default> Keep for Option<T> {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        tape.maybe(self, T::default, T::keep);
    }
}

impl<A: Keep, B: Keep> Keep for (A, B) {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        self.0.keep(tape);
        self.1.keep(tape);
    }
}

impl<T: Keep> Keep for [T] {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        self.iter_mut().for_each(|item| item.keep(tape));
    }
}

impl<T: Keep> Keep for Vec<T> {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        self.as_mut_slice().keep(tape);
    }
}

impl<T: Keep, const N: usize> Keep for [T; N] {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        self.as_mut_slice().keep(tape);
    }
}

/// Bytes that a format may write in one piece.
pub(crate) struct Bytes(Vec<u8>);

impl Bytes {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Vec<u8>;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<u8>, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = from.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes)
            }
        }

        from.deserialize_bytes(Read).map(Self)
    }
}
