//! The ring as a whole: opening it, and the ways in and out.
//!
//! Rule: one `Ring` a data directory; whoever opens it holds that directory's lock.

use crate::config::{RingConfig, Storage};
use crate::consumers::{ConsumerHandle, ConsumerSpec, Roster};
use crate::dedup::{Places, SipKey};
use crate::error::{ConsumerError, MapError, OpenError};
use crate::journal::Journal;
use crate::layout::Geometry;
use crate::names::NameIndex;
use crate::producer::{Producer, Reserve};
use crate::reader::Reader;
use crate::recover::Opened;
use crate::role::Role;
use crate::room::Room;
use crate::segment::Segment;
use crate::sync::{AtomicU64, Ordering};
use crate::writer::Writer;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;

/// What was found when the ring was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Events taken over from the journal.
    pub events: u64,
    /// First sequence that is kept, 0 if none is.
    pub first: u64,
    /// Last sequence that was given out, 0 if none was.
    pub last: u64,
    /// Bytes at the journal's end that were no whole record: what was under way at a crash.
    pub cut_bytes: u64,
    /// Sequences that were given out and whose records are damaged; see [`FLAG_LOST`](crate::FLAG_LOST).
    pub lost_events: u64,
    /// Ids remembered.
    pub ids: u64,
    /// Where a file that was no journal of this program was moved to, and why.
    pub set_aside: Option<(PathBuf, String)>,
    /// Whether the journal was written anew because the configuration changed.
    pub rebuilt: bool,
}

/// The event ring. Dropping it saves the cursors; its producers and readers may outlive it.
#[derive(Debug)]
pub struct Ring {
    segment: Arc<Segment>,
    names: Arc<NameIndex>,
    role: Arc<Role>,
    roster: Arc<Roster>,
    /// Most slots that submissions from outside may take.
    ingest_slots: u64,
    /// Last sequence that was given out when it was opened.
    recovered: u64,
    /// What ids are hashed with, and where they are looked for.
    ids: Option<(SipKey, Places)>,
    /// The journal's file, for syncing beside the writer.
    file: Option<File>,
    /// How often it was synced; the writer looks at it.
    syncs: Option<Arc<AtomicU64>>,
}

impl Ring {
    /// Opens the ring: with [`Storage::Journal`] as the journal left it, else empty.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(config: &RingConfig, storage: &Storage) -> Result<(Self, Recovery), OpenError> {
        Self::open_with(config, storage, random_words()?)
    }

    /// The same with what is otherwise drawn by chance.
    pub(crate) fn open_with(
        config: &RingConfig,
        storage: &Storage,
        random: [u64; 4],
    ) -> Result<(Self, Recovery), OpenError> {
        config.check()?;
        let geometry =
            Geometry::new(config.capacity, config.text_bytes, config.names).map_err(|error| {
                match error {
                    MapError::Geometry(what) => OpenError::Config(what),
                    other => OpenError::Map(other),
                }
            })?;
        let opened = match storage {
            Storage::Memory => None,
            Storage::Journal { dir, log_bytes, .. } => {
                Some(Opened::open(dir, config, *log_bytes, (random[1], random[2]), random[0] | 1)?)
            }
        };
        let epoch = opened.as_ref().map_or(random[0] | 1, Opened::epoch);
        let sip_key = opened.as_ref().map_or((random[1], random[2]), Opened::sip_key);
        let log_bytes = opened.as_ref().map_or(u64::MAX, Opened::log_bytes);
        let segment = Arc::new(Segment::create(geometry, epoch)?);
        let names = Arc::new(NameIndex::new(segment.names().clone(), (random[3], random[1])));
        let room = Room::new(config.capacity, config.text_bytes, log_bytes);
        let ingest_slots = room.limits(Reserve::Ingest).slots;
        let mut writer = Writer::new(Arc::clone(&segment), Arc::clone(&names), config, room);
        let roster = Arc::clone(&writer.roster);
        let (recovery, file) = match (opened, storage) {
            (Some(opened), Storage::Journal { sync, .. }) => {
                let file = opened.file()?;
                (opened.recover(&mut writer, config, *sync)?, Some(file))
            }
            _ => (Recovery { last: writer.last, ..Recovery::default() }, None),
        };
        let syncs = writer.journal.as_ref().map(Journal::syncs);
        let ids = (config.dedup_window > 0).then(|| (sip_key, writer.dedup.places()));
        let role = Arc::new(Role::new(writer));
        let recovered = recovery.last;
        let ring = Self { segment, names, role, roster, ingest_slots, recovered, ids, file, syncs };
        Ok((ring, recovery))
    }

    /// A way in. Producers are cheap to clone.
    #[must_use]
    pub fn producer(&self) -> Producer {
        Producer::new(Arc::clone(&self.role), self.ids)
    }

    /// A way out that never holds the writer back.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.segment), Arc::clone(&self.names))
    }

    /// Registers a consumer.
    ///
    /// # Errors
    /// See [`ConsumerError`].
    pub fn register(&self, spec: &ConsumerSpec<'_>) -> Result<ConsumerHandle, ConsumerError> {
        let mut consumer = Err(ConsumerError::Poisoned);
        self.role.call(&mut |writer| consumer = writer.register(spec));
        Ok(ConsumerHandle {
            consumer: consumer?,
            segment: Arc::clone(&self.segment),
            role: Arc::clone(&self.role),
        })
    }

    /// The sealed file of the segment, to be sent to a plugin process, which opens it with
    /// [`ReadMapping::from_fd`](crate::ReadMapping::from_fd).
    #[must_use]
    pub fn segment_fd(&self) -> BorrowedFd<'_> {
        self.segment.fd()
    }

    #[cfg(test)]
    pub(crate) fn role(&self) -> &Role {
        &self.role
    }

    /// Last published sequence, 0 for none.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.segment.hot().published()
    }

    /// First sequence that is still kept; `published() + 1` if none is.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.segment.hot().oldest()
    }

    /// Names the history that its sequences belong to: the journal's, or that of this process.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.segment.epoch()
    }

    /// Last sequence that was given out when the ring was opened: what has another number since is new, whatever a
    /// power loss took back before.
    #[must_use]
    pub fn recovered(&self) -> u64 {
        self.recovered
    }

    /// Number of slots.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.segment.geometry().capacity
    }

    /// Slots that a submission from outside could take now. Does not wait for the writer, who may
    /// wait for the disk.
    #[must_use]
    pub fn headroom(&self) -> u64 {
        let hot = self.segment.hot();
        let gate = self.roster.gate(hot);
        // Read after the gate, which never lies beyond it.
        let published = hot.published();
        gate.map_or(self.ingest_slots, |gate| self.ingest_slots.saturating_sub(published - gate))
    }

    /// Writes the cursors of all durable consumers to the journal.
    pub fn checkpoint_cursors(&self) {
        self.role.call(&mut |writer| writer.save_cursors());
    }

    /// Writes the journal to the disk, so that what is published now outlives a power loss.
    ///
    /// # Errors
    /// What the system said.
    pub fn sync(&self) -> std::io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_data)?;
        if let Some(syncs) = &self.syncs {
            // Relaxed: a figure that orders nothing.
            syncs.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.checkpoint_cursors();
    }
}

fn random_words() -> Result<[u64; 4], OpenError> {
    let mut words = [0; 4];
    for word in &mut words {
        *word = getrandom::u64()
            .map_err(|error| OpenError::Map(MapError::System(std::io::Error::other(error))))?;
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumers::{Gate, Start, WakeTarget};
    use std::sync::mpsc;

    #[test]
    fn the_headroom_is_known_while_the_writer_is_busy() {
        let config = RingConfig { capacity: 64, ..RingConfig::default() };
        let (ring, _) = Ring::open(&config, &Storage::Memory).unwrap();
        let (gate, start, wake) = (Gate::Host, Start::Newest, WakeTarget::Silent);
        let spec = ConsumerSpec { key: "gate", durable: false, gate, start, wake };
        let handle = ring.register(&spec).unwrap();
        assert_eq!(ring.headroom(), 56);
        std::thread::scope(|scope| {
            let (busy, is_busy) = mpsc::channel();
            let (end, ended) = mpsc::channel::<()>();
            let role = ring.role();
            scope.spawn(move || {
                role.call(&mut move |_| {
                    busy.send(()).unwrap();
                    // Ends when the sender is dropped.
                    let _ = ended.recv();
                });
            });
            is_busy.recv().unwrap();
            let (tell, told) = mpsc::channel();
            let ring = &ring;
            scope.spawn(move || tell.send(ring.headroom()));
            let headroom = told.recv_timeout(std::time::Duration::from_secs(10));
            drop(end);
            assert_eq!(headroom, Ok(56));
        });
        drop(handle);
        assert_eq!(ring.headroom(), 56);
        assert!(ring.roster.gate(ring.segment.hot()).is_none());
    }
}
