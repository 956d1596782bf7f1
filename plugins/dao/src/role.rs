//! What a node is to others of its federation, and the events between them.
//!
//! The rule: one node writes. It signs its log and sends it in parts; who follows keeps the same bytes, derives the same
//! state from them, and hands votes on. Nothing is believed for having come: parts are signed by the writer, votes by
//! who voted.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shimmer_governor::{MAX_PART_BYTES, MemberKey, Part, Secret};
use shimmer_sdk::{Error, Host};

use crate::follow::Follower;
use crate::log::Log;
use crate::meters::Meters;

/// Kind of events that carry a part of the log.
pub(crate) const LOG_KIND: &str = "dao.log";
/// Kind of events that carry a vote to the writer.
pub(crate) const VOTE_KIND: &str = "dao.vote";
/// Kind of events that ask the writer for what is missing.
pub(crate) const WANT_KIND: &str = "dao.want";

/// Parts sent at once; the rest follows with the next tick.
const AT_ONCE: usize = 64;
/// Ticks between two repetitions of the same bytes, 30 s, and for each part of them one more second. Whoever takes part
/// can ask for the whole log: over time that costs one part a second, however long the log is, whoever asks and how
/// often. Whoever asks meanwhile finds in the mesh what was repeated just now.
const REST: u32 = 300;
const REST_OF_PART: u32 = 10;

/// What this node is.
pub(crate) enum Role {
    /// Its DAO is its own.
    Alone,
    /// It writes the log.
    Writer(Writer),
    /// It follows a log.
    Follower(Follower),
}

/// What the writer remembers of sending.
pub(crate) struct Writer {
    secret: Secret,
    /// Bytes of the log that were sent.
    pub(crate) sent: u64,
    /// From where somebody wants them again.
    wanted: Option<u64>,
    /// What is being repeated.
    again: Range<u64>,
    /// From here on everything was sent since the last rest began.
    fresh: u64,
    /// Ticks until that may be repeated.
    rest: u32,
}

/// What a follower lacks.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Want {
    pub(crate) writer: MemberKey,
    pub(crate) offset: u64,
}

impl Role {
    /// Whether entries are made here.
    pub(crate) const fn decides(&self) -> bool {
        !matches!(self, Self::Follower(_))
    }

    /// As `GET /dao/federation` shows it.
    pub(crate) fn view(&self, log: &Log) -> Value {
        let (role, writer, sent, waits, fault) = match self {
            Self::Alone => ("alone", None, None, None, None),
            Self::Writer(writer) => {
                ("writer", Some(writer.secret.key()), Some(writer.sent), None, None)
            }
            Self::Follower(follower) => (
                "follower",
                Some(follower.writer),
                None,
                Some(follower.waits()),
                follower.fault().map(str::to_owned),
            ),
        };
        json!({
            "role": role, "writer": writer, "log_bytes": log.end(), "sent_bytes": sent, "waits": waits, "fault": fault,
        })
    }
}

impl Writer {
    pub(crate) const fn new(secret: Secret) -> Self {
        Self { secret, sent: 0, wanted: None, again: 0..0, fresh: 0, rest: 0 }
    }

    /// Goes on with `log`; one that is shorter than what was sent is another one.
    pub(crate) fn resume(&mut self, log: &Log) {
        if self.sent > log.end() {
            self.sent = 0;
        }
    }

    /// From where another life goes on: a repetition that is under way is not lost.
    pub(crate) fn resumes_at(&self) -> u64 {
        if self.again.is_empty() { self.sent } else { self.again.start }
    }

    /// Somebody lacks something.
    pub(crate) fn hear(&mut self, want: &Want) {
        if want.writer == self.secret.key() {
            self.wanted = Some(self.wanted.map_or(want.offset, |known| known.min(want.offset)));
        }
    }

    /// Begins to repeat what is wanted, but for what was sent just before.
    pub(crate) fn tick(&mut self) {
        self.rest = self.rest.saturating_sub(1);
        if !self.again.is_empty() {
            return;
        }
        let rested = self.rest == 0;
        if rested {
            self.fresh = self.sent;
        }
        if let Some(offset) = self.wanted.take_if(|offset| rested || *offset < self.fresh)
            && offset < self.fresh
        {
            self.again = offset..self.fresh;
            self.fresh = offset;
            self.rest = self.rest.max(REST);
        }
    }

    /// Sends what is new, and then what is repeated. What fails is sent next time.
    pub(crate) fn send(&mut self, log: &Log, meters: &Meters, host: &Host) -> Result<(), Error> {
        for _ in 0..AT_ONCE {
            let new = self.sent < log.end();
            let (offset, end) =
                if new { (self.sent, log.end()) } else { (self.again.start, self.again.end) };
            let most = end.saturating_sub(offset).min(MAX_PART_BYTES as u64) as usize;
            let bytes = log.bytes(offset, most);
            let bytes =
                bytes.map_err(|error| Error::Busy(format!("the log cannot be read: {error}")))?;
            if bytes.is_empty() {
                break;
            }
            let part = Part::sign(offset, &bytes, &self.secret);
            host.event(LOG_KIND).data(&part).emit()?;
            meters.part("sent");
            if new {
                self.sent += bytes.len() as u64;
            } else {
                self.again.start += bytes.len() as u64;
                self.rest = self.rest.saturating_add(REST_OF_PART);
            }
        }
        Ok(())
    }
}
