//! Whatever is handed in as a vote, or comes as another node's log, is read as it was written or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| shimmer_governor::property::holds(data));
