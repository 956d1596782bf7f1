//! The one thread that writes the store, so that no event waits for the disk.
//!
//! The rule: what was handed over is reported once, stored or not, and a flush is answered when everything before it is
//! on the disk.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use shimmer_mesh::{Id, LogKey, Origin, Span, Store, Verified};
use shimmer_sdk::Host;

use crate::disk::Disk;
use crate::event::UnsignedId;

/// Envelopes of one transaction.
const RUN: usize = 1_024;
/// Time after which what was written is made durable without being asked.
const FLUSH: Duration = Duration::from_secs(15);
/// Time between two looks at the size.
const PRUNE: Duration = Duration::from_secs(5);
/// Ids that are remembered of events that nobody vouches for.
pub(crate) const MAX_UNSIGNED: usize = 262_144;

/// What the thread is told.
#[derive(Debug)]
pub(crate) enum Task {
    /// Keep these.
    Put(Vec<Verified>),
    /// Remember these.
    Unsigned(Vec<UnsignedId>),
    /// Remember what these are called.
    Labels(Vec<(Origin, Box<str>)>),
    /// Nobody asks for these logs any more.
    Forget(Vec<LogKey>),
    /// Answer when all before is on the disk.
    Flush(Sender<bool>),
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Kept {
    /// These are in the store.
    Stored(Vec<Id>),
    /// These are not, and will not be.
    Failed(Vec<Id>),
    /// These made room.
    Pruned(Vec<Span>),
}

/// Starts the thread, which ends when `tasks` is closed.
///
/// # Errors
/// The system refuses a thread.
pub(crate) fn start(
    host: Host,
    disk: Disk,
    most_bytes: u64,
    tasks: Receiver<Task>,
    done: Sender<Kept>,
) -> std::io::Result<JoinHandle<()>> {
    let keeper = Keeper {
        host,
        disk,
        most_bytes,
        done,
        dirty_since: None,
        pruned_at: Instant::now(),
        told: false,
    };
    std::thread::Builder::new().name("gossip-keeper".into()).spawn(move || keeper.run(&tasks))
}

struct Keeper {
    host: Host,
    disk: Disk,
    most_bytes: u64,
    done: Sender<Kept>,
    dirty_since: Option<Instant>,
    pruned_at: Instant,
    /// The last failure was told already.
    told: bool,
}

impl Keeper {
    fn run(mut self, tasks: &Receiver<Task>) {
        loop {
            let task = match tasks.recv_timeout(PRUNE) {
                Ok(task) => Some(task),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut run = Vec::new();
            let mut next = task;
            while let Some(task) = next {
                match task {
                    Task::Put(envelopes) => run.extend(envelopes),
                    other => {
                        self.put(std::mem::take(&mut run));
                        self.other(other);
                    }
                }
                next = if run.len() < RUN { tasks.try_recv().ok() } else { None };
            }
            self.put(run);
            self.keep_house();
        }
    }

    fn other(&mut self, task: Task) {
        match task {
            Task::Put(envelopes) => self.put(envelopes),
            Task::Unsigned(ids) => {
                let result = self.disk.put_unsigned(&ids, MAX_UNSIGNED as u64);
                self.tell(result.err());
            }
            Task::Labels(labels) => {
                let result = self.disk.put_labels(&labels);
                self.dirty_since.get_or_insert_with(Instant::now);
                self.tell(result.err());
            }
            Task::Forget(logs) => {
                let result = self.disk.forget(&logs);
                self.dirty_since.get_or_insert_with(Instant::now);
                self.tell(result.err());
            }
            Task::Flush(answer) => {
                let result = self.disk.flush();
                // Whoever asked may have given up.
                let _ = answer.send(result.is_ok());
                self.dirty_since = None;
                self.tell(result.err());
            }
        }
    }

    fn put(&mut self, envelopes: Vec<Verified>) {
        if envelopes.is_empty() {
            return;
        }
        let result = self.disk.put(&envelopes);
        let ids = envelopes.iter().map(|envelope| envelope.id).collect();
        // They are in the ring all the same: asking for them again would change nothing.
        let kept = if result.is_ok() { Kept::Stored(ids) } else { Kept::Failed(ids) };
        self.dirty_since.get_or_insert_with(Instant::now);
        drop(self.done.send(kept));
        self.tell(result.err());
    }

    fn keep_house(&mut self) {
        if self.pruned_at.elapsed() >= PRUNE {
            self.pruned_at = Instant::now();
            // A tenth is dropped at once, so that it is not done for every event.
            if self.disk.bytes() > self.most_bytes {
                match self.disk.prune(self.most_bytes / 10 * 9) {
                    Ok(spans) => drop(self.done.send(Kept::Pruned(spans))),
                    Err(why) => self.tell(Some(why)),
                }
            }
        }
        if self.dirty_since.is_some_and(|since| since.elapsed() >= FLUSH) {
            self.dirty_since = None;
            let result = self.disk.flush();
            self.tell(result.err());
        }
    }

    /// Tells the first of many failures.
    fn tell(&mut self, why: Option<crate::disk::DiskError>) {
        match why {
            Some(why) if !self.told => {
                self.told = true;
                self.host.error(&format!(
                    "{why}; events flow, but this node cannot offer them to others until it can write"
                ));
            }
            Some(_) => {}
            None => self.told = false,
        }
    }
}
