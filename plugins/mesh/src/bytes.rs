//! Reading and writing of the dense binary forms.
//!
//! The rule: a reader borrows, bounds every length by what is there, and knows one spelling of a number: LEB128, 7 bits
//! a byte from the low end, without leading zero groups.

use crate::reason::Reason;

/// Appends a number.
pub(crate) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends bytes after their length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// What is still to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'b>(pub(crate) &'b [u8]);

impl<'b> Reader<'b> {
    pub(crate) fn number(&mut self) -> Result<u64, Reason> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte, rest @ ..] = self.0 else { return Err(Reason::Malformed) };
            self.0 = rest;
            let group = u64::from(byte & 0x7f);
            let padded = *byte == 0 && shift > 0;
            if padded || group << shift >> shift != group {
                return Err(Reason::Malformed);
            }
            value |= group << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Reason::Malformed)
    }

    /// A number that is at most `most`.
    pub(crate) fn count(&mut self, most: usize) -> Result<usize, Reason> {
        let number = self.number()?;
        usize::try_from(number).ok().filter(|n| *n <= most).ok_or(Reason::Oversize)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Reason> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'b [u8], Reason> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Reason::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Reason> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Reason::Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// Bytes after their length, which is at most `most`.
    pub(crate) fn bytes(&mut self, most: usize) -> Result<&'b [u8], Reason> {
        let count = self.count(most)?;
        self.take(count)
    }

    pub(crate) fn end(self) -> Result<(), Reason> {
        if self.0.is_empty() { Ok(()) } else { Err(Reason::Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_have_one_spelling(value in prop_oneof![any::<u64>(), 0..1_u64 << 15]) {
            let mut bytes = Vec::new();
            put_number(&mut bytes, value);
            prop_assert_eq!(Reader(&bytes).number(), Ok(value));
            let mut padded = bytes.clone();
            *padded.last_mut().expect("a byte") |= 0x80;
            padded.push(0);
            prop_assert_eq!(Reader(&padded).number(), Err(Reason::Malformed));
            prop_assert_eq!(Reader(&bytes[..bytes.len() - 1]).number(), Err(Reason::Malformed));
        }
    }

    #[test]
    fn too_long_numbers_are_refused() {
        assert_eq!(Reader(&[0xff; 16]).number(), Err(Reason::Malformed));
        let mut beyond = [0xff; 10];
        beyond[9] = 2;
        assert_eq!(Reader(&beyond).number(), Err(Reason::Malformed));
        beyond[9] = 1;
        assert_eq!(Reader(&beyond).number(), Ok(u64::MAX));
    }
}
