//! Whatever a WebSocket's client sends, it is understood the same however it is cut, and closed on in order.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shimmer_server::property::WsFrames;

thread_local! {
    static BENCH: WsFrames = WsFrames::default();
}

fuzz_target!(|data: &[u8]| BENCH.with(|bench| bench.holds(data)));
