//! The frame: 1 to 64 envelopes in few bytes, as gossipsub carries them and anti-entropy pages hold them.
//!
//! The rule: what a frame unpacks to is bounded before anything is allocated for it, and a frame has one content. The
//! bytes are written down in the README of this crate.
//!
//! zstd sees the whole body, so that repeated names and keys cost little; signatures do not compress, and a frame goes
//! plain where zstd saves nothing.

use std::fmt;

use sha2::{Digest, Sha256};
use zstd::bulk::{Compressor, Decompressor};

use crate::bytes::{Reader, put_bytes, put_number};
use crate::envelope::{
    Alg, Envelope, Id, LogKey, MAX_EVENT_BYTES, NUMBER_LIMIT, PqProof, Verified, Verifier,
};
use crate::keys::{Origin, PQ_KEY_BYTES, PQ_SIG_BYTES};
use crate::reason::Reason;

/// Envelopes in a frame, at most.
pub const MAX_ENVELOPES: usize = 64;
/// Bytes of a body before compression, at most, when it holds more than one envelope.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// Bytes that a body may unpack to: one event of the greatest length with all that belongs to it.
pub const UNPACK_BYTES: usize = MAX_EVENT_BYTES + 8 * 1024;
/// Bytes of a frame, at most: an incompressible body goes plain.
pub const MAX_FRAME_BYTES: usize = UNPACK_BYTES + MAX_HEADER;

const VERSION: u8 = 1;
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
const MAX_HEADER: usize = 2 + 32 + 8 + 8 + 3;
/// The level at which a frame of 64 costs about as much as two signatures; higher ones save a percent.
const LEVEL: i32 = 1;
/// A shorter body is one or two envelopes, of which the signatures are a third: nothing to gain.
const WORTH_BYTES: usize = 1024;

/// The id of a frame, as gossipsub's message id: first envelope's place and a hash of the whole. A forgery with the
/// same place is another id, so it cannot make others pass over the true frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId {
    /// Of the first envelope, as the frame claims.
    pub first: Id,
    /// The first half of the frame's SHA-256.
    pub hash: [u8; 16],
}

impl FrameId {
    /// Reads the head of a frame; nothing is unpacked.
    ///
    /// # Errors
    ///
    /// [`Reason::Oversize`] above [`MAX_FRAME_BYTES`], [`Reason::Malformed`] for what does not begin as a frame does.
    pub fn of(frame: &[u8]) -> Result<Self, Reason> {
        let (header, _) = Header::read(frame)?;
        let digest: [u8; 32] = Sha256::digest(frame).into();
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest[..16]);
        Ok(Self { first: header.first, hash })
    }

    /// The bytes that stand for it: 8 of the key, the sequence (big endian), the hash. The hash alone covers all of
    /// the frame; gossipsub tells these ids at every heartbeat, so they are short.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        let mut out = [0; 32];
        out[..8].copy_from_slice(&self.first.log.origin.as_bytes()[..8]);
        out[8..16].copy_from_slice(&self.first.seq.to_be_bytes());
        out[16..].copy_from_slice(&self.hash);
        out
    }
}

struct Header {
    first: Id,
    coding: u8,
    body_bytes: usize,
}

impl Header {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[VERSION, self.coding]);
        out.extend_from_slice(self.first.log.origin.as_bytes());
        put_number(out, self.first.log.epoch);
        put_number(out, self.first.seq);
        put_number(out, self.body_bytes as u64);
    }

    /// The header and what follows it.
    fn read(frame: &[u8]) -> Result<(Self, &[u8]), Reason> {
        if frame.len() > MAX_FRAME_BYTES {
            return Err(Reason::Oversize);
        }
        let mut reader = Reader(frame);
        let [version, coding] = reader.array()?;
        if version != VERSION || !matches!(coding, PLAIN | ZSTD) {
            return Err(Reason::Malformed);
        }
        let origin = Origin::from_bytes(reader.array()?);
        let [epoch, seq] = [reader.number()?, reader.number()?];
        if epoch >= NUMBER_LIMIT || seq == 0 || seq >= NUMBER_LIMIT {
            return Err(Reason::Malformed);
        }
        let first = Id { log: LogKey { origin, epoch }, seq };
        let body_bytes = reader.count(UNPACK_BYTES)?;
        Ok((Self { first, coding, body_bytes }, reader.0))
    }
}

/// Packs and unpacks frames, and verifies what is in them. It keeps zstd's memory and its buffers, so one serves one
/// thread for long.
pub struct Codec {
    compressor: Compressor<'static>,
    decompressor: Decompressor<'static>,
    body: Vec<u8>,
    packed: Vec<u8>,
    verifier: Verifier,
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec").finish_non_exhaustive()
    }
}

impl Default for Codec {
    fn default() -> Self {
        Self {
            compressor: Compressor::new(LEVEL).expect("zstd has memory for its state"),
            decompressor: Decompressor::new().expect("zstd has memory for its state"),
            body: Vec::with_capacity(UNPACK_BYTES),
            packed: Vec::with_capacity(UNPACK_BYTES),
            verifier: Verifier::default(),
        }
    }
}

impl Codec {
    /// Packs envelopes into one frame. [`pack`] says how many fit.
    ///
    /// # Panics
    ///
    /// Without envelopes, or with more than a frame may hold: the caller's bug.
    #[must_use]
    pub fn encode<E: AsRef<Envelope>>(&mut self, envelopes: &[E]) -> Vec<u8> {
        assert!((1..=MAX_ENVELOPES).contains(&envelopes.len()), "a frame holds 1 to 64 envelopes");
        self.body.clear();
        write_body(envelopes, &mut self.body);
        assert!(self.body.len() <= UNPACK_BYTES, "a frame of {} bytes", self.body.len());
        self.packed.clear();
        let smaller = self.body.len() >= WORTH_BYTES
            && self.compressor.compress_to_buffer(&self.body, &mut self.packed).is_ok()
            && self.packed.len() < self.body.len();
        let (coding, body) = if smaller { (ZSTD, &self.packed) } else { (PLAIN, &self.body) };
        let mut out = Vec::with_capacity(MAX_HEADER + body.len());
        let first = envelopes[0].as_ref().id;
        Header { first, coding, body_bytes: self.body.len() }.write(&mut out);
        out.extend_from_slice(body);
        out
    }

    /// Unpacks a frame. Its envelopes are claims.
    ///
    /// # Errors
    ///
    /// [`Reason::Oversize`] where a bound is passed, [`Reason::Malformed`] for everything else that is not a frame.
    pub fn decode(&mut self, frame: &[u8]) -> Result<Vec<Envelope>, Reason> {
        let (header, packed) = Header::read(frame)?;
        let body = match header.coding {
            PLAIN => packed,
            _ => {
                self.body.clear();
                // The buffer's capacity bounds what zstd may write.
                self.decompressor
                    .decompress_to_buffer(packed, &mut self.body)
                    .map_err(|_| Reason::Malformed)?;
                &self.body
            }
        };
        if body.len() != header.body_bytes {
            return Err(Reason::Malformed);
        }
        let envelopes = read_body(body)?;
        if envelopes[0].id != header.first {
            return Err(Reason::Malformed);
        }
        Ok(envelopes)
    }

    /// Unpacks a frame and verifies all that is in it: all hold, or the frame is refused as a whole, because it would
    /// be forwarded as a whole.
    ///
    /// # Errors
    ///
    /// The reason to count, and to refuse whoever sent it.
    pub fn open(&mut self, frame: &[u8]) -> Result<Vec<Verified>, Reason> {
        let envelopes = self.decode(frame)?;
        self.verify(envelopes)
    }

    /// Verifies envelopes: all hold, or none is returned.
    ///
    /// # Errors
    ///
    /// The reason of one that does not hold.
    pub fn verify(&mut self, envelopes: Vec<Envelope>) -> Result<Vec<Verified>, Reason> {
        self.verifier.verify_all(envelopes)
    }
}

impl AsRef<Envelope> for Envelope {
    fn as_ref(&self) -> &Envelope {
        self
    }
}

impl AsRef<Envelope> for Verified {
    fn as_ref(&self) -> &Envelope {
        self
    }
}

/// Divides envelopes into runs that fit a frame each, in their order.
pub fn pack<E: AsRef<Envelope>>(envelopes: &[E]) -> impl Iterator<Item = &[E]> {
    let mut rest = envelopes;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |envelope: &&E| {
            bytes += record_bytes(envelope.as_ref());
            bytes <= MAX_BODY_BYTES
        };
        let count = rest.iter().take(MAX_ENVELOPES).take_while(fits).count();
        // One that is larger than that travels alone.
        let (frame, after) = rest.split_at_checked(count.max(1))?;
        rest = after;
        Some(frame)
    })
}

/// An upper bound of what an envelope takes in a body, with a head of its own.
fn record_bytes(envelope: &Envelope) -> usize {
    envelope.weight() + 16
}

fn write_body<E: AsRef<Envelope>>(envelopes: &[E], out: &mut Vec<u8>) {
    let mut heads: Vec<&Envelope> = Vec::new();
    let is_head = |head: &Envelope, envelope: &Envelope| {
        head.id.log == envelope.id.log
            && head.pq.as_ref().map(|pq| &pq.key) == envelope.pq.as_ref().map(|pq| &pq.key)
    };
    let mut head_of = Vec::with_capacity(envelopes.len());
    for envelope in envelopes.iter().map(AsRef::as_ref) {
        // Nearly always the last one.
        let known = heads.iter().rposition(|head| is_head(head, envelope));
        head_of.push(known.unwrap_or(heads.len()));
        if known.is_none() {
            heads.push(envelope);
        }
    }
    put_number(out, heads.len() as u64);
    for head in heads {
        out.extend_from_slice(head.id.log.origin.as_bytes());
        put_number(out, head.id.log.epoch);
        out.push(u8::from(head.pq.is_some()));
        if let Some(pq) = &head.pq {
            out.extend_from_slice(&pq.key[..]);
        }
    }
    put_number(out, envelopes.len() as u64);
    for (envelope, head) in envelopes.iter().map(AsRef::as_ref).zip(head_of) {
        put_number(out, head as u64);
        put_number(out, envelope.id.seq);
        put_number(out, envelope.max_ttl);
        put_bytes(out, envelope.event.as_bytes());
        out.extend_from_slice(&envelope.sig);
        if let Some(pq) = &envelope.pq {
            out.extend_from_slice(&pq.sig[..]);
        }
    }
}

fn read_body(body: &[u8]) -> Result<Vec<Envelope>, Reason> {
    let mut reader = Reader(body);
    let head_count = reader.count(MAX_ENVELOPES)?;
    let mut heads = Vec::with_capacity(head_count);
    for _ in 0..head_count {
        let log = LogKey { origin: Origin::from_bytes(reader.array()?), epoch: reader.number()? };
        let alg = match reader.byte()? {
            0 => Alg::Ed25519,
            1 => Alg::Hybrid,
            _ => return Err(Reason::Malformed),
        };
        let pq_key = match alg {
            Alg::Ed25519 => None,
            Alg::Hybrid => Some(Box::new(reader.array::<PQ_KEY_BYTES>()?)),
        };
        heads.push((log, pq_key));
    }
    let count = reader.count(MAX_ENVELOPES)?;
    if count == 0 || body.len() > MAX_BODY_BYTES && count > 1 {
        return Err(if count == 0 { Reason::Malformed } else { Reason::Oversize });
    }
    let mut envelopes = Vec::with_capacity(count);
    for _ in 0..count {
        let head = usize::try_from(reader.number()?).unwrap_or(usize::MAX);
        let (log, pq_key) = heads.get(head).ok_or(Reason::Malformed)?;
        let [seq, max_ttl] = [reader.number()?, reader.number()?];
        let event = std::str::from_utf8(reader.bytes(MAX_EVENT_BYTES)?);
        let event = event.map_err(|_| Reason::Malformed)?.into();
        let sig = reader.array()?;
        let pq = match pq_key {
            None => None,
            Some(key) => {
                let sig = Box::new(reader.array::<PQ_SIG_BYTES>()?);
                Some(PqProof { key: key.clone(), sig })
            }
        };
        envelopes.push(Envelope { id: Id { log: *log, seq }, max_ttl, event, sig, pq });
    }
    reader.end()?;
    Ok(envelopes)
}

#[cfg(test)]
mod tests;
