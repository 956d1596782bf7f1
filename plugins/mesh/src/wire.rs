//! The bytes of anti-entropy: requests and answers.
//!
//! The rule: every message has a version, a size bound and bounded counts; what is read is read whole or refused. The
//! bytes are written down in the README of this crate.

use crate::bytes::{Reader, put_bytes, put_number};
use crate::envelope::{LogKey, NUMBER_LIMIT, Verified};
use crate::frame::{Codec, MAX_FRAME_BYTES, UNPACK_BYTES};
use crate::keys::Origin;
use crate::log::MAX_RANGES;
use crate::ranges::RangeSet;
use crate::reason::Reason;

/// Bytes of a request, at most.
pub const MAX_REQUEST_BYTES: usize = 16 * 1024;
/// Bytes of an answer, at most.
pub const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// Bytes of envelopes in one page before compression, nearly: the last may pass it.
pub(crate) const PAGE_BYTES: usize = 240 * 1024;
/// Bytes that a page's frames may unpack to.
const PAGE_UNPACK_BYTES: usize = PAGE_BYTES + UNPACK_BYTES + 16 * 1024;
/// Logs that one request may ask for.
pub(crate) const MAX_WANTED_LOGS: usize = 128;
/// Ranges that one request may ask for.
pub(crate) const MAX_WANTED_RANGES: usize = 256;
/// A digest's page ends before this.
pub(crate) const DIGEST_BYTES: usize = 32 * 1024;
/// The longest pause that a busy peer may ask for.
pub(crate) const MAX_RETRY_MS: u64 = 10_000;

const VERSION: u8 = 1;

/// What one node asks another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    Digest(Ask),
    /// What it wants, and at most so many bytes of it.
    Fetch(Vec<(LogKey, RangeSet)>),
}

/// "What changed since?"
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ask {
    /// Which life of the peer `since` was told by; 0 for none.
    pub(crate) instance: u64,
    /// The peer's change up to which everything is known; 0 for nothing.
    pub(crate) since: u64,
    /// Also what the fast path may still be bringing.
    pub(crate) all: bool,
    /// Of all that is known here: an equal one needs no list.
    pub(crate) hash: Option<[u8; 16]>,
}

/// What a peer answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Nothing that the asker lacks.
    #[doc(hidden)]
    Same { instance: u64, upto: u64 },
    /// Logs that changed.
    #[doc(hidden)]
    Digest { instance: u64, upto: u64, more: bool, entries: Vec<Entry> },
    /// Envelopes; `done` when everything that was asked for and exists is in this page.
    #[doc(hidden)]
    Page { done: bool, envelopes: Vec<Verified> },
    /// Not now.
    #[doc(hidden)]
    Busy { retry_ms: u64 },
}

/// One log of a digest.
#[derive(Clone, Debug, PartialEq)]
#[doc(hidden)]
pub struct Entry {
    pub(crate) log: LogKey,
    pub(crate) hybrid: bool,
    pub(crate) ranges: RangeSet,
}

fn put_log(out: &mut Vec<u8>, log: &LogKey) {
    out.extend_from_slice(log.origin.as_bytes());
    put_number(out, log.epoch);
}

fn read_log(reader: &mut Reader<'_>) -> Result<LogKey, Reason> {
    let log = LogKey { origin: Origin::from_bytes(reader.array()?), epoch: reader.number()? };
    if log.epoch < NUMBER_LIMIT { Ok(log) } else { Err(Reason::Malformed) }
}

/// The count, then for each range the gap before it and its length less one.
fn put_ranges(out: &mut Vec<u8>, set: &RangeSet) {
    put_number(out, set.ranges().len() as u64);
    let mut next = 0;
    for (low, high) in set.ranges() {
        put_number(out, low - next);
        put_number(out, high - low);
        next = high + 1;
    }
}

fn read_ranges(reader: &mut Reader<'_>) -> Result<RangeSet, Reason> {
    let count = reader.count(MAX_RANGES)?;
    let mut set = RangeSet::default();
    let mut next = 0_u64;
    for at in 0..count {
        let (gap, length) = (reader.number()?, reader.number()?);
        // Ranges that touch would be one, and sequences begin at 1.
        let low = next.checked_add(gap).filter(|_| gap > 0);
        let high = low.and_then(|low| low.checked_add(length)).filter(|high| *high < NUMBER_LIMIT);
        let (Some(low), Some(high)) = (low, high) else { return Err(Reason::Malformed) };
        debug_assert!(at == 0 || low > next, "ranges ascend");
        set.insert(low, high);
        next = high + 1;
    }
    Ok(set)
}

impl Request {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        match self {
            Self::Digest(Ask { instance, since, all, hash }) => {
                out.push(0);
                put_number(&mut out, *instance);
                put_number(&mut out, *since);
                out.push(u8::from(*all) | u8::from(hash.is_some()) << 1);
                out.extend_from_slice(hash.as_ref().map_or(&[], |hash| &hash[..]));
            }
            Self::Fetch(wants) => {
                out.push(1);
                put_number(&mut out, wants.len() as u64);
                for (log, ranges) in wants {
                    put_log(&mut out, log);
                    put_ranges(&mut out, ranges);
                }
            }
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Reason> {
        if bytes.len() > MAX_REQUEST_BYTES {
            return Err(Reason::Oversize);
        }
        let mut reader = Reader(bytes);
        let request = match reader.array()? {
            [VERSION, 0] => {
                let (instance, since) = (reader.number()?, reader.number()?);
                let flags = reader.byte()?;
                let hash = if flags & 2 != 0 { Some(reader.array()?) } else { None };
                if flags > 3 {
                    return Err(Reason::Malformed);
                }
                Self::Digest(Ask { instance, since, all: flags & 1 != 0, hash })
            }
            [VERSION, 1] => {
                let count = reader.count(MAX_WANTED_LOGS)?;
                let mut wants = Vec::with_capacity(count);
                let mut ranges = 0;
                for _ in 0..count {
                    let want = (read_log(&mut reader)?, read_ranges(&mut reader)?);
                    ranges += want.1.ranges().len();
                    wants.push(want);
                }
                if ranges > MAX_WANTED_RANGES {
                    return Err(Reason::Oversize);
                }
                Self::Fetch(wants)
            }
            _ => return Err(Reason::Malformed),
        };
        reader.end()?;
        Ok(request)
    }
}

/// Writes a digest entry by entry, until it is full.
pub(crate) struct DigestWriter {
    entries: Vec<u8>,
    count: u64,
}

impl DigestWriter {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new(), count: 0 }
    }

    /// Whether it was added; if not, the page is full.
    pub(crate) fn push(&mut self, log: &LogKey, hybrid: bool, ranges: &RangeSet) -> bool {
        if self.entries.len() >= DIGEST_BYTES {
            return false;
        }
        put_log(&mut self.entries, log);
        self.entries.push(u8::from(hybrid));
        put_ranges(&mut self.entries, ranges);
        self.count += 1;
        true
    }

    pub(crate) fn finish(self, instance: u64, upto: u64, more: bool) -> Vec<u8> {
        let mut out = vec![VERSION, 1];
        put_number(&mut out, instance);
        put_number(&mut out, upto);
        out.push(u8::from(more));
        put_number(&mut out, self.count);
        out.extend_from_slice(&self.entries);
        out
    }
}

pub(crate) fn same(instance: u64, upto: u64) -> Vec<u8> {
    let mut out = vec![VERSION, 0];
    put_number(&mut out, instance);
    put_number(&mut out, upto);
    out
}

pub(crate) fn busy(retry_ms: u64) -> Vec<u8> {
    let mut out = vec![VERSION, 3];
    put_number(&mut out, retry_ms);
    out
}

/// The most that an entry takes: 256 ranges of two numbers.
const FRAME_ROOM: usize = MAX_ANSWER_BYTES - 16;

/// Writes a page; the frames that do not fit are left out, and whether all fitted is told.
pub(crate) fn page(done: bool, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    let fitting = frames.iter().take_while(|frame| {
        let fits = body.len() + frame.len() + 4 <= FRAME_ROOM;
        if fits {
            put_bytes(&mut body, frame);
        }
        fits
    });
    let count = fitting.count();
    let mut out = vec![VERSION, 2, u8::from(done && count == frames.len())];
    put_number(&mut out, count as u64);
    out.extend_from_slice(&body);
    out
}

impl Answer {
    /// Reads an answer and verifies what is in it. This is the costly part of anti-entropy: a pure function, to be
    /// called on any thread, without the node.
    ///
    /// # Errors
    ///
    /// The reason to hand to [`crate::Node::answered`].
    pub fn open(bytes: &[u8], codec: &mut Codec) -> Result<Self, Reason> {
        if bytes.len() > MAX_ANSWER_BYTES {
            return Err(Reason::Oversize);
        }
        let mut reader = Reader(bytes);
        let answer = match reader.array()? {
            [VERSION, 0] => Self::Same { instance: reader.number()?, upto: reader.number()? },
            [VERSION, 1] => {
                let (instance, upto) = (reader.number()?, reader.number()?);
                let more = flag(&mut reader)?;
                // An entry takes at least 35 bytes.
                let count = reader.count(bytes.len() / 35)?;
                let mut entries = Vec::with_capacity(count);
                for _ in 0..count {
                    let (log, hybrid) = (read_log(&mut reader)?, flag(&mut reader)?);
                    entries.push(Entry { log, hybrid, ranges: read_ranges(&mut reader)? });
                }
                Self::Digest { instance, upto, more, entries }
            }
            [VERSION, 2] => {
                let done = flag(&mut reader)?;
                let envelopes = read_page(&mut reader, codec)?;
                Self::Page { done, envelopes }
            }
            [VERSION, 3] => Self::Busy { retry_ms: reader.number()?.min(MAX_RETRY_MS) },
            _ => return Err(Reason::Malformed),
        };
        reader.end()?;
        Ok(answer)
    }
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, Reason> {
    match reader.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Reason::Malformed),
    }
}

fn read_page(reader: &mut Reader<'_>, codec: &mut Codec) -> Result<Vec<Verified>, Reason> {
    let count = reader.count(MAX_ANSWER_BYTES / 64)?;
    let mut envelopes = Vec::new();
    let mut unpacked = 0;
    for _ in 0..count {
        let frame = codec.decode(reader.bytes(MAX_FRAME_BYTES)?)?;
        unpacked += frame.iter().map(crate::Envelope::weight).sum::<usize>();
        if unpacked > PAGE_UNPACK_BYTES {
            return Err(Reason::Oversize);
        }
        envelopes.extend(frame);
    }
    codec.verify(envelopes)
}
