//! The event ring as the shards see it. Rule: the only file of the fan-out that knows the ring.

use super::filter::{Names, Triple};
use super::window::Log;
use shimmer_ring::{
    ConsumerError, ConsumerHandle, ConsumerSpec, Gate, Reader, Ring, Start, WakeTarget,
};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// One shard's way into the ring: a reader that may be lapped, woken through an eventfd.
pub(super) struct RingLog {
    reader: Reader,
    waiter: ConsumerHandle,
}

impl RingLog {
    /// Registers shard number `shard`; the ring adds to `wake` when an awaited event is there.
    pub(super) fn open(
        ring: &Ring,
        shard: usize,
        wake: Arc<OwnedFd>,
    ) -> Result<Self, ConsumerError> {
        let waiter = ring.register(&ConsumerSpec {
            key: &format!("stream-{shard}"),
            durable: false,
            gate: Gate::None,
            start: Start::Newest,
            wake: WakeTarget::EventFd(wake),
        })?;
        Ok(Self { reader: ring.reader(), waiter })
    }

    /// Asks for a ring of the bell when `seq` is published; `false` when it is already.
    pub(super) fn arm(&self, seq: u64) -> bool {
        self.waiter.arm(seq)
    }
}

impl Names for RingLog {
    fn name(&self, id: u32, out: &mut Vec<u8>) -> bool {
        out.clear();
        self.reader.name(id, out)
    }
}

impl Log for RingLog {
    fn published(&self) -> u64 {
        self.reader.published()
    }

    fn oldest(&self) -> u64 {
        self.reader.oldest()
    }

    fn read(&self, seq: u64, text: &mut Vec<u8>) -> Option<Triple> {
        let meta = self.reader.meta(seq)?;
        self.reader.text_into(seq, text).then_some([meta.kind, meta.subject, meta.source])
    }
}
