//! The ring's protocols under loom (every schedule of a small world) and shuttle (many random
//! schedules of a larger one).
//!
//! ```text
//! RUSTFLAGS="--cfg loom"    cargo test -p shimmer-ring --test models --release
//! RUSTFLAGS="--cfg shuttle" cargo test -p shimmer-ring --test models --release
//! ```
//! in a target directory of their own. Each of these breaks one line of the protocols, and then the
//! model named must fail: `RUSTFLAGS='--cfg loom --cfg mutant="NAME"' cargo test ... MODEL`.
//!
//! ```text
//! publish_relaxed gating     gate_relaxed    gating      reserve_fence lossy    reserve_late lossy
//! validate_fence  lossy      role_relaxed    combine     give_relaxed  combine  done_relaxed combine
//! wait_fence      wake       announce_fence  wake
//! ```
//!
//! Rule: the bounds are chosen so that each model ends within a minute.

#![cfg(any(loom, shuttle))]

use shimmer_ring::model;

#[cfg(loom)]
fn check(preemptions: usize, world: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(world);
}

#[cfg(shuttle)]
fn check(_preemptions: usize, world: impl Fn() + Sync + Send + 'static) {
    shuttle::check_random(world, 2_000);
}

/// Small worlds for loom, which looks at everything, larger ones for shuttle.
const fn size(loom: u64, shuttle: u64) -> u64 {
    if cfg!(loom) { loom } else { shuttle }
}

#[test]
fn combine() {
    check(3, || model::combine(2, size(2, 5)));
}

#[test]
fn combine_hands_over() {
    check(2, || model::combine(3, size(1, 5)));
}

#[test]
fn lossy() {
    check(3, || model::lossy(size(3, 20)));
}

#[test]
fn gating() {
    check(3, || model::gating(size(4, 20)));
}

#[test]
fn wake() {
    check(4, || model::wake(size(2, 20)));
}

#[test]
fn wake_for_request() {
    check(4, model::wake_for_request);
}
