//! The envelope: one event with who signed it and where it stands in its origin's sequence.
//!
//! The rule: a [`Verified`] comes from a signature made or checked here, or from the caller's own store, and only such
//! go further. The signed bytes are the ASCII line `shimmer-gossip-v1`, one LF, and the RFC 8785 text of
//! `{alg, epoch, event, max_ttl, origin, seq}`, of a hybrid also `pq`.

use std::fmt;
use std::io::Write as _;
use std::ops::Deref;
use std::sync::Arc;

use fips204::ml_dsa_44;
use fips204::traits::{SerDes as _, Verifier as _};

use crate::facts::Facts;
use crate::jcs;
use crate::keys::{Claim, Keys, Origin, OriginKey, PQ_KEY_BYTES, PQ_SIG_BYTES, all_hold, pq_hash};
use crate::reason::Reason;

/// The first line of what is signed; nothing else signed with such a key begins with it.
pub const DOMAIN: &str = "shimmer-gossip-v1";
/// Epochs, sequences and ttls are below this, so that every JSON reader has them exactly.
pub const NUMBER_LIMIT: u64 = 1 << 53;
/// Bytes of an event's canonical text, at most.
pub const MAX_EVENT_BYTES: usize = 64 * 1024;

/// How an envelope is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alg {
    /// RFC 8032.
    Ed25519,
    /// Both signatures over the same bytes; a forger must break both.
    Hybrid,
}

impl Alg {
    /// The member `alg`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Hybrid => "ed25519+ml-dsa-44",
        }
    }

    /// The algorithm of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Ed25519, Self::Hybrid].into_iter().find(|alg| alg.as_str() == name)
    }
}

/// The place of an envelope: no two with different content are honest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogKey {
    /// Who signed.
    pub origin: Origin,
    /// Unix milliseconds at which the origin began to count from 1; a later epoch is a new count.
    pub epoch: u64,
}

/// The place of an envelope in the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Its log.
    pub log: LogKey,
    /// From 1, without gaps.
    pub seq: u64,
}

/// The second key and signature of a hybrid.
#[derive(Clone, PartialEq, Eq)]
pub struct PqProof {
    /// The ML-DSA-44 key; the signed bytes hold its SHA-256.
    pub key: Box<[u8; PQ_KEY_BYTES]>,
    /// Over the same bytes as `sig`, with an empty context.
    pub sig: Box<[u8; PQ_SIG_BYTES]>,
}

/// An event on its way, as somebody claims it.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Its place.
    pub id: Id,
    /// How many hops a packet of the JSON gateway with it may make at most; at least 1.
    pub max_ttl: u64,
    /// An object in canonical text, exactly as signed.
    pub event: Box<str>,
    /// Ed25519.
    pub sig: [u8; 64],
    /// Of a hybrid.
    pub pq: Option<PqProof>,
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, max_ttl, event, .. } = self;
        write!(f, "Envelope({:?}/{}/{} ttl {max_ttl} {event})", id.log.origin, id.log.epoch, id.seq)
    }
}

impl Envelope {
    /// How it is signed.
    #[must_use]
    pub fn alg(&self) -> Alg {
        if self.pq.is_some() { Alg::Hybrid } else { Alg::Ed25519 }
    }

    /// What the signatures cover.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(320 + self.event.len());
        self.write_signed(self.pq.as_ref().map(|pq| pq_hash(&pq.key)).as_ref(), &mut out);
        out
    }

    fn write_signed(&self, pq: Option<&[u8; 32]>, out: &mut Vec<u8>) {
        let mut origin = [0; 64];
        let hexed = hex::encode_to_slice(self.id.log.origin.as_bytes(), &mut origin);
        debug_assert!(hexed.is_ok(), "64 digits for 32 bytes");
        let alg = if pq.is_some() { Alg::Hybrid } else { Alg::Ed25519 };
        let head = write!(
            out,
            "{DOMAIN}\n{{\"alg\":\"{}\",\"epoch\":{},\"event\":{},\"max_ttl\":{},\"origin\":\"",
            alg.as_str(),
            self.id.log.epoch,
            self.event,
            self.max_ttl
        );
        out.extend_from_slice(&origin);
        if let Some(pq) = pq {
            out.extend_from_slice(b"\",\"pq\":\"");
            out.extend_from_slice(hex::encode(pq).as_bytes());
        }
        let tail = write!(out, "\",\"seq\":{}}}", self.id.seq);
        debug_assert!(head.is_ok() && tail.is_ok(), "a Vec takes every byte");
    }

    /// Bytes that it takes in memory and, nearly, on the wire.
    #[must_use]
    pub fn weight(&self) -> usize {
        let pq = if self.pq.is_some() { PQ_KEY_BYTES + PQ_SIG_BYTES } else { 0 };
        32 + 64 + 24 + self.event.len() + pq
    }

    /// What needs no key: bounds, the canonical form, the ttl.
    ///
    /// # Errors
    ///
    /// [`Reason::Oversize`], [`Reason::Malformed`] or [`Reason::Ttl`].
    pub(crate) fn check(&self) -> Result<(), Reason> {
        if self.event.len() > MAX_EVENT_BYTES {
            return Err(Reason::Oversize);
        }
        let numbers = [self.id.log.epoch, self.id.seq, self.max_ttl];
        let bounded = numbers.iter().all(|n| *n < NUMBER_LIMIT) && self.id.seq >= 1;
        if !bounded || !self.event.starts_with('{') || !jcs::is_canonical(&self.event) {
            return Err(Reason::Malformed);
        }
        if self.max_ttl == 0 { Err(Reason::Ttl) } else { Ok(()) }
    }
}

/// Keys that a [`Verifier`] keeps unpacked: events of many origins come by turns, and unpacking one is a tenth of a check.
const KEPT_KEYS: usize = 64;
type KeptKeys = [Option<OriginKey>; KEPT_KEYS];

/// Checks signatures. It keeps the last keys in their unpacked form, so one serves one thread for long.
pub struct Verifier {
    /// By the first byte of the key.
    keys: Box<KeptKeys>,
    pq: Option<Box<PqKey>>,
    message: Vec<u8>,
}

impl Default for Verifier {
    fn default() -> Self {
        Self { keys: Box::new([None; KEPT_KEYS]), pq: None, message: Vec::new() }
    }
}

struct PqKey {
    bytes: [u8; PQ_KEY_BYTES],
    hash: [u8; 32],
    key: ml_dsa_44::PublicKey,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    /// The envelope, if everything it claims holds. Costs one verification of Ed25519, of a hybrid also one of
    /// ML-DSA-44.
    ///
    /// # Errors
    ///
    /// The reason to count, and to refuse whoever sent it.
    pub fn verify(&mut self, envelope: Envelope) -> Result<Verified, Reason> {
        let mut verified = self.verify_all(vec![envelope])?;
        verified.pop().ok_or(Reason::Malformed)
    }

    /// All of the envelopes, or none. Together they cost a sixth less than one by one.
    ///
    /// # Errors
    ///
    /// As [`Self::verify`].
    pub fn verify_all(&mut self, envelopes: Vec<Envelope>) -> Result<Vec<Verified>, Reason> {
        let mut claims = Vec::with_capacity(envelopes.len());
        let mut hashes = Vec::with_capacity(envelopes.len());
        for envelope in &envelopes {
            let (claim, hash) = self.claim(envelope)?;
            claims.push(claim);
            hashes.push(hash);
        }
        if !all_hold(&claims) {
            return Err(Reason::Signature);
        }
        Ok(envelopes.into_iter().zip(hashes).map(|(e, hash)| Verified::new(e, hash)).collect())
    }

    /// What the envelope's signature comes to, and the hash of its key of ML-DSA, whose signature was checked.
    fn claim(&mut self, envelope: &Envelope) -> Result<(Claim, Option<[u8; 32]>), Reason> {
        envelope.check()?;
        let hash = match &envelope.pq {
            Some(pq) => Some(self.pq_key(&pq.key)?),
            None => None,
        };
        self.message.clear();
        envelope.write_signed(hash.as_ref(), &mut self.message);
        let key = unpacked(&mut self.keys, envelope.id.log.origin)?;
        let claim = key.claim(&self.message, &envelope.sig)?;
        if let (Some(pq), Some(cached)) = (&envelope.pq, &self.pq)
            && !cached.key.verify(&self.message, &pq.sig, &[])
        {
            return Err(Reason::Signature);
        }
        Ok((claim, hash))
    }

    /// Makes `self.pq` the key, and returns its hash.
    fn pq_key(&mut self, bytes: &[u8; PQ_KEY_BYTES]) -> Result<[u8; 32], Reason> {
        if let Some(cached) = &self.pq
            && cached.bytes == *bytes
        {
            return Ok(cached.hash);
        }
        let key = ml_dsa_44::PublicKey::try_from_bytes(*bytes).map_err(|_| Reason::Signature)?;
        let hash = pq_hash(bytes);
        self.pq = Some(Box::new(PqKey { bytes: *bytes, hash, key }));
        Ok(hash)
    }
}

fn unpacked(kept: &mut KeptKeys, origin: Origin) -> Result<&OriginKey, Reason> {
    let place = &mut kept[usize::from(origin.as_bytes()[0]) % KEPT_KEYS];
    if let Some(key) = place.take_if(|key| key.origin() == origin) {
        return Ok(place.insert(key));
    }
    Ok(place.insert(origin.key()?))
}

/// An envelope whose signatures hold. Cloning shares it.
#[derive(Clone)]
pub struct Verified(Arc<Inner>);

struct Inner {
    envelope: Envelope,
    pq_hash: Option<[u8; 32]>,
    facts: Facts,
}

impl Verified {
    fn new(envelope: Envelope, pq_hash: Option<[u8; 32]>) -> Self {
        let facts = Facts::read(&envelope.event);
        Self(Arc::new(Inner { envelope, pq_hash, facts }))
    }

    /// An envelope that was verified before it was written to the caller's own store. For nothing else.
    ///
    /// # Errors
    ///
    /// As [`Verifier::verify`] without the signatures: a store that was damaged.
    pub fn from_own_store(envelope: Envelope) -> Result<Self, Reason> {
        envelope.check()?;
        let hash = envelope.pq.as_ref().map(|pq| pq_hash(&pq.key));
        Ok(Self::new(envelope, hash))
    }

    /// SHA-256 of the ML-DSA key of a hybrid.
    #[must_use]
    pub fn pq_hash(&self) -> Option<[u8; 32]> {
        self.0.pq_hash
    }

    /// What is shown of the event.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.0.facts
    }
}

impl Deref for Verified {
    type Target = Envelope;

    fn deref(&self) -> &Envelope {
        &self.0.envelope
    }
}

impl PartialEq for Verified {
    fn eq(&self, other: &Self) -> bool {
        self.0.envelope == other.0.envelope
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.envelope.fmt(f)
    }
}

/// Signs the events of this node, each with the next sequence.
#[derive(Debug)]
pub struct Author {
    keys: Keys,
    epoch: u64,
    next: u64,
    max_ttl: u64,
}

impl Author {
    /// `next` is 1 in a new epoch, else one more than the last sequence that ever left this node in `epoch`: two events
    /// with one sequence are an equivocation, and the others keep the first alone.
    ///
    /// # Errors
    ///
    /// [`Reason::Malformed`] for numbers that no envelope may hold, [`Reason::Ttl`] for a `max_ttl` of 0.
    pub fn new(keys: Keys, epoch: u64, next: u64, max_ttl: u64) -> Result<Self, Reason> {
        if epoch >= NUMBER_LIMIT || next == 0 || next >= NUMBER_LIMIT || max_ttl >= NUMBER_LIMIT {
            return Err(Reason::Malformed);
        }
        if max_ttl == 0 { Err(Reason::Ttl) } else { Ok(Self { keys, epoch, next, max_ttl }) }
    }

    /// The log that it writes.
    #[must_use]
    pub fn log(&self) -> LogKey {
        LogKey { origin: self.keys.origin(), epoch: self.epoch }
    }

    /// The sequence of the next event.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Signs a JSON object, which is put into canonical form first. The same event with the same sequence gives the
    /// same envelope, byte for byte.
    ///
    /// # Errors
    ///
    /// [`Reason::Malformed`] for what has no canonical form, [`Reason::Oversize`] for what is longer than
    /// [`MAX_EVENT_BYTES`]; the sequence is not used up then.
    pub fn sign(&mut self, event: &str) -> Result<Verified, Reason> {
        let event = jcs::canonicalise(event)?.into();
        let pq = self
            .keys
            .pq_public()
            .map(|key| PqProof { key: Box::new(*key), sig: Box::new([0; PQ_SIG_BYTES]) });
        let id = Id { log: self.log(), seq: self.next };
        let mut envelope = Envelope { id, max_ttl: self.max_ttl, event, sig: [0; 64], pq };
        envelope.check()?;
        let hash = self.keys.pq_hash();
        let mut message = Vec::with_capacity(320 + envelope.event.len());
        envelope.write_signed(hash.as_ref(), &mut message);
        envelope.sig = self.keys.sign(&message);
        if let (Some(pq), Some(sig)) = (&mut envelope.pq, self.keys.sign_pq(&message)) {
            *pq.sig = sig;
        }
        self.next += 1;
        Ok(Verified::new(envelope, hash))
    }
}

#[cfg(test)]
mod tests;
