//! Where the long work of ingest is done: on a few threads beside those that serve pages.
//!
//! A thread that has parsed for a while has used up its share of the processor, and the kernel lets
//! it wait when it wakes; a page that it then has to answer waits with it. But to hand a body over and to
//! wake two threads for it costs as much as reading some hundred events. The rule: what takes longer than a
//! millisecond or two never runs on a thread of the runtime, and the number of threads it runs on is bounded.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::bodies::BODY_BYTES;
use crate::config::SyncMode;
use crate::http::{Problem, Refused};

/// A body above this takes long: some thousand events.
const LARGE_BYTES: usize = BODY_BYTES;
/// Wait for a thread from which on nobody else is let in to wait.
const BEHIND: Duration = Duration::from_millis(100);
/// Longest wait for a thread. Who would wait longer is told to come again.
const WAIT: Duration = Duration::from_secs(1);
/// Posts that wait for the disk together, when each of them has to.
const WAIT_TOGETHER: usize = 64;

/// The threads, and which bodies go there.
#[derive(Debug)]
pub(crate) struct Stage {
    room: Arc<Semaphore>,
    above_bytes: usize,
    wait: Duration,
    /// Who waits for a thread.
    waiting: AtomicUsize,
    /// How long the last who got a thread had waited, in milliseconds.
    waited_ms: AtomicU64,
}

/// One who waits, counted until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Stage {
    /// As many threads as there are cores; with [`SyncMode::Always`] every post waits for the disk, so
    /// there all of them are long, and many are let in, since one write to the disk serves all that wait.
    pub(crate) fn new(sync: SyncMode) -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        match sync {
            SyncMode::Always => Self::of(WAIT_TOGETHER.max(cores), 0),
            SyncMode::Never | SyncMode::Second => Self::of(cores, LARGE_BYTES),
        }
    }

    fn of(threads: usize, above_bytes: usize) -> Self {
        Self {
            room: Arc::new(Semaphore::new(threads)),
            above_bytes,
            wait: WAIT,
            waiting: AtomicUsize::new(0),
            waited_ms: AtomicU64::new(0),
        }
    }

    /// Threads that the runtime may have beside its own: those of the stage, and one for each of its
    /// own that a page blocks, with a few to spare. More would only keep more memory.
    pub(crate) fn threads(sync: SyncMode) -> usize {
        let stage = Self::new(sync).room.available_permits();
        stage + available_parallelism().map_or(1, NonZero::get) + 4
    }

    /// Whether a body of this length is work for the stage.
    pub(crate) fn takes(&self, body_bytes: usize) -> bool {
        body_bytes > self.above_bytes
    }

    /// 503 when those who wait for a thread wait for too long already: it is better said before a body
    /// is read than after it has waited as well.
    pub(crate) fn check(&self) -> Result<(), Refused> {
        // Relaxed, here and below: figures of the moment, which order nothing.
        let is_behind = self.waiting.load(Ordering::Relaxed) > 0
            && Duration::from_millis(self.waited_ms.load(Ordering::Relaxed)) > BEHIND;
        if is_behind { Err(Self::refusal()) } else { Ok(()) }
    }

    fn refusal() -> Refused {
        Problem::busy("more is being posted than the node works off")
    }

    /// Does `work` when there is room, first come first served; 503 when there is none for long. It is
    /// done to its end even when nobody waits for it any more; a panic in it is passed on.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let stopping = || Problem::busy("the node is stopping");
        let permit = match self.room.clone().try_acquire_owned() {
            Ok(permit) => permit,
            // A timer only for those who have to wait.
            Err(_) => {
                let (_waiting, begun) = (Waiting::new(&self.waiting), Instant::now());
                let permit = tokio::time::timeout(self.wait, self.room.clone().acquire_owned());
                let permit = permit.await.map_err(|_| Self::refusal())?.map_err(|_| stopping())?;
                let waited = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                self.waited_ms.store(waited, Ordering::Relaxed);
                permit
            }
        };
        let done = spawn_blocking(move || {
            // Held until here, whether or not the request is still there.
            let _permit = permit;
            work()
        });
        match done.await {
            Ok(outcome) => Ok(outcome),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(stopping()),
            },
        }
    }
}

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::task::Poll;

    #[tokio::test]
    async fn no_more_works_at_once_than_there_is_room_for() {
        let stage = Arc::new(Stage::of(2, 0));
        let (starts, started) = mpsc::channel();
        let mut ends = Vec::new();
        let mut works = Vec::new();
        for i in 0..3 {
            let (end, ended) = mpsc::channel::<()>();
            ends.push(end);
            let (stage, starts) = (stage.clone(), starts.clone());
            works.push(tokio::spawn(async move {
                let work = move || {
                    starts.send(i).unwrap();
                    // Ends when its sender is dropped.
                    let _ = ended.recv();
                    i
                };
                stage.run(work).await.unwrap()
            }));
            tokio::task::yield_now().await;
        }
        let mut first: Vec<i32> = started.iter().take(2).collect();
        first.sort_unstable();
        assert_eq!(first, [0, 1]);
        assert!(stage.room.try_acquire().is_err() && started.try_recv().is_err());
        // One whose client has gone still counts until it is done.
        works[0].abort();
        assert!(works.remove(0).await.unwrap_err().is_cancelled());
        assert!(stage.room.try_acquire().is_err());
        drop(ends);
        assert_eq!(works.pop().unwrap().await.unwrap(), 2);
        assert_eq!(works.pop().unwrap().await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_panic_comes_out_and_gives_its_room_back() {
        let stage = Arc::new(Stage::of(1, 0));
        let inner = stage.clone();
        let work = tokio::spawn(async move { inner.run(|| panic!("a fault")).await });
        assert!(work.await.unwrap_err().is_panic());
        assert_eq!(stage.run(|| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn who_would_wait_for_too_long_is_told_to_come_again() {
        let stage = Stage { wait: Duration::from_millis(10), ..Stage::of(1, 0) };
        let taken = stage.room.clone().try_acquire_owned().unwrap();
        let refused = stage.run(|| 7).await.unwrap_err().into_answer();
        assert_eq!(refused.status, 503);
        assert!(refused.headers.contains_key("retry-after"));
        drop(taken);
        assert_eq!(stage.run(|| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn nobody_is_let_in_behind_those_who_wait_for_long() {
        let stage = Stage::of(1, 0);
        let _taken = stage.room.clone().try_acquire_owned().unwrap();
        stage.waited_ms.store(BEHIND.as_millis() as u64 + 1, Ordering::Relaxed);
        assert!(stage.check().is_ok(), "nobody waits any more");
        let mut waits = Box::pin(stage.run(|| 7));
        let polled = std::future::poll_fn(|cx| Poll::Ready(waits.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
        assert_eq!(stage.check().unwrap_err().status(), 503);
        stage.waited_ms.store(BEHIND.as_millis() as u64, Ordering::Relaxed);
        assert!(stage.check().is_ok(), "they do not wait for long");
        stage.waited_ms.store(u64::MAX, Ordering::Relaxed);
        drop(waits);
        assert!(stage.check().is_ok(), "who gives up waits no longer");
    }

    #[test]
    fn posts_that_wait_for_the_disk_are_all_long() {
        assert!(Stage::new(SyncMode::Always).takes(1));
        assert!(!Stage::new(SyncMode::Second).takes(LARGE_BYTES));
        assert!(Stage::new(SyncMode::Second).takes(LARGE_BYTES + 1));
    }
}
