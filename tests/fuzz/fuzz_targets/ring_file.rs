//! Whatever lies in the place of the journal, the ring opens, and believes only what was written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shimmer_ring::property::Bench;

thread_local! {
    static BENCH: Bench = Bench::default();
}

fuzz_target!(|data: &[u8]| BENCH.with(|bench| bench.holds(data)));
