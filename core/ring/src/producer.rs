//! Submitting events.
//!
//! Rule: a submission is stored wholly or not at all, is journaled before it is readable, and is
//! readable before its producer is told.

use crate::consumers::ConsumerId;
use crate::dedup::{AHEAD, EventKey, KeyHasher, Places, SipKey};
use crate::error::PublishError;
use crate::layout::NAME_BYTES;
use crate::role::Role;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

/// One event to be stored. Its text is `head`, then its sequence in decimal, then `tail`.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// When it happened, nanoseconds since 1970 UTC.
    pub time_ns: i64,
    /// When it was received, nanoseconds since 1970 UTC.
    pub received_ns: i64,
    /// Its value.
    pub value: f64,
    /// Its kind; every name has at most [`NAME_BYTES`] bytes.
    pub kind: &'a str,
    /// Its subject, empty if it has none.
    pub subject: &'a str,
    /// Its source.
    pub source: &'a str,
    /// The node that took it.
    pub origin: &'a str,
    /// Its id, unique within origin and source.
    pub id: &'a str,
    /// Kept as given; bit 31 is the ring's own, see [`FLAG_LOST`](crate::FLAG_LOST).
    pub flags: u32,
    /// The text up to the sequence.
    pub head: &'a [u8],
    /// The text after the sequence.
    pub tail: &'a [u8],
    /// Where the `data` object lies in `head`, empty if there is none.
    pub data: Range<u32>,
    /// Where the event id lies in `head`.
    pub id_span: Range<u32>,
}

/// What became of one entry of a stored submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the ring under this sequence.
    Stored(u64),
    /// It is remembered under this sequence, and was not stored again.
    Duplicate(u64),
    /// It brings a new name, and every name of the table is in use; half of them for [`Reserve::Relayed`].
    NamesFull,
}

/// How much of the room a submission may take while gating consumers are behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserve {
    /// Half of slots, text and journal: what consumers emit unasked, of which there is no end. A flood of it leaves room
    /// for what comes from outside and for what others emit.
    Unasked,
    /// Seven eighths: what comes from outside.
    Ingest,
    /// As much, and of the names half: what other nodes took. They cannot use up the names of this one.
    Relayed,
    /// All of it: what consumers emit as they move on, so that they never wait for the outside.
    Effects,
}

/// Events to be stored together, perhaps with the cursor of the consumer that made them.
#[derive(Clone, Debug)]
pub struct Submission<'a> {
    /// The events in order.
    pub entries: &'a [Entry<'a>],
    /// A consumer and the last sequence that it is done with, in the same step.
    pub cursor: Option<(ConsumerId, u64)>,
    /// How much room it may take.
    pub reserve: Reserve,
}

/// The way into the ring, for any thread.
#[derive(Clone, Debug)]
pub struct Producer {
    role: Arc<Role>,
    /// What ids are hashed with, and where they are looked for; `None` when none is remembered.
    ids: Option<(SipKey, Places)>,
}

thread_local! {
    /// The keys of the submission under way: hashed here, outside the writer role.
    static KEYS: RefCell<Vec<EventKey>> = const { RefCell::new(Vec::new()) };
}

impl Producer {
    pub(crate) fn new(role: Arc<Role>, ids: Option<(SipKey, Places)>) -> Self {
        Self { role, ids }
    }

    /// Stores a submission. On return its events are in the journal and readable by everyone.
    /// `outcomes` is cleared and then holds one outcome per entry, or none after an error.
    ///
    /// Never waits for consumers, only for submissions that came before. Allocates nothing once
    /// `outcomes` has the room.
    ///
    /// # Errors
    /// See [`PublishError`]; nothing of the submission is stored then.
    pub fn publish(
        &self,
        submission: &Submission<'_>,
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), PublishError> {
        outcomes.clear();
        outcomes.reserve(submission.entries.len());
        KEYS.with_borrow_mut(|keys| {
            keys.clear();
            self.keys(submission.entries, keys)?;
            self.role.publish(submission, keys, outcomes)
        })
    }

    /// Appends the key of each entry, 0 where ids are not remembered.
    fn keys(&self, entries: &[Entry<'_>], keys: &mut Vec<EventKey>) -> Result<(), PublishError> {
        let mut ids = self.ids.map(|(sip_key, places)| (KeyHasher::new(sip_key), places));
        keys.reserve(entries.len());
        for (i, entry) in entries.iter().enumerate() {
            if !entry.fits_names() {
                return Err(PublishError::TooLarge);
            }
            let key = ids.as_mut().map_or(0, |(hasher, places)| {
                let key = hasher.key(entry.origin, entry.source, entry.id);
                // The writer sees to the rest.
                if i < AHEAD {
                    places.fetch(key);
                }
                key
            });
            keys.push(key);
        }
        Ok(())
    }
}

impl Entry<'_> {
    fn fits_names(&self) -> bool {
        [self.kind, self.subject, self.source, self.origin]
            .iter()
            .all(|name| name.len() <= NAME_BYTES)
    }
}
