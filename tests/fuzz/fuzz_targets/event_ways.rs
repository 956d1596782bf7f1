//! Whatever is posted, the short way through the parser says what the careful one says.

#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use shimmer_event::property::BothWays;

thread_local! {
    static WAYS: RefCell<BothWays> = RefCell::default();
}

fuzz_target!(|data: &[u8]| WAYS.with_borrow_mut(|ways| ways.agree(data)));
