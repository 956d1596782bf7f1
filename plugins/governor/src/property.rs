//! What holds for any bytes, for the fuzz targets.
//!
//! The rule: a reader that takes bytes gives back something that its writer writes again, or a reason; and what is
//! refused changes nothing.

use crate::limits::{MAX_AHEAD_BYTES, MAX_LINE_BYTES, MAX_PART_BYTES, NUMBER_LIMIT};
use crate::{Collector, Entry, Fault, Part, Replay, Signatures, Time, Vote, replay};

/// Lines of a log that are looked at.
const MAX_LINES: usize = 64;
/// Parts that are put together.
const MAX_PARTS: usize = 512;
/// Bytes of a line of the log whose parts those are, its LF included.
const LINE: u64 = 11;

/// Reads bytes as a vote, as a part of a log, as a log, and as parts to put together.
pub fn holds(bytes: &[u8]) {
    vote(bytes);
    part(bytes);
    log(bytes);
    parts(bytes);
}

fn vote(bytes: &[u8]) {
    let Ok(vote) = Vote::parse(bytes) else { return };
    let text = vote.to_json();
    assert_eq!(Vote::parse(text.as_bytes()).as_ref(), Ok(&vote));
    assert!(!vote.signed_bytes().is_empty());
}

fn part(bytes: &[u8]) {
    let Ok(part) = serde_json::from_slice::<Part>(bytes) else { return };
    let text = serde_json::to_string(&part).expect("a part has a text");
    assert_eq!(serde_json::from_str::<Part>(&text).ok().as_ref(), Some(&part));
    if let Ok((offset, bytes)) = part.open(&part.writer) {
        assert!((1..=MAX_PART_BYTES).contains(&bytes.len()) && offset < NUMBER_LIMIT);
    }
}

/// A log. Nobody guesses a hash, so each line is chained anew, and what comes instead of it by the rules is taken.
fn log(bytes: &[u8]) {
    let (mut reader, mut kept) = (Replay::new(Signatures::Trusted), String::new());
    for line in bytes.split(|byte| *byte == b'\n').take(MAX_LINES) {
        let Ok(Entry { at, data, .. }) = Entry::parse(line) else {
            assert!(matches!(reader.line(line), Err(Fault::Malformed(_))));
            continue;
        };
        let (before, head) = (reader.governor().clone(), reader.governor().head());
        let mut chained = Entry::seal(head.entries, at, data, head.hash).to_line();
        let mut taken = reader.line(chained.as_bytes());
        if taken.is_err() {
            assert_eq!(reader.governor(), &before);
        }
        if let Err(Fault::Differs { expected }) = taken {
            chained = expected.to_line();
            taken = reader.line(chained.as_bytes());
            assert_eq!(taken, Ok(()), "{chained}");
        }
        if taken.is_ok() {
            kept += &format!("{chained}\n");
        }
        for proposal in reader.governor().proposals(at.min(Time::MAX)) {
            assert!(serde_json::to_string(&proposal).is_ok());
        }
    }
    assert_eq!(replay(kept.as_bytes(), Signatures::Trusted).as_ref(), Ok(reader.governor()));
}

/// Each four bytes are a part: two for the place, one that moves it far away, one for the length.
fn parts(bytes: &[u8]) {
    let (mut honest, mut foreign, mut taken) = (Collector::default(), Collector::default(), 0);
    for part in bytes.chunks_exact(4).take(MAX_PARTS) {
        let place = u64::from(u16::from_be_bytes([part[0], part[1]]));
        let offset = place.rotate_right(u32::from(part[2]));
        let end = offset.saturating_add(u64::from(part[3]));
        honest.add(offset, (offset..end).map(letter).collect());
        while let Some(line) = honest.line() {
            assert!((taken..).zip(line).all(|(at, byte)| letter(at) == *byte));
            taken += line.len() as u64;
            honest.take_line();
        }
        foreign.add(offset, part.to_vec());
        foreign.take_line();
        assert!(honest.end() - taken < LINE);
    }
    assert!(honest.kept() < LINE as usize + MAX_AHEAD_BYTES);
    assert!(foreign.kept() <= MAX_LINE_BYTES + MAX_PART_BYTES + MAX_AHEAD_BYTES);
}

/// A log of which every byte is known.
fn letter(at: u64) -> u8 {
    if at % LINE == LINE - 1 { b'\n' } else { b'a' + (at % 7) as u8 }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    /// Votes, logs and parts, and what the fuzzer made of them.
    #[test]
    fn the_kept_corpus_holds() {
        let kept = include_str!("../../../tests/fuzz/corpora/dao_bytes.txt");
        for line in kept.lines() {
            holds(&STANDARD.decode(line).expect("a line of Base64"));
        }
        assert!(kept.lines().count() > 20);
    }

    proptest! {
        #[test]
        fn garbage_holds(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            holds(&bytes);
        }
    }
}
