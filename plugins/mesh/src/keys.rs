//! Keys: who may sign, and who is meant by an origin.
//!
//! The rule: a secret leaves memory with its owner and is never shown; a public key that two people could share, of
//! small order or in two spellings, is no origin.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::{EdwardsPoint, Scalar};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use fips204::ml_dsa_44;
use fips204::traits::{KeyGen as _, SerDes as _, Signer as _};
use sha2::{Digest, Sha256, Sha512};

use crate::reason::Reason;

/// Bytes of an ML-DSA-44 public key (FIPS 204, table 2).
pub const PQ_KEY_BYTES: usize = ml_dsa_44::PK_LEN;
/// Bytes of an ML-DSA-44 signature.
pub const PQ_SIG_BYTES: usize = ml_dsa_44::SIG_LEN;

/// The Ed25519 public key of a node; 64 lower-case hex digits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin([u8; 32]);

impl Origin {
    /// An origin as it stands in a frame; whether it is a key shows when something is verified with it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes (RFC 8032, 5.1.5).
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 8 hex digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }

    /// The point, for verification.
    ///
    /// # Errors
    ///
    /// [`Reason::Signature`] for bytes that are no point, spell one in a second way, or name one of small order.
    pub fn key(&self) -> Result<OriginKey, Reason> {
        if !is_reduced(&self.0) {
            return Err(Reason::Signature);
        }
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| Reason::Signature)?;
        if key.is_weak() { Err(Reason::Signature) } else { Ok(OriginKey::of(&key)) }
    }
}

/// An [`Origin`] unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginKey {
    origin: Origin,
    minus: EdwardsPoint,
}

/// What a signature comes to, before anybody compares: many are compared at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    r: [u8; 32],
    expected: EdwardsPoint,
}

impl OriginKey {
    fn of(key: &VerifyingKey) -> Self {
        Self { origin: Origin(key.to_bytes()), minus: -key.to_edwards() }
    }

    /// Whose it is.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// What the owner's signature of `message` would come to.
    ///
    /// # Errors
    ///
    /// [`Reason::Signature`] for an S that is not below the order of the group, and for an R of small order: that is one
    /// of eight texts, as R has one spelling, so nothing needs to be unpacked for it.
    pub(crate) fn claim(&self, message: &[u8], sig: &[u8; 64]) -> Result<Claim, Reason> {
        static SMALL_ORDER: LazyLock<[[u8; 32]; 8]> =
            LazyLock::new(|| EIGHT_TORSION.map(|point| point.compress().to_bytes()));
        let (mut r, mut s) = ([0; 32], [0; 32]);
        r.copy_from_slice(&sig[..32]);
        s.copy_from_slice(&sig[32..]);
        let s = Option::from(Scalar::from_canonical_bytes(s)).ok_or(Reason::Signature)?;
        if SMALL_ORDER.contains(&r) {
            return Err(Reason::Signature);
        }
        let hashed = Sha512::new()
            .chain_update(r)
            .chain_update(self.origin.0)
            .chain_update(message)
            .finalize();
        let k = Scalar::from_bytes_mod_order_wide(&hashed.into());
        let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &self.minus, &s);
        Ok(Claim { r, expected })
    }
}

/// Whether every claim holds: R is what the rest says it is, S·B − k·A (RFC 8032, 5.1.7), in its one spelling. Each is decided
/// by itself, and as `VerifyingKey::verify_strict` decides it; only the inversion that packs a point is shared by all.
pub(crate) fn all_hold(claims: &[Claim]) -> bool {
    let expected: Vec<_> = claims.iter().map(|claim| claim.expected).collect();
    let expected = EdwardsPoint::compress_batch_alloc(&expected);
    claims.iter().zip(expected).all(|(claim, expected)| claim.r == *expected.as_bytes())
}

/// Whether the y coordinate is below 2^255 - 19. The decompression takes the 19 values above as well, which would
/// give some points two spellings.
fn is_reduced(bytes: &[u8; 32]) -> bool {
    let high = bytes[31] & 0x7f == 0x7f && bytes[1..31].iter().all(|b| *b == 0xff);
    !(high && bytes[0] >= 0xed)
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({})", self.short())
    }
}

impl FromStr for Origin {
    type Err = Reason;

    /// Lower-case hex alone, so that a key has one text.
    fn from_str(text: &str) -> Result<Self, Reason> {
        let mut bytes = [0; 32];
        decode_hex(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

/// Lower-case hex of exactly `out.len()` bytes.
pub(crate) fn decode_hex(text: &str, out: &mut [u8]) -> Result<(), Reason> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(Reason::Signature);
    }
    hex::decode_to_slice(text, out).map_err(|_| Reason::Signature)
}

/// The secret keys of a node. They are overwritten when it is dropped.
pub struct Keys {
    ed: SigningKey,
    pq: Option<Box<PqKeys>>,
}

struct PqKeys {
    secret: ml_dsa_44::PrivateKey,
    public: [u8; PQ_KEY_BYTES],
    hash: [u8; 32],
}

impl Keys {
    /// From 32 random bytes (RFC 8032, 5.1.5). Whoever read them from a file overwrites their copy.
    #[must_use]
    pub fn ed25519(secret: &[u8; 32]) -> Self {
        Self { ed: SigningKey::from_bytes(secret), pq: None }
    }

    /// From the secret of Ed25519 and the seed of ML-DSA-44 (FIPS 204, algorithm 6), drawn independently.
    #[must_use]
    pub fn hybrid(secret: &[u8; 32], pq_seed: &[u8; 32]) -> Self {
        let (public, secret_pq) = ml_dsa_44::KG::keygen_from_seed(pq_seed);
        let public = public.into_bytes();
        let hash = pq_hash(&public);
        let pq = Some(Box::new(PqKeys { secret: secret_pq, public, hash }));
        Self { ed: SigningKey::from_bytes(secret), pq }
    }

    /// Who these keys are to others.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin(self.ed.verifying_key().to_bytes())
    }

    /// SHA-256 of the ML-DSA key, of a hybrid.
    #[must_use]
    pub fn pq_hash(&self) -> Option<[u8; 32]> {
        self.pq.as_ref().map(|pq| pq.hash)
    }

    pub(crate) fn pq_public(&self) -> Option<&[u8; PQ_KEY_BYTES]> {
        self.pq.as_ref().map(|pq| &pq.public)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.ed.sign(message).to_bytes()
    }

    /// Deterministic (FIPS 204, 3.4): the same event signed again after a crash is the same envelope.
    pub(crate) fn sign_pq(&self, message: &[u8]) -> Option<[u8; PQ_SIG_BYTES]> {
        let pq = self.pq.as_ref()?;
        let signed = pq.secret.try_sign_with_seed(&[0; 32], message, &[]);
        Some(signed.expect("a context below 256 bytes is always signed"))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("origin", &self.origin()).finish_non_exhaustive()
    }
}

/// SHA-256 of an ML-DSA key: the member `pq` of what is signed.
pub(crate) fn pq_hash(key: &[u8; PQ_KEY_BYTES]) -> [u8; 32] {
    Sha256::digest(key).into()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signature, Verifier as _};
    use proptest::prelude::*;

    use super::*;

    fn holds(key: &VerifyingKey, message: &[u8], sig: &[u8; 64]) -> bool {
        OriginKey::of(key).claim(message, sig).is_ok_and(|claim| all_hold(&[claim]))
    }

    #[test]
    fn secrets_are_not_shown() {
        let keys = Keys::hybrid(&[0xab; 32], &[0xcd; 32]);
        let shown = format!("{keys:?} {:?}", keys.origin());
        assert!(!shown.contains("abab") && !shown.contains("cdcd") && !shown.contains("171, 171"));
        assert!(shown.contains(&keys.origin().short()), "{shown}");
    }

    #[test]
    fn weak_and_doubly_spelt_keys_are_none() {
        let mut one = [0; 32];
        one[0] = 1; // The neutral element.
        let mut zero_spelt_p = [0xff; 32];
        (zero_spelt_p[0], zero_spelt_p[31]) = (0xed, 0x7f);
        let mut two_spelt = zero_spelt_p;
        two_spelt[0] = 0xf0; // y = 3, which is a point.
        let mut off_curve = [0; 32];
        off_curve[0] = 2;
        for bytes in [[0; 32], one, zero_spelt_p, two_spelt, off_curve, [0xff; 32]] {
            assert_eq!(Origin::from_bytes(bytes).key(), Err(Reason::Signature));
        }
        let mut three = [0; 32];
        three[0] = 3;
        assert!(Origin::from_bytes(three).key().is_ok());
        assert!(Keys::ed25519(&[7; 32]).origin().key().is_ok());
    }

    #[test]
    fn a_signature_of_small_order_is_none() {
        // Whoever knows a key can make such ones: they would fit many messages, or none, as the reader pleases.
        let secret = SigningKey::from_bytes(&[7; 32]);
        let message = b"whatever";
        let mut plain_took = 0;
        for (torsion, r) in
            EIGHT_TORSION.iter().flat_map(|t| EIGHT_TORSION.iter().map(move |r| (t, r)))
        {
            let point = EdwardsPoint::mul_base(&secret.to_scalar()) + torsion;
            let key = VerifyingKey::from_bytes(point.compress().as_bytes()).unwrap();
            let r = r.compress();
            let hashed = Sha512::new()
                .chain_update(r.as_bytes())
                .chain_update(key.as_bytes())
                .chain_update(message);
            let s =
                Scalar::from_bytes_mod_order_wide(&hashed.finalize().into()) * secret.to_scalar();
            let sig = Signature::from_components(r.to_bytes(), s.to_bytes());
            plain_took += usize::from(key.verify(message, &sig).is_ok());
            assert!(key.verify_strict(message, &sig).is_err());
            assert!(!holds(&key, message, &sig.to_bytes()));
        }
        assert!(plain_took > 0, "or this shows nothing");
    }

    proptest! {
        #[test]
        fn a_signature_holds_exactly_where_the_library_says_so(
            secret in any::<[u8; 32]>(),
            message in prop::collection::vec(any::<u8>(), 0..80),
            change in prop::option::of((0_usize..64, 0_u8..8)),
            add_order in any::<bool>(),
        ) {
            let secret = SigningKey::from_bytes(&secret);
            let mut sig = secret.sign(&message).to_bytes();
            if add_order {
                // The order of the group: S in another spelling.
                let order: [u8; 32] = (-Scalar::ONE).to_bytes();
                let mut carry = 1;
                for (byte, more) in sig[32..].iter_mut().zip(order) {
                    carry += u16::from(*byte) + u16::from(more);
                    (*byte, carry) = (carry as u8, carry >> 8);
                }
            }
            if let Some((at, bit)) = change {
                sig[at] ^= 1 << bit;
            }
            let key = secret.verifying_key();
            let expected = key.verify_strict(&message, &Signature::from_bytes(&sig)).is_ok();
            prop_assert_eq!(holds(&key, &message, &sig), expected);
            prop_assert_eq!(expected, change.is_none() && !add_order);
        }
    }

    #[test]
    fn one_that_does_not_hold_is_found_among_many() {
        let keys: Vec<_> = (0..64).map(|n| Keys::ed25519(&[n; 32])).collect();
        let claims = |wrong: usize| -> Vec<_> {
            let signed = keys.iter().enumerate().map(|(n, keys)| {
                let sig = keys.sign(b"message");
                let message: &[u8] = if n == wrong { b"another" } else { b"message" };
                keys.origin().key().unwrap().claim(message, &sig).unwrap()
            });
            signed.collect()
        };
        assert!(all_hold(&claims(usize::MAX)) && all_hold(&[]));
        for wrong in [0, 31, 63] {
            assert!(!all_hold(&claims(wrong)), "{wrong}");
        }
    }

    #[test]
    fn an_origin_has_one_text() {
        let origin = Keys::ed25519(&[7; 32]).origin();
        let text = origin.to_string();
        assert_eq!(text.parse(), Ok(origin));
        for bad in [text.to_uppercase(), text[1..].to_owned(), format!("{text}0"), "x".repeat(64)] {
            assert_eq!(bad.parse::<Origin>(), Err(Reason::Signature), "{bad}");
        }
    }
}
