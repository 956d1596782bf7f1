//! Logs into state: the start of a node, and the proof for everybody else.
//!
//! The rule: a line is believed in nothing; what it says is derived again from the lines before it and compared.

use std::io::BufRead;
use std::io::Read as _;

use crate::entry::Entry;
use crate::fault::{BadLine, Fault, Signatures};
use crate::governor::{Governor, Head};
use crate::limits::MAX_LINE_BYTES;

/// Reads a log line by line.
#[derive(Clone, Debug)]
pub struct Replay {
    governor: Governor,
    signatures: Signatures,
}

impl Replay {
    /// From the beginning.
    #[must_use]
    pub fn new(signatures: Signatures) -> Self {
        Self { governor: Governor::default(), signatures }
    }

    /// Takes the next line, without its LF.
    ///
    /// # Errors
    ///
    /// What is wrong with it; the state is that of the lines before.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        let entry = Entry::parse(line).map_err(Fault::Malformed)?;
        let decided = self.governor.judge(entry, self.signatures)?;
        self.governor.apply(decided);
        Ok(())
    }

    /// The state after the last good line.
    #[must_use]
    pub fn governor(&self) -> &Governor {
        &self.governor
    }

    /// The state after the last good line, to go on with.
    #[must_use]
    pub fn into_governor(self) -> Governor {
        self.governor
    }
}

/// The state that a log comes to.
///
/// # Errors
///
/// The first bad line. A log that a crash has cut has a last line without LF, [`Fault::CutOff`]; its owner takes it off.
pub fn replay(mut log: impl BufRead, signatures: Signatures) -> Result<Governor, BadLine> {
    let (mut replay, mut buffer) = (Replay::new(signatures), Vec::new());
    for line in 1.. {
        let bad = |fault| BadLine { line, fault };
        buffer.clear();
        let read = log.by_ref().take(MAX_LINE_BYTES as u64).read_until(b'\n', &mut buffer);
        read.map_err(|error| bad(Fault::Unreadable(error.to_string())))?;
        match buffer.split_last() {
            None => break,
            Some((b'\n', text)) => replay.line(text).map_err(bad)?,
            Some(_) if buffer.len() == MAX_LINE_BYTES => return Err(bad(Fault::TooLong)),
            Some(_) => return Err(bad(Fault::CutOff)),
        }
    }
    Ok(replay.into_governor())
}

/// Proves a log: numbers, hashes, canonical form, every signature, and that each entry follows from those before. What
/// cannot be seen is a cut at a line's end, without the head from elsewhere.
///
/// # Errors
///
/// The first bad line.
pub fn verify(log: impl BufRead) -> Result<Head, BadLine> {
    replay(log, Signatures::Checked).map(|governor| governor.head())
}
