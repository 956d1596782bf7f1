//! Whatever is posted as a CloudEvent, the way that it takes does not change it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| shimmer_event::property::cloud_events(data));
