//! Whatever comes from the mesh, its readers take it or say why not.

#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use shimmer_mesh::Codec;
use shimmer_mesh::property::holds;

thread_local! {
    static CODEC: RefCell<Codec> = RefCell::default();
}

fuzz_target!(|data: &[u8]| CODEC.with_borrow_mut(|codec| holds(codec, data)));
