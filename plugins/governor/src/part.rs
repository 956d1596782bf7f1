//! Parts of a writer's log as they travel to other nodes, and how those put them together again.
//!
//! The rule: the log is bytes that only grow, and a part is some of them with their place, signed by the writer. Order
//! and repeats do not matter; what is missing shows as a place that is not reached.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::key::{MemberKey, Secret, Signature};
use crate::limits::{MAX_AHEAD_BYTES, MAX_LINE_BYTES, MAX_PART_BYTES, NUMBER_LIMIT};
use crate::vote::canonical;

/// The first line of what a writer signs; nothing else signed with such a key begins with it.
pub const PART_DOMAIN: &str = "shimmer-dao-log-v1";

/// Parts behind a gap that are kept, however short they are.
const MAX_AHEAD: usize = MAX_AHEAD_BYTES / MAX_PART_BYTES;
/// Bytes before the gap that are kept: the longest line and a part.
const MAX_HELD: usize = MAX_LINE_BYTES + MAX_PART_BYTES;

/// Some bytes of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Where in the log the bytes begin.
    offset: u64,
    /// The bytes, in base64 (RFC 4648, 4) with padding.
    text: String,
    /// Whose log it is.
    pub(crate) writer: MemberKey,
    /// Over [`PART_DOMAIN`], LF, and the RFC 8785 form of the three members above.
    signature: Signature,
}

/// What is signed.
#[derive(Serialize)]
struct Signed<'a> {
    offset: u64,
    text: &'a str,
    writer: &'a MemberKey,
}

impl Part {
    /// The bytes at `offset`, at most [`MAX_PART_BYTES`] of them, signed.
    #[must_use]
    pub fn sign(offset: u64, bytes: &[u8], secret: &Secret) -> Self {
        let (text, writer) = (STANDARD.encode(bytes), secret.key());
        let signature = secret.sign(&signed_bytes(offset, &text, &writer));
        Self { offset, text, writer, signature }
    }

    /// The place and the bytes, if `writer` signed them.
    ///
    /// # Errors
    ///
    /// Why they are not believed.
    pub fn open(&self, writer: &MemberKey) -> Result<(u64, Vec<u8>), &'static str> {
        if self.writer != *writer {
            return Err("it is of another writer");
        }
        if !writer.verifies(&signed_bytes(self.offset, &self.text, writer), &self.signature) {
            return Err("its signature does not hold");
        }
        let bytes = STANDARD.decode(&self.text).map_err(|_| "its text is not base64")?;
        if bytes.is_empty() || bytes.len() > MAX_PART_BYTES {
            return Err("it has no bytes, or too many");
        }
        // Beyond it JSON has one number for several places, and so one signature.
        if self.offset >= NUMBER_LIMIT {
            return Err("it has no place");
        }
        Ok((self.offset, bytes))
    }
}

fn signed_bytes(offset: u64, text: &str, writer: &MemberKey) -> Vec<u8> {
    format!("{PART_DOMAIN}\n{}", canonical(&Signed { offset, text, writer })).into_bytes()
}

/// Puts parts together: bytes in any order go in, whole lines come out in theirs.
#[derive(Clone, Debug, Default)]
pub struct Collector {
    /// Bytes of the lines that were taken.
    taken: u64,
    /// The end of them, and what follows without a gap.
    buffer: Vec<u8>,
    /// So many bytes of the buffer belong to lines that were taken.
    start: usize,
    /// The next line does not end before this byte of the buffer.
    seen: usize,
    /// What lies behind a gap, by its place.
    ahead: BTreeMap<u64, Vec<u8>>,
    ahead_bytes: usize,
}

impl Collector {
    /// Goes on behind the first `taken` bytes, which end with a line.
    #[must_use]
    pub fn new(taken: u64) -> Self {
        Self { taken, ..Self::default() }
    }

    /// The first byte that is missing.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.taken + (self.buffer.len() - self.start) as u64
    }

    /// Whether something came that cannot be taken yet: a line without its end, or bytes behind a gap.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.buffer.len() > self.start || !self.ahead.is_empty()
    }

    /// Takes some bytes. What lies too far ahead to be kept has to come again, and so does what does not fit a line.
    pub fn add(&mut self, offset: u64, bytes: Vec<u8>) {
        if offset > self.end() {
            // Of two parts with one place the longer one holds more.
            let known = self.ahead.get(&offset).map(Vec::len);
            let more = bytes.len().saturating_sub(known.unwrap_or(0));
            let has_place = known.is_some() || self.ahead.len() < MAX_AHEAD;
            if more > 0 && has_place && self.ahead_bytes + more <= MAX_AHEAD_BYTES {
                self.ahead_bytes += more;
                self.ahead.insert(offset, bytes);
            }
            return;
        }
        self.append(offset, &bytes);
        while let Some(first) = self.ahead.first_entry() {
            if *first.key() > self.taken + (self.buffer.len() - self.start) as u64 {
                break;
            }
            let (offset, bytes) = first.remove_entry();
            self.ahead_bytes -= bytes.len();
            self.append(offset, &bytes);
        }
    }

    /// The next whole line with its LF. It comes again until it is taken.
    #[must_use]
    pub fn line(&mut self) -> Option<&[u8]> {
        match self.buffer[self.seen..].iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                self.seen += at;
                Some(&self.buffer[self.start..=self.seen])
            }
            None => {
                self.seen = self.buffer.len();
                None
            }
        }
    }

    /// Takes [`Self::line`] away.
    pub fn take_line(&mut self) {
        let length = self.line().map_or(0, <[u8]>::len);
        self.taken += length as u64;
        self.start += length;
        self.seen = self.start;
        // Not with every line, or many of them would be moved as often as there are lines.
        if self.start * 2 >= self.buffer.len() {
            self.forget();
        }
    }

    /// Bytes that are held.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn kept(&self) -> usize {
        assert_eq!(self.ahead_bytes, self.ahead.values().map(Vec::len).sum::<usize>());
        self.buffer.len() + self.ahead_bytes
    }

    fn append(&mut self, offset: u64, bytes: &[u8]) {
        let known = self.end() - offset;
        let news = usize::try_from(known).ok().and_then(|known| bytes.get(known..));
        let Some(news) = news else { return };
        if self.buffer.len() + news.len() > MAX_HELD {
            self.forget();
        }
        if self.buffer.len() + news.len() <= MAX_HELD {
            self.buffer.extend_from_slice(news);
        }
    }

    /// Gives up what was taken.
    fn forget(&mut self) {
        self.buffer.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret() -> Secret {
        Secret::from_bytes(&[7; 32])
    }

    #[test]
    fn a_part_is_believed_as_the_writer_signed_it_and_not_otherwise() {
        let part = Part::sign(5, b"bytes", &secret());
        let writer = secret().key();
        assert_eq!(part.open(&writer), Ok((5, b"bytes".to_vec())));
        let other = Secret::from_bytes(&[8; 32]);
        assert!(part.open(&other.key()).is_err());
        let text = serde_json::to_value(&part).expect("JSON");
        let forged = |name: &str, value: serde_json::Value| {
            let mut text = text.clone();
            text[name] = value;
            let part: Part = serde_json::from_value(text).expect("a part");
            part.open(&writer)
        };
        assert!(forged("offset", 6.into()).is_err());
        assert!(forged("text", STANDARD.encode(b"butes").into()).is_err());
        let again = Part::sign(5, b"bytes", &other).signature;
        assert!(forged("signature", again.to_string().into()).is_err());
        for bytes in [&b""[..], &[0; MAX_PART_BYTES + 1]] {
            assert!(Part::sign(0, bytes, &secret()).open(&writer).is_err());
        }
        assert!(Part::sign(u64::MAX, b"b", &secret()).open(&writer).is_err());
        let moved = Part { offset: (1 << 53) + 1, ..Part::sign(1 << 53, b"b", &secret()) };
        assert!(moved.open(&writer).is_err(), "a signature is for one place");
    }

    /// Fixed for other implementations.
    #[test]
    fn the_signed_bytes_are_those_of_the_page() {
        let writer = secret().key();
        let bytes = signed_bytes(384, "e30K", &writer);
        let expected = format!(
            "shimmer-dao-log-v1\n{{\"offset\":384,\"text\":\"e30K\",\"writer\":\"{writer}\"}}"
        );
        assert_eq!(bytes, expected.as_bytes());
    }

    proptest! {
        #[test]
        fn any_order_with_repeats_gives_the_same_lines(
            text in "([a-z]{0,9}\n){1,12}",
            cuts in prop::collection::vec((any::<prop::sample::Index>(), 1_usize..20), 0..40),
            shuffled in any::<u64>(),
        ) {
            let bytes = text.as_bytes();
            let mut parts: Vec<_> = cuts.iter().map(|(at, length)| {
                let at = at.index(bytes.len());
                (at, &bytes[at..bytes.len().min(at + length)])
            }).collect();
            parts.extend(bytes.chunks(7).enumerate().map(|(i, chunk)| (i * 7, chunk)));
            // A shuffle that the seed repeats.
            parts.sort_by_key(|(at, chunk)| {
                crate::Hash::of(format!("{shuffled} {at} {}", chunk.len()).as_bytes())
            });
            let (mut collector, mut lines) = (Collector::default(), Vec::new());
            for (at, chunk) in parts {
                collector.add(at as u64, chunk.to_vec());
                while let Some(line) = collector.line() {
                    lines.extend_from_slice(line);
                    collector.take_line();
                }
            }
            prop_assert_eq!(lines, bytes);
            prop_assert_eq!((collector.end(), collector.waits()), (bytes.len() as u64, false));
            prop_assert_eq!(collector.ahead_bytes, 0);
        }
    }

    #[test]
    fn what_lies_ahead_is_bounded_and_comes_again() {
        let mut collector = Collector::new(10);
        let part = || vec![b'x'; MAX_PART_BYTES];
        for i in 1..=2 * MAX_AHEAD_BYTES / MAX_PART_BYTES {
            collector.add(10 + (i * MAX_PART_BYTES) as u64, part());
        }
        assert!(collector.waits() && collector.ahead_bytes <= MAX_AHEAD_BYTES);
        assert_eq!(collector.end(), 10);
        collector.add(10, part());
        assert!(collector.end() > 10 + (MAX_AHEAD_BYTES / MAX_PART_BYTES * MAX_PART_BYTES) as u64);
        assert_eq!(collector.ahead_bytes, 0);
        for _ in 0..2 * MAX_LINE_BYTES / MAX_PART_BYTES {
            collector.add(collector.end(), part());
        }
        assert!(collector.buffer.len() <= MAX_HELD, "no line is longer");
        assert_eq!(collector.line(), None);
        let mut collector = Collector::new(0);
        for at in 0..2 * MAX_AHEAD as u64 {
            collector.add(1 + 2 * at, vec![b'x']);
        }
        assert_eq!(collector.ahead.len(), MAX_AHEAD, "short parts take places too");
    }
}
