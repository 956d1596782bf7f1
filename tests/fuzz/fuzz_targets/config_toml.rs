//! Whatever the file says, it is refused at a place, or taken, shown and read again as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shimmer_server::property::ConfigFile;

thread_local! {
    static BENCH: ConfigFile = ConfigFile::default();
}

fuzz_target!(|data: &[u8]| BENCH.with(|bench| bench.holds(data)));
