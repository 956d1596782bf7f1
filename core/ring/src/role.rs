//! The writer and the queue in front of it.
//!
//! Rule: whatever goes wrong inside the role fails the submission it belongs to, clearly, and every
//! waiting thread gets an answer.

#![allow(unsafe_code, reason = "requests borrow from the stacks of waiting threads")]

use crate::combine::{Combiner, Round};
use crate::dedup::EventKey;
use crate::error::PublishError;
use crate::producer::{Outcome, Submission};
use crate::writer::Writer;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A request to the role. The pointers lead to the stack of the thread that waits in `submit`.
pub(crate) enum Task {
    Publish {
        submission: *const Submission<'static>,
        keys: *const [EventKey],
        outcomes: *mut Vec<Outcome>,
        result: Result<(), PublishError>,
    },
    Call(*mut (dyn FnMut(&mut Writer) + 'static)),
}

// SAFETY: what a task points to is lent to the holder of the role until the task is done: `Submission`
// and keys are plain data, outcomes are exclusive, and `call` demands `Send` of its closure.
unsafe impl Send for Task {}

/// The writer role of a ring.
pub(crate) struct Role {
    combiner: Combiner<Writer, Task>,
}

impl std::fmt::Debug for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Role").finish_non_exhaustive()
    }
}

impl Role {
    pub(crate) fn new(writer: Writer) -> Self {
        Self { combiner: Combiner::new(writer) }
    }

    pub(crate) fn publish(
        &self,
        submission: &Submission<'_>,
        keys: &[EventKey],
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), PublishError> {
        let task = Task::Publish {
            submission: std::ptr::from_ref(submission).cast(),
            keys,
            outcomes,
            result: Err(PublishError::Poisoned),
        };
        match self.combiner.submit(task, serve) {
            Task::Publish { result, .. } => {
                if result.is_err() {
                    outcomes.clear();
                }
                result
            }
            Task::Call(_) => unreachable!("a task comes back as it went"),
        }
    }

    /// Runs `f` as the holder of the role. A panic in it poisons the ring.
    pub(crate) fn call(&self, f: &mut (dyn FnMut(&mut Writer) + Send)) {
        let f: *mut (dyn FnMut(&mut Writer) + Send + '_) = f;
        // SAFETY: only the lifetime changes; the pointer is used no longer than `submit` runs.
        let f = unsafe {
            std::mem::transmute::<
                *mut (dyn FnMut(&mut Writer) + Send + '_),
                *mut (dyn FnMut(&mut Writer) + 'static),
            >(f)
        };
        self.combiner.submit(Task::Call(f), serve);
    }
}

/// Serves a round: every request in order, then one publication for all of them.
fn serve(writer: &mut Writer, round: &mut Round<Task>) {
    round.each(|task| {
        let served = catch_unwind(AssertUnwindSafe(|| match task {
            Task::Publish { submission, keys, outcomes, result } => {
                // SAFETY: the owner waits until the task is done and lends all three to us.
                let (submission, keys, outcomes) =
                    unsafe { (&**submission, &**keys, &mut **outcomes) };
                *result = writer.apply(submission, keys, outcomes);
            }
            // SAFETY: as above.
            Task::Call(f) => unsafe { (**f)(writer) },
        }));
        if served.is_err() {
            writer.poison();
        }
    });
    if let Err(error) = writer.publish_round() {
        round.each(|task| {
            if let Task::Publish { result, .. } = task
                && result.is_ok()
            {
                let again = std::io::Error::new(error.kind(), error.to_string());
                *result = Err(PublishError::Journal(again));
            }
        });
    }
    writer.notify();
}
