//! Where envelopes live: one file in the plugin's folder, so that a node offers after a restart what it offered before.
//!
//! The rule: what was put is there for every reader at once, and survives the process from the next [`Disk::flush`] on.
//! What a crash takes back is fetched from others again, or signed again from the node's own ring.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{
    Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition, WriteTransaction,
};
use shimmer_mesh::{Codec, Envelope, LogKey, LogState, Origin, RangeSet, Span, Store, Verified};

/// A log's number, and the hash of its second key.
type LogRow = (u32, Option<&'static [u8; 32]>);

/// (log, sequence) to a frame with that one envelope.
const EVENTS: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("events");
/// Order of arrival to (log, sequence, weight).
const ORDER: TableDefinition<'_, u64, (u32, u64, u32)> = TableDefinition::new("order");
/// Origin and epoch to the log's number and the hash of its second key, if it has one.
const LOGS: TableDefinition<'_, (&[u8; 32], u64), LogRow> = TableDefinition::new("logs");
/// Log to what was dropped of it: pairs of first and last.
const DROPPED: TableDefinition<'_, u32, Vec<(u64, u64)>> = TableDefinition::new("dropped");
/// Order of arrival to the hash of the id of an event that nobody vouches for.
const UNSIGNED: TableDefinition<'_, u64, &[u8; 16]> = TableDefinition::new("unsigned");

/// Origin to what it is called here.
const LABELS: TableDefinition<'_, &[u8; 32], &str> = TableDefinition::new("labels");

/// Memory for pages of the file.
const CACHE_BYTES: usize = 16 << 20;
/// Files that were set aside and kept.
const MAX_ASIDE: u32 = 8;

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiskError {
    /// The file or the disk.
    #[error("store: {0}")]
    Redb(Box<redb::Error>),
    /// A row that is none.
    #[error("store: an event of it does not decode")]
    Row,
    /// The folder.
    #[error("store {0}: {1}")]
    Io(PathBuf, io::Error),
}

/// The store. Cloning shares it: one writer at a time, and any number of readers.
#[derive(Clone)]
pub(crate) struct Disk {
    database: Arc<Database>,
    index: Arc<Mutex<Index>>,
    /// Packs and unpacks rows: its memory is too dear to be had for each call.
    codec: Arc<Mutex<Codec>>,
}

/// What a look at the file would tell, kept in memory.
#[derive(Default)]
struct Index {
    numbers: HashMap<LogKey, u32>,
    next_number: u32,
    next_order: u64,
    count: u64,
    bytes: u64,
    next_unsigned: u64,
}

impl Disk {
    /// Opens the file or begins one. A file that is damaged or something else is moved aside; where it went is told.
    ///
    /// # Errors
    /// Another process has it open, or the folder cannot be written.
    pub(crate) fn open(path: &Path) -> Result<(Self, Option<PathBuf>), DiskError> {
        let mut aside = None;
        let database = match create(path) {
            Err(DatabaseError::Storage(why)) if is_damage(&why) => {
                let to = set_aside(path).map_err(|why| DiskError::Io(path.to_owned(), why))?;
                aside = Some(to);
                create(path)
            }
            Err(DatabaseError::UpgradeRequired(_) | DatabaseError::RepairAborted) => {
                let to = set_aside(path).map_err(|why| DiskError::Io(path.to_owned(), why))?;
                aside = Some(to);
                create(path)
            }
            other => other,
        }
        .map_err(failed)?;
        let index = begin(&database)?;
        let disk = Self {
            database: Arc::new(database),
            index: Arc::new(Mutex::new(index)),
            codec: Arc::default(),
        };
        Ok((disk, aside))
    }

    /// Makes everything that was put survive the process and the power.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn flush(&self) -> Result<(), DiskError> {
        let mut write = self.database.begin_write().map_err(failed)?;
        write.set_quick_repair(true);
        write.commit().map_err(failed)
    }

    /// Remembers ids of events that nobody vouches for, and forgets the oldest beyond `most`.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn put_unsigned(&self, ids: &[[u8; 16]], most: u64) -> Result<(), DiskError> {
        let write = self.begin()?;
        {
            let mut table = write.open_table(UNSIGNED).map_err(failed)?;
            let mut index = self.index();
            for id in ids {
                table.insert(index.next_unsigned, id).map_err(failed)?;
                index.next_unsigned += 1;
            }
            while table.len().map_err(failed)? > most {
                table.pop_first().map_err(failed)?;
            }
        }
        write.commit().map_err(failed)
    }

    /// The remembered ids, the oldest first.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn unsigned(&self) -> Result<Vec<[u8; 16]>, DiskError> {
        let read = self.database.begin_read().map_err(failed)?;
        let table = read.open_table(UNSIGNED).map_err(failed)?;
        let rows = table.iter().map_err(failed)?;
        rows.map(|row| row.map(|(_, id)| *id.value()).map_err(failed)).collect()
    }

    /// Remembers what origins are called.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn put_labels(&self, labels: &[(Origin, Box<str>)]) -> Result<(), DiskError> {
        let write = self.begin()?;
        {
            let mut table = write.open_table(LABELS).map_err(failed)?;
            for (origin, name) in labels {
                table.insert(origin.as_bytes(), &**name).map_err(failed)?;
            }
        }
        write.commit().map_err(failed)
    }

    /// What origins are called.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn labels(&self) -> Result<Vec<(Origin, Box<str>)>, DiskError> {
        let read = self.database.begin_read().map_err(failed)?;
        let table = read.open_table(LABELS).map_err(failed)?;
        let rows = table.iter().map_err(failed)?;
        rows.map(|row| {
            let (origin, name) = row.map_err(failed)?;
            Ok((Origin::from_bytes(*origin.value()), name.value().into()))
        })
        .collect()
    }

    /// The newest envelopes, the oldest of them first.
    ///
    /// # Errors
    /// The disk, or a row that is none.
    pub(crate) fn recent(&self, most: usize) -> Result<Vec<Verified>, DiskError> {
        let read = self.database.begin_read().map_err(failed)?;
        let order = read.open_table(ORDER).map_err(failed)?;
        let events = read.open_table(EVENTS).map_err(failed)?;
        let mut codec = self.codec();
        let mut out = Vec::new();
        for row in order.iter().map_err(failed)?.rev().take(most) {
            let (number, seq, _) = row.map_err(failed)?.1.value();
            let Some(frame) = events.get((number, seq)).map_err(failed)? else { continue };
            let envelope = decode(&mut codec, frame.value())?;
            out.push(Verified::from_own_store(envelope).map_err(|_| DiskError::Row)?);
        }
        out.reverse();
        Ok(out)
    }

    /// Forgets these logs. Their envelopes make room in their turn, as all do, and belong to no log until then.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn forget(&self, logs: &[LogKey]) -> Result<(), DiskError> {
        let write = self.begin()?;
        {
            let mut table = write.open_table(LOGS).map_err(failed)?;
            let mut dropped = write.open_table(DROPPED).map_err(failed)?;
            for log in logs {
                let row = table.remove((log.origin.as_bytes(), log.epoch)).map_err(failed)?;
                if let Some(row) = row {
                    dropped.remove(row.value().0).map_err(failed)?;
                }
            }
        }
        write.commit().map_err(failed)?;
        let mut index = self.index();
        for log in logs {
            index.numbers.remove(log);
        }
        Ok(())
    }

    /// A write whose commit does not wait for the disk.
    fn begin(&self) -> Result<WriteTransaction, DiskError> {
        let mut write = self.database.begin_write().map_err(failed)?;
        write.set_durability(Durability::None).map_err(failed)?;
        Ok(write)
    }

    fn codec(&self) -> MutexGuard<'_, Codec> {
        self.codec.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn create(path: &Path) -> Result<Database, DatabaseError> {
    Database::builder().set_cache_size(CACHE_BYTES).create(path)
}

fn failed(why: impl Into<redb::Error>) -> DiskError {
    DiskError::Redb(Box::new(why.into()))
}

fn is_damage(why: &redb::StorageError) -> bool {
    match why {
        redb::StorageError::Corrupted(_) => true,
        redb::StorageError::Io(why) => {
            matches!(why.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
        }
        _ => false,
    }
}

/// Moves a file to a name that is free.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    for number in 1..=MAX_ASIDE {
        let mut to = path.as_os_str().to_owned();
        to.push(format!(".damaged-{number}"));
        let to = PathBuf::from(to);
        if !to.exists() {
            std::fs::rename(path, &to)?;
            return Ok(to);
        }
    }
    Err(io::Error::other(format!(
        "is damaged, and {MAX_ASIDE} damaged ones are there already; remove them"
    )))
}

/// Makes the tables and reads what the index holds.
fn begin(database: &Database) -> Result<Index, DiskError> {
    let write = database.begin_write().map_err(failed)?;
    let mut index = Index::default();
    {
        write.open_table(EVENTS).map_err(failed)?;
        write.open_table(DROPPED).map_err(failed)?;
        write.open_table(LABELS).map_err(failed)?;
        let logs = write.open_table(LOGS).map_err(failed)?;
        for row in logs.iter().map_err(failed)? {
            let (key, value) = row.map_err(failed)?;
            let ((origin, epoch), (number, _)) = (key.value(), value.value());
            let log = LogKey { origin: Origin::from_bytes(*origin), epoch };
            index.numbers.insert(log, number);
            index.next_number = index.next_number.max(number + 1);
        }
        let order = write.open_table(ORDER).map_err(failed)?;
        for row in order.iter().map_err(failed)? {
            let (at, value) = row.map_err(failed)?;
            let (number, _, weight) = value.value();
            // A log that was forgotten leaves envelopes behind: its number is not another's before they are gone.
            index.next_number = index.next_number.max(number + 1);
            index.count += 1;
            index.bytes += u64::from(weight);
            index.next_order = at.value() + 1;
        }
        let unsigned = write.open_table(UNSIGNED).map_err(failed)?;
        let last = unsigned.last().map_err(failed)?;
        index.next_unsigned = last.map_or(0, |(at, _)| at.value() + 1);
    }
    write.commit().map_err(failed)?;
    Ok(index)
}

impl Store for Disk {
    type Error = DiskError;

    fn put(&mut self, envelopes: &[Verified]) -> Result<(), DiskError> {
        let mut codec = self.codec();
        let write = self.begin()?;
        // Only a commit changes the index, so that a failure leaves both as they were.
        let (mut new_logs, mut count, mut bytes) = (Vec::new(), 0, 0);
        let (mut next_number, mut next_order) = {
            let index = self.index();
            (index.next_number, index.next_order)
        };
        {
            let mut events = write.open_table(EVENTS).map_err(failed)?;
            let mut order = write.open_table(ORDER).map_err(failed)?;
            let mut logs = write.open_table(LOGS).map_err(failed)?;
            for envelope in envelopes {
                let log = envelope.id.log;
                let known = new_logs.iter().find(|(key, _)| *key == log).map(|(_, number)| *number);
                let known = known.or_else(|| self.index().numbers.get(&log).copied());
                let number = match known {
                    Some(number) => number,
                    None => {
                        let pq = envelope.pq_hash();
                        let key = (log.origin.as_bytes(), log.epoch);
                        logs.insert(key, (next_number, pq.as_ref())).map_err(failed)?;
                        new_logs.push((log, next_number));
                        next_number += 1;
                        next_number - 1
                    }
                };
                let place = (number, envelope.id.seq);
                let frame = codec.encode(std::slice::from_ref(envelope));
                // At a known place stands the same: equivocation is found before anything is stored.
                if events.insert(place, &*frame).map_err(failed)?.is_some() {
                    continue;
                }
                let weight = u32::try_from(envelope.weight()).unwrap_or(u32::MAX);
                order.insert(next_order, (place.0, place.1, weight)).map_err(failed)?;
                next_order += 1;
                (count, bytes) = (count + 1, bytes + u64::from(weight));
            }
        }
        write.commit().map_err(failed)?;
        let mut index = self.index();
        index.numbers.extend(new_logs);
        (index.next_number, index.next_order) = (next_number, next_order);
        index.count += count;
        index.bytes += bytes;
        Ok(())
    }

    fn read(&self, span: Span, bytes: usize, out: &mut Vec<Verified>) -> Result<(), DiskError> {
        let Some(number) = self.index().numbers.get(&span.log).copied() else { return Ok(()) };
        if span.low > span.high {
            return Ok(());
        }
        let mut codec = self.codec();
        let read = self.database.begin_read().map_err(failed)?;
        let events = read.open_table(EVENTS).map_err(failed)?;
        let mut sum = 0;
        for row in events.range((number, span.low)..=(number, span.high)).map_err(failed)? {
            let (_, frame) = row.map_err(failed)?;
            let envelope = decode(&mut codec, frame.value())?;
            let weight = envelope.weight();
            if sum > 0 && sum + weight > bytes {
                break;
            }
            sum += weight;
            out.push(Verified::from_own_store(envelope).map_err(|_| DiskError::Row)?);
        }
        Ok(())
    }

    fn prune(&mut self, bytes: u64) -> Result<Vec<Span>, DiskError> {
        let (mut left, names) = {
            let index = self.index();
            if index.bytes <= bytes {
                return Ok(Vec::new());
            }
            let names: HashMap<u32, LogKey> =
                index.numbers.iter().map(|(log, number)| (*number, *log)).collect();
            (index.bytes, names)
        };
        let mut gone: HashMap<u32, RangeSet> = HashMap::new();
        let mut count = 0;
        let write = self.begin()?;
        {
            let mut events = write.open_table(EVENTS).map_err(failed)?;
            let mut order = write.open_table(ORDER).map_err(failed)?;
            let mut dropped = write.open_table(DROPPED).map_err(failed)?;
            while left > bytes {
                let Some((_, value)) = order.pop_first().map_err(failed)? else { break };
                let (number, seq, weight) = value.value();
                events.remove((number, seq)).map_err(failed)?;
                gone.entry(number).or_default().insert(seq, seq);
                left -= u64::from(weight).min(left);
                count += 1;
            }
            for (number, set) in gone.iter().filter(|(number, _)| names.contains_key(number)) {
                let mut all = read_ranges(dropped.get(number).map_err(failed)?.map(|v| v.value()));
                all.extend(set);
                dropped.insert(number, all.ranges().to_vec()).map_err(failed)?;
            }
        }
        write.commit().map_err(failed)?;
        let mut index = self.index();
        index.bytes = left;
        index.count -= count;
        let spans = gone.iter().filter_map(|(number, set)| Some((*names.get(number)?, set)));
        Ok(spans
            .flat_map(|(log, set)| {
                set.ranges().iter().map(move |&(low, high)| Span { log, low, high })
            })
            .collect())
    }

    fn count(&self) -> u64 {
        self.index().count
    }

    fn bytes(&self) -> u64 {
        self.index().bytes
    }

    fn logs(&self) -> Result<Vec<LogState>, DiskError> {
        let read = self.database.begin_read().map_err(failed)?;
        let (logs, events) =
            (read.open_table(LOGS).map_err(failed)?, read.open_table(EVENTS).map_err(failed)?);
        let dropped = read.open_table(DROPPED).map_err(failed)?;
        let mut states = Vec::new();
        for row in logs.iter().map_err(failed)? {
            let (key, value) = row.map_err(failed)?;
            let ((origin, epoch), (number, pq)) = (key.value(), value.value());
            let mut have = RangeSet::default();
            for row in events.range((number, 0)..=(number, u64::MAX)).map_err(failed)? {
                let seq = row.map_err(failed)?.0.value().1;
                have.insert(seq, seq);
            }
            let skipped = read_ranges(dropped.get(number).map_err(failed)?.map(|v| v.value()));
            let log = LogKey { origin: Origin::from_bytes(*origin), epoch };
            states.push(LogState { log, pq: pq.copied(), have, skipped });
        }
        Ok(states)
    }
}

fn read_ranges(pairs: Option<Vec<(u64, u64)>>) -> RangeSet {
    let mut set = RangeSet::default();
    for (low, high) in pairs.unwrap_or_default() {
        set.insert(low, high);
    }
    set
}

fn decode(codec: &mut Codec, frame: &[u8]) -> Result<Envelope, DiskError> {
    let mut envelopes = codec.decode(frame).map_err(|_| DiskError::Row)?;
    match (envelopes.pop(), envelopes.is_empty()) {
        (Some(envelope), true) => Ok(envelope),
        _ => Err(DiskError::Row),
    }
}

#[cfg(test)]
mod tests;
