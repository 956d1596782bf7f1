//! Whatever is posted, the parser keeps its promises.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| shimmer_event::property::holds(data));
