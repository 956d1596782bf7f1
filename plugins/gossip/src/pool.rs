//! Threads for what costs: verifying what came, reading pages for others.
//!
//! The rule: the queue is bounded, and who finds it full does the work itself.

use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError};
use shimmer_mesh::Codec;

/// Pieces of work that may wait.
const QUEUE: usize = 256;

/// A piece of work; the codec is its thread's.
pub(crate) type Work = Box<dyn FnOnce(&mut Codec) + Send>;

/// The threads.
pub(crate) struct Pool {
    work: Sender<Work>,
    threads: Vec<JoinHandle<()>>,
    own: Codec,
}

impl Pool {
    /// Starts as many threads as there are cores, at most four.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(crate) fn start() -> std::io::Result<Self> {
        let (work, queue) = crossbeam_channel::bounded::<Work>(QUEUE);
        let count = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4));
        let thread = |number: usize| {
            let queue: Receiver<Work> = queue.clone();
            std::thread::Builder::new().name(format!("gossip-work-{number}")).spawn(move || {
                let mut codec = Codec::default();
                while let Ok(work) = queue.recv() {
                    work(&mut codec);
                }
            })
        };
        let threads = (0..count).map(thread).collect::<Result<_, _>>()?;
        Ok(Self { work, threads, own: Codec::default() })
    }

    /// The codec of the thread that has the pool.
    pub(crate) const fn codec(&mut self) -> &mut Codec {
        &mut self.own
    }

    /// Does the work on another thread, or here when they are all busy.
    pub(crate) fn run(&mut self, work: Work) {
        match self.work.try_send(work) {
            Ok(()) => {}
            Err(TrySendError::Full(work) | TrySendError::Disconnected(work)) => work(&mut self.own),
        }
    }

    /// Waits until all is done.
    pub(crate) fn stop(self) {
        drop(self.work);
        for thread in self.threads {
            drop(thread.join());
        }
    }
}
