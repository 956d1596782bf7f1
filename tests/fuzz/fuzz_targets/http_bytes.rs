//! Whatever is sent to the port, it is answered in whole answers, by both ways alike, and the node goes on.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shimmer_server::property::HttpBytes;

thread_local! {
    static BENCH: HttpBytes = HttpBytes::default();
}

fuzz_target!(|data: &[u8]| BENCH.with(|bench| bench.holds(data)));
