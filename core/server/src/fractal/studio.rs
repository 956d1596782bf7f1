//! Who draws, and who waits for it.
//!
//! Cheap pictures and dear ones wait in lanes of their own, each with a thread and renderers of its
//! own, so that a flood of deep views costs the default picture no more than a share of the processor.
//! The threads are nice: events go first.
//!
//! The rule: a queue is never longer than its bound, equal works are drawn once at a time, and what
//! nobody waits for any more is given up.

use std::collections::{HashMap, VecDeque};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, available_parallelism};
use std::time::Duration;

use shimmer_backend::{BackendOptions, Backends};
use tokio::sync::oneshot;

use super::cache::Cache;
use super::{Drawn, Work};
use crate::ServerError;
use crate::config::FractalSection;
use crate::metrics::{Lookup, RenderMetrics};

/// How much less than others the threads get of a busy processor (nice(2)).
const NICE: i32 = 10;

/// Where a work waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Quick,
    Deep,
}

/// Why there is no picture.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The queue is at its bound.
    Full,
    /// It took too long.
    Late,
    /// The node is stopping.
    Stopping,
    /// Our mistake, or the system's.
    Broken(String),
}

/// Draws one work; an error once the flag is set, or when it cannot.
pub(crate) type Draw = Box<dyn FnMut(&Work, &AtomicBool) -> Result<Drawn, String> + Send>;

/// The drawing threads and what they share with the requests.
pub(crate) struct Studio {
    desk: Arc<Desk>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Desk {
    state: Mutex<State>,
    wakes: [Condvar; 2],
    metrics: RenderMetrics,
}

#[derive(Default)]
struct State {
    is_stopping: bool,
    /// What is queued or being drawn.
    wanted: HashMap<Work, Wanted>,
    queues: [VecDeque<Job>; 2],
    cache: Cache,
    /// The bound of the cache, as of the newest request.
    cache_bytes: usize,
}

/// Who waits for a work.
struct Wanted {
    cancel: Arc<AtomicBool>,
    waiters: Vec<oneshot::Sender<Result<Drawn, String>>>,
}

struct Job {
    work: Work,
    cancel: Arc<AtomicBool>,
}

/// A place among those who wait; dropped, it is given up.
struct Ticket<'a> {
    desk: &'a Desk,
    work: &'a Work,
    cancel: Arc<AtomicBool>,
    receiver: oneshot::Receiver<Result<Drawn, String>>,
}

/// What is to be seen of a studio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StudioFigures {
    /// Works that wait, quick and deep.
    pub(crate) queued: [usize; 2],
    pub(crate) cache_entries: usize,
    pub(crate) cache_bytes: usize,
}

impl Lane {
    pub(crate) const ALL: [Self; 2] = [Self::Quick, Self::Deep];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Deep => "deep",
        }
    }
}

impl Studio {
    /// A studio with renderers as configured.
    pub(crate) fn open(
        section: &FractalSection,
        metrics: &RenderMetrics,
    ) -> Result<Self, ServerError> {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let threads = if section.threads > 0 { section.threads } else { (cores - 1).max(1) };
        let options = BackendOptions { backend: section.backend.into(), threads };
        let draw = || -> Draw {
            // Made by the thread that draws, whose place behind others its helpers inherit.
            let mut backends = None;
            Box::new(move |work, cancel| {
                let made = match backends.take() {
                    Some(made) => made,
                    None => Backends::new(options).map_err(|error| error.to_string())?,
                };
                work.draw(backends.insert(made), cancel)
            })
        };
        Self::start([draw(), draw()], metrics)
    }

    /// Starts a thread for each lane; `draws` are what they draw with.
    pub(crate) fn start(draws: [Draw; 2], metrics: &RenderMetrics) -> Result<Self, ServerError> {
        let desk = Arc::new(Desk {
            state: Mutex::default(),
            wakes: Default::default(),
            metrics: metrics.clone(),
        });
        let mut studio = Self { desk, threads: Mutex::default() };
        for (lane, draw) in Lane::ALL.into_iter().zip(draws) {
            let desk = studio.desk.clone();
            let thread = std::thread::Builder::new()
                .name(format!("draw-{}", lane.name()))
                .spawn(move || desk.work(lane, draw))
                .map_err(|source| ServerError::System { what: "a thread", source })?;
            studio.threads.get_mut().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(studio)
    }

    /// The picture of a work, kept or drawn now; whether it was kept stands beside it.
    pub(crate) async fn picture(
        &self,
        work: &Work,
        section: &FractalSection,
    ) -> Result<(Drawn, Lookup), Failure> {
        let (mut ticket, lookup) = match self.desk.ask(work, section)? {
            Asked::Kept(drawn) => return Ok((drawn, Lookup::Hit)),
            Asked::Wait(ticket, lookup) => (ticket, lookup),
        };
        let limit = Duration::from_millis(section.time_limit_ms);
        match tokio::time::timeout(limit, &mut ticket.receiver).await {
            Ok(Ok(drawn)) => drawn.map(|drawn| (drawn, lookup)).map_err(Failure::Broken),
            Ok(Err(_)) => Err(Failure::Stopping),
            Err(_) => {
                self.desk.metrics.rejected(&Failure::Late);
                Err(Failure::Late)
            }
        }
    }

    pub(crate) fn figures(&self) -> StudioFigures {
        let state = self.desk.lock();
        StudioFigures {
            queued: [0, 1].map(|lane| state.queues[lane].len()),
            cache_entries: state.cache.len(),
            cache_bytes: state.cache.bytes(),
        }
    }

    /// Gives up whatever is drawn or waits, and ends the threads.
    pub(crate) fn stop(&self) {
        let mut state = self.desk.lock();
        state.is_stopping = true;
        state.queues = Default::default();
        for (_, wanted) in state.wanted.drain() {
            wanted.give_up();
        }
        drop(state);
        self.desk.wakes.iter().for_each(Condvar::notify_all);
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a drawing thread panicked");
            }
        }
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Wanted {
    fn give_up(&self) {
        // Relaxed: the flag carries no data.
        self.cancel.store(true, Ordering::Relaxed);
    }
}

enum Asked<'a> {
    Kept(Drawn),
    Wait(Ticket<'a>, Lookup),
}

impl Desk {
    fn ask<'a>(&'a self, work: &'a Work, section: &FractalSection) -> Result<Asked<'a>, Failure> {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.cache_bytes = section.cache_bytes;
        if let Some(drawn) = state.cache.get(work) {
            self.metrics.looked_up(Lookup::Hit);
            return Ok(Asked::Kept(drawn));
        }
        let (sender, receiver) = oneshot::channel();
        let (cancel, lookup) = if let Some(wanted) = state.wanted.get_mut(work) {
            wanted.waiters.push(sender);
            (wanted.cancel.clone(), Lookup::Shared)
        } else if state.is_stopping {
            return Err(Failure::Stopping);
        } else {
            let lane = work.lane() as usize;
            if state.queues[lane].len() >= section.queue {
                self.metrics.rejected(&Failure::Full);
                return Err(Failure::Full);
            }
            let cancel = Arc::new(AtomicBool::new(false));
            state.queues[lane].push_back(Job { work: work.clone(), cancel: cancel.clone() });
            let wanted = Wanted { cancel: cancel.clone(), waiters: vec![sender] };
            state.wanted.insert(work.clone(), wanted);
            self.wakes[lane].notify_one();
            (cancel, Lookup::Miss)
        };
        self.metrics.looked_up(lookup);
        Ok(Asked::Wait(Ticket { desk: self, work, cancel, receiver }, lookup))
    }

    /// A thread's life.
    fn work(&self, lane: Lane, mut draw: Draw) {
        // Threads that the renderers start inherit it. A system that refuses gives even shares.
        if let Err(error) = rustix::process::nice(NICE) {
            tracing::debug!(%error, "drawing threads are as important as others");
        }
        while let Some(job) = self.next(lane) {
            let drawn = catch_unwind(AssertUnwindSafe(|| draw(&job.work, &job.cancel)));
            let drawn = drawn.unwrap_or_else(|_| Err("the renderer panicked".to_owned()));
            self.metrics.rendered(&drawn, job.cancel.load(Ordering::Relaxed));
            self.finish(&job, drawn);
        }
    }

    fn next(&self, lane: Lane) -> Option<Job> {
        let mut state = self.lock();
        while !state.is_stopping {
            if let Some(job) = state.queues[lane as usize].pop_front() {
                return Some(job);
            }
            let wake = &self.wakes[lane as usize];
            state = wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    fn finish(&self, job: &Job, drawn: Result<Drawn, String>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        if let Ok(drawn) = &drawn {
            state.cache.put(&job.work, drawn, state.cache_bytes);
        }
        // Given up and wanted again, the work is another job's by now.
        if state.wanted.get(&job.work).is_some_and(|w| Arc::ptr_eq(&w.cancel, &job.cancel))
            && let Some(wanted) = state.wanted.remove(&job.work)
        {
            for waiter in wanted.waiters {
                // Who went away in this moment needs no picture.
                let _ = waiter.send(drawn.clone());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.receiver.close();
        let mut guard = self.desk.lock();
        let state = &mut *guard;
        let Some(wanted) = state.wanted.get_mut(self.work) else { return };
        if !Arc::ptr_eq(&wanted.cancel, &self.cancel) {
            return;
        }
        wanted.waiters.retain(|waiter| !waiter.is_closed());
        if wanted.waiters.is_empty() {
            wanted.give_up();
            state.wanted.remove(self.work);
            state.queues[self.work.lane() as usize]
                .retain(|job| !Arc::ptr_eq(&job.cancel, &self.cancel));
        }
    }
}

#[cfg(test)]
#[path = "studio_tests.rs"]
mod tests;
