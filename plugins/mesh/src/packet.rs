//! The packet: the flat JSON in which the gateway speaks to scripts and browsers.
//!
//! The rule: `{"type":"gossip","subtype":..,"ttl":n,"event":{..}}` with nothing of a signature or all of it, and an
//! event is put into canonical form before anybody looks at it. Other members are passed over.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::envelope::{Alg, Envelope, Id, LogKey, NUMBER_LIMIT, PqProof};
use crate::jcs;
use crate::keys::{Origin, PQ_KEY_BYTES, PQ_SIG_BYTES, decode_hex};
use crate::reason::Reason;

/// Bytes of a packet, at most.
pub const MAX_PACKET_BYTES: usize = 64 * 1024;
/// The subtype of events of kind `beauty`; others have their kind.
pub const BEAUTY_SUBTYPE: &str = "beauty_event";
/// Characters of a subtype, at most.
pub const MAX_SUBTYPE: usize = 64;

/// A packet that may travel: its ttl is at least 1 and, of a signed one, at most the one that was signed.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// Hops left, this one included.
    pub ttl: u64,
    /// [`BEAUTY_SUBTYPE`] or a kind.
    pub subtype: String,
    /// What it carries.
    pub body: Body,
}

/// What a packet carries.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// An event of nobody in particular: its canonical text.
    Unsigned(Box<str>),
    /// An envelope whose signature is still to be verified, with [`crate::Verifier::verify`].
    Signed(Box<Envelope>),
}

#[derive(Deserialize)]
struct Members<'p> {
    #[serde(borrow, default, rename = "type", deserialize_with = "present")]
    kind: Option<&'p RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    subtype: Option<&'p RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    ttl: Option<&'p RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    event: Option<&'p RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    origin: Option<&'p RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    epoch: Option<&'p RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    seq: Option<&'p RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    max_ttl: Option<&'p RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    alg: Option<&'p RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    sig: Option<&'p RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pq_key: Option<&'p RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pq_sig: Option<&'p RawValue>,
}

/// A member that is null is there.
fn present<'de: 'p, 'p, D: Deserializer<'de>>(from: D) -> Result<Option<&'p RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

fn read<'p, T: Deserialize<'p>>(
    member: Option<&'p RawValue>,
    otherwise: Reason,
) -> Result<T, Reason> {
    serde_json::from_str(member.ok_or(otherwise)?.get()).map_err(|_| otherwise)
}

impl Packet {
    /// Reads a packet. The signature of a signed one is not verified yet.
    ///
    /// # Errors
    ///
    /// In this order: [`Reason::Oversize`]; [`Reason::Malformed`] for what is no packet; [`Reason::Ttl`] for one whose
    /// ttl is used up; [`Reason::Signature`] where anything of the signed part is missing or wrong.
    pub fn parse(text: &[u8]) -> Result<Self, Reason> {
        if text.len() > MAX_PACKET_BYTES {
            return Err(Reason::Oversize);
        }
        let members: Members<'_> = serde_json::from_slice(text).map_err(|_| Reason::Malformed)?;
        let kind: String = read(members.kind, Reason::Malformed)?;
        let subtype: String = read(members.subtype, Reason::Malformed)?;
        if kind != "gossip" || !is_subtype(&subtype) {
            return Err(Reason::Malformed);
        }
        let ttl: i64 = read(members.ttl, Reason::Malformed)?;
        let event = members.event.ok_or(Reason::Malformed)?.get();
        let event = jcs::canonicalise(event)?;
        if !event.starts_with('{') || ttl >= NUMBER_LIMIT as i64 {
            return Err(Reason::Malformed);
        }
        let ttl = u64::try_from(ttl).ok().filter(|ttl| *ttl > 0).ok_or(Reason::Ttl)?;
        let body = match members.is_signed() {
            false => Body::Unsigned(event.into()),
            true => Body::Signed(Box::new(members.envelope(event.into(), ttl)?)),
        };
        Ok(Self { ttl, subtype, body })
    }

    /// The packet of an event that is at home in the mesh. Its ttl is cut to what was signed.
    #[must_use]
    pub fn of(envelope: &Envelope, subtype: &str, ttl: u64) -> Self {
        Self {
            ttl: ttl.clamp(1, envelope.max_ttl.max(1)),
            subtype: subtype.to_owned(),
            body: Body::Signed(Box::new(envelope.clone())),
        }
    }

    /// The same with one hop less, if there is one left.
    #[must_use]
    pub fn forwarded(mut self) -> Option<Self> {
        self.ttl -= 1;
        (self.ttl > 0).then_some(self)
    }

    /// The canonical text of the event that it carries.
    #[must_use]
    pub fn event(&self) -> &str {
        match &self.body {
            Body::Unsigned(event) => event,
            Body::Signed(envelope) => &envelope.event,
        }
    }

    /// Its text, in canonical form.
    #[must_use]
    pub fn to_json(&self) -> String {
        let Self { ttl, subtype, body } = self;
        let event = self.event();
        let Body::Signed(envelope) = body else {
            return format!(
                r#"{{"event":{event},"subtype":"{subtype}","ttl":{ttl},"type":"gossip"}}"#
            );
        };
        let Envelope { id, max_ttl, sig, pq, .. } = &**envelope;
        let (origin, epoch, seq) = (id.log.origin, id.log.epoch, id.seq);
        let (alg, sig) = (envelope.alg().as_str(), hex::encode(sig));
        let pq = pq.as_ref().map_or_else(String::new, |pq| {
            let (key, sig) = (hex::encode(&pq.key[..]), hex::encode(&pq.sig[..]));
            format!(r#""pq_key":"{key}","pq_sig":"{sig}","#)
        });
        format!(
            r#"{{"alg":"{alg}","epoch":{epoch},"event":{event},"max_ttl":{max_ttl},"origin":"{origin}",{pq}"seq":{seq},"sig":"{sig}","subtype":"{subtype}","ttl":{ttl},"type":"gossip"}}"#
        )
    }
}

/// As the kind of an event: `[a-z0-9._-]{1,64}`.
fn is_subtype(text: &str) -> bool {
    let is_part = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    (1..=MAX_SUBTYPE).contains(&text.len()) && text.bytes().all(is_part)
}

impl Members<'_> {
    fn is_signed(&self) -> bool {
        let Self { origin, epoch, seq, max_ttl, alg, sig, pq_key, pq_sig, .. } = self;
        [origin, epoch, seq, max_ttl, alg, sig, pq_key, pq_sig].iter().any(|m| m.is_some())
    }

    fn envelope(&self, event: Box<str>, ttl: u64) -> Result<Envelope, Reason> {
        let wrong = Reason::Signature;
        let text = |member| read::<String>(member, wrong);
        let number = |member| match read::<u64>(member, wrong) {
            Ok(number) if number < NUMBER_LIMIT => Ok(number),
            _ => Err(wrong),
        };
        let origin: Origin = text(self.origin)?.parse()?;
        let log = LogKey { origin, epoch: number(self.epoch)? };
        let (seq, max_ttl) = (number(self.seq)?, number(self.max_ttl)?);
        let mut sig = [0; 64];
        decode_hex(&text(self.sig)?, &mut sig)?;
        let pq = match Alg::from_name(&text(self.alg)?).ok_or(wrong)? {
            Alg::Ed25519 if self.pq_key.is_some() || self.pq_sig.is_some() => return Err(wrong),
            Alg::Ed25519 => None,
            Alg::Hybrid => {
                let (mut key, mut sig) = (Box::new([0; PQ_KEY_BYTES]), Box::new([0; PQ_SIG_BYTES]));
                decode_hex(&text(self.pq_key)?, &mut key[..])?;
                decode_hex(&text(self.pq_sig)?, &mut sig[..])?;
                Some(PqProof { key, sig })
            }
        };
        if seq == 0 || ttl > max_ttl {
            return Err(wrong);
        }
        Ok(Envelope { id: Id { log, seq }, max_ttl, event, sig, pq })
    }
}

#[cfg(test)]
mod tests;
