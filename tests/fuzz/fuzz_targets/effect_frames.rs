//! Whatever a plugin's process writes, the host decodes it or refuses it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| shimmer_host::wire::fuzz_frames(data));
