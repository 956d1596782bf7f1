//! Small worlds for the model checkers, built from the very pieces the ring is made of.
//!
//! Each function is the body of one model: it runs once per schedule and asserts what must hold in
//! all of them. They are called by `tests/models.rs`.
//!
//! Rule: a world holds no protocol of its own; orderings and fences are those of the modules under
//! test, so that breaking one of them breaks its model.

#![allow(missing_docs, reason = "not part of the library outside of model checking")]

use crate::combine::{Combiner, Round};
use crate::hot::Hot;
use crate::sync::{AtomicU64, Ordering, Scope, UnsafeCell};
use crate::wait::{Wait, WaitCell, announce};
use std::sync::Arc as StdArc;
use std::time::Duration;

#[cfg(loom)]
use loom::{sync::Arc, thread};
#[cfg(shuttle)]
use shuttle::{sync::Arc, thread};

const CAPACITY: u64 = 2;

/// Requests of a model: a number to add, and the sum that the holder of the role saw.
struct Add {
    number: u64,
    sum: u64,
}

fn serve(state: &mut Vec<u64>, round: &mut Round<Add>) {
    round.each(|task| {
        state.push(task.number);
        task.sum = state.iter().sum();
    });
}

/// `threads` threads submit `each` requests: every one is served once, results reach their owners,
/// and the role's state is never shared.
pub fn combine(threads: u64, each: u64) {
    let combiner = Arc::new(Combiner::new(Vec::<u64>::new()));
    let work = move |combiner: &Combiner<Vec<u64>, Add>, thread: u64| {
        let mut last = 0;
        for i in 0..each {
            let number = 1 << (thread * each + i);
            let task = combiner.submit(Add { number, sum: 0 }, serve);
            assert!(task.number == number && task.sum & number != 0 && task.sum > last);
            last = task.sum;
        }
    };
    let others: Vec<_> = (1..threads)
        .map(|thread| {
            let combiner = Arc::clone(&combiner);
            thread::spawn(move || work(&combiner, thread))
        })
        .collect();
    work(&combiner, 0);
    for other in others {
        other.join().expect("no panic");
    }
    let all = combiner.submit(Add { number: 0, sum: 0 }, serve).sum;
    assert_eq!(all, (1 << (threads * each)) - 1);
}

/// A slot of a model: atomics, as a lossy reader sees it, and a cell, as a gating reader does.
struct World {
    hot: Hot,
    number: [AtomicU64; CAPACITY as usize],
    twice: [AtomicU64; CAPACITY as usize],
    cell: [UnsafeCell<u64>; CAPACITY as usize],
    gate: crate::gate::Cursor,
    wait: WaitCell,
}

// SAFETY: the cells are what the models examine; the checker reports every race on them.
#[allow(unsafe_code, reason = "the checker needs plain memory to find races on")]
unsafe impl Sync for World {}

impl World {
    fn new() -> Self {
        Self {
            hot: Hot::new(),
            number: [AtomicU64::new(0), AtomicU64::new(0)],
            twice: [AtomicU64::new(0), AtomicU64::new(0)],
            cell: [UnsafeCell::new(0), UnsafeCell::new(0)],
            gate: crate::gate::Cursor::new(0),
            wait: WaitCell::new(),
        }
    }

    /// What the writer does for one event, in its order.
    fn write(&self, seq: u64) {
        let slot = (seq % CAPACITY) as usize;
        self.hot.reserve(seq, seq);
        self.number[slot].store(seq, Ordering::Relaxed);
        self.twice[slot].store(2 * seq, Ordering::Relaxed);
        self.hot.settle(seq, seq, 1);
        self.hot.publish(seq);
    }
}

/// A writer laps a lossy reader: what the reader accepts is never torn.
pub fn lossy(events: u64) {
    let world = Arc::new(World::new());
    let writer = {
        let world = Arc::clone(&world);
        thread::spawn(move || (1..=events).for_each(|seq| world.write(seq)))
    };
    let published = world.hot.published();
    for seq in 1..=published {
        let slot = (seq % CAPACITY) as usize;
        let number = world.number[slot].load(Ordering::Relaxed);
        let twice = world.twice[slot].load(Ordering::Relaxed);
        if world.hot.bounds().slot_intact(seq, CAPACITY) {
            assert_eq!((number, twice), (seq, 2 * seq));
        }
    }
    writer.join().expect("no panic");
}

/// A gating reader borrows plain memory: the writer never touches what is before its cursor, and
/// what is published can be read.
#[allow(unsafe_code, reason = "the checker needs plain memory to find races on")]
pub fn gating(events: u64) {
    let world = Arc::new(World::new());
    let writer = {
        let world = Arc::clone(&world);
        thread::spawn(move || {
            let mut seq = 1;
            while seq <= events {
                if seq - world.gate.get() > CAPACITY {
                    thread::yield_now();
                    continue;
                }
                // SAFETY: the protocol under test; the checker reports a violation.
                world.cell[(seq % CAPACITY) as usize].with_mut(|cell| unsafe { *cell = seq });
                world.hot.publish(seq);
                seq += 1;
            }
        })
    };
    let mut cursor = 0;
    while cursor < events {
        if world.hot.published() <= cursor {
            thread::yield_now();
            continue;
        }
        cursor += 1;
        // SAFETY: as above.
        let seen = world.cell[(cursor % CAPACITY) as usize].with_mut(|cell| unsafe { *cell });
        assert_eq!(seen, cursor);
        world.gate.advance(cursor);
    }
    writer.join().expect("no panic");
}

/// A consumer sleeps until events are published: no wake-up is lost.
pub fn wake(events: u64) {
    let world = Arc::new(World::new());
    let writer = {
        let world = Arc::clone(&world);
        thread::spawn(move || {
            for seq in 1..=events {
                world.hot.publish(seq);
                announce();
                if world.wait.is_due(seq) && world.wait.claim() {
                    world.wait.wake(Scope::Private);
                }
            }
        })
    };
    for wanted in 1..=events {
        let published = world.hot.published_word();
        while world.wait.wait(published, wanted, Duration::MAX, Scope::Private, &|| false)
            != Wait::Ready
        {}
        assert!(world.hot.published() >= wanted);
    }
    writer.join().expect("no panic");
}

/// The host wakes a consumer for another reason while events are published too.
pub fn wake_for_request() {
    let world = Arc::new(World::new());
    let request = StdArc::new(std::sync::atomic::AtomicBool::new(false));
    let host = {
        let (world, request) = (Arc::clone(&world), StdArc::clone(&request));
        thread::spawn(move || {
            request.store(true, std::sync::atomic::Ordering::SeqCst);
            world.wait.wake(Scope::Private);
        })
    };
    let published = world.hot.published_word();
    let asked = || request.load(std::sync::atomic::Ordering::SeqCst);
    while !asked() {
        world.wait.wait(published, u64::MAX, Duration::MAX, Scope::Private, &asked);
    }
    host.join().expect("no panic");
}
