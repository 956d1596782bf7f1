//! Anti-entropy, the answering side.
//!
//! The rule: an answer costs no more than its bound, a peer gets no more than its share, and only what is stored is
//! given. Reading the store is a job of its own, so that it needs neither the node nor its lock.

use std::collections::BTreeMap;

use crate::frame::{Codec, pack};
use crate::log::{Logs, Shown};
use crate::ranges::RangeSet;
use crate::reason::Reason;
use crate::store::{Span, Store};
use crate::sync::Peer;
use crate::wire::{Ask, DigestWriter, PAGE_BYTES, Request, busy, page, same};

/// What to do with a request.
#[derive(Debug)]
pub enum Served {
    /// Send this.
    Answer(Vec<u8>),
    /// Run the job beside a store and send what it returns.
    Read(PageJob),
    /// Send nothing; the request was refused and counted.
    Refused(Reason),
}

/// A page that is to be read from the store.
#[derive(Debug)]
pub struct PageJob {
    spans: Vec<Span>,
}

impl PageJob {
    /// Reads and packs the page, which is at most [`crate::MAX_ANSWER_BYTES`] long.
    ///
    /// # Errors
    ///
    /// Those of the store; then there is no answer to send.
    pub fn run<S: Store>(&self, store: &S, codec: &mut Codec) -> Result<Vec<u8>, S::Error> {
        let mut envelopes = Vec::new();
        let mut bytes = 0;
        let mut done = true;
        for (at, span) in self.spans.iter().enumerate() {
            let before = envelopes.len();
            store.read(*span, PAGE_BYTES - bytes, &mut envelopes)?;
            bytes += envelopes[before..].iter().map(|e| e.weight()).sum::<usize>();
            let full = bytes + 1024 > PAGE_BYTES;
            let last = envelopes[before..].last().map(|e| e.id.seq);
            if let Some(last) = last.filter(|last| *last < span.high) {
                // Whether it stopped for want of room or of envelopes.
                let mut next = Vec::new();
                store.read(Span { low: last + 1, ..*span }, 0, &mut next)?;
                done = next.is_empty();
            }
            done &= !full || at + 1 == self.spans.len();
            if !done {
                break;
            }
        }
        let frames: Vec<Vec<u8>> = pack(&envelopes).map(|run| codec.encode(run)).collect();
        Ok(page(done, &frames))
    }
}

/// Bytes that a peer may still have, refilled with time.
#[derive(Debug)]
struct Bucket {
    bytes: f64,
    at_ms: u64,
    /// Requests in a row for which there was nothing left.
    denied: u32,
}

#[derive(Debug)]
pub(crate) struct Shares {
    buckets: BTreeMap<Peer, Bucket>,
    bytes_per_second: f64,
}

/// What a peer may have at once, in seconds of its share.
const BURST_S: f64 = 0.5;
/// Denials in a row that an honest clock explains.
const PATIENCE: u32 = 8;
/// What answering anything costs.
const REQUEST_COST: f64 = 4096.0;

impl Shares {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self { buckets: BTreeMap::new(), bytes_per_second: bytes_per_second as f64 }
    }

    pub(crate) fn disconnected(&mut self, peer: Peer) {
        self.buckets.remove(&peer);
    }

    /// Takes `cost` from the peer's share; else says in how many milliseconds it is there.
    fn take(&mut self, peer: Peer, cost: f64, now_ms: u64) -> Result<(), u64> {
        let full = (self.bytes_per_second * BURST_S).max(2.0 * PAGE_BYTES as f64);
        let rate = self.bytes_per_second / 1000.0;
        let bucket =
            self.buckets.entry(peer).or_insert(Bucket { bytes: full, at_ms: now_ms, denied: 0 });
        let passed = now_ms.saturating_sub(bucket.at_ms) as f64;
        bucket.bytes = (bucket.bytes + passed * rate).min(full);
        bucket.at_ms = now_ms;
        if bucket.bytes < cost {
            bucket.denied += 1;
            return Err(((cost - bucket.bytes) / rate).ceil() as u64);
        }
        bucket.bytes -= cost;
        bucket.denied = 0;
        Ok(())
    }

    /// Whether it goes on asking without waiting as long as it was told to.
    pub(crate) fn is_greedy(&self, peer: Peer) -> bool {
        self.buckets.get(&peer).is_some_and(|bucket| bucket.denied > PATIENCE)
    }
}

/// Answers a request. `peer` must be connected, which bounds the shares.
pub(crate) fn serve(
    logs: &Logs,
    shares: &mut Shares,
    instance: u64,
    (peer, bytes): (Peer, &[u8]),
    now_ms: u64,
) -> Served {
    let request = match Request::decode(bytes) {
        Ok(request) => request,
        Err(reason) => return Served::Refused(reason),
    };
    let cost = match &request {
        Request::Digest(_) => 0,
        Request::Fetch(wants) => {
            let seqs: u64 = wants.iter().map(|(_, set)| set.count()).fold(0, u64::saturating_add);
            seqs.saturating_mul(512).min(PAGE_BYTES as u64)
        }
    };
    if let Err(retry_ms) = shares.take(peer, REQUEST_COST + cost as f64, now_ms) {
        return Served::Answer(busy(retry_ms));
    }
    match request {
        Request::Digest(ask) => Served::Answer(digest(logs, instance, &ask)),
        Request::Fetch(wants) => {
            let held = |(log, set): &(_, RangeSet)| {
                let held = logs.get(log).map(|known| known.have().intersect(set));
                let log = *log;
                let ranges = held.unwrap_or_default().ranges().to_vec();
                ranges.into_iter().map(move |(low, high)| Span { log, low, high })
            };
            Served::Read(PageJob { spans: wants.iter().flat_map(held).collect() })
        }
    }
}

fn digest(logs: &Logs, instance: u64, ask: &Ask) -> Vec<u8> {
    if ask.hash.is_some_and(|hash| hash == logs.hash()) {
        return same(instance, logs.change());
    }
    // A number that another life told says nothing.
    let since = if ask.instance == instance { ask.since } else { 0 };
    let shown = if ask.all { Shown::All } else { Shown::Settled };
    let mut writer = DigestWriter::new();
    let mut upto = since;
    for (change, log, hybrid, ranges) in logs.changed_since(since, shown) {
        if !ranges.is_empty() && !writer.push(&log, hybrid, ranges) {
            return writer.finish(instance, upto, true);
        }
        upto = change;
    }
    writer.finish(instance, logs.change(), false)
}
