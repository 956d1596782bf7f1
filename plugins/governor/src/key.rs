//! Keys of members, hashes, signatures: bytes that are lower-case hex as text.
//!
//! The rule: 32 or 64 bytes have one text, and a [`MemberKey`] is a point that only one person can sign with.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// `N` bytes, as text lower-case hex alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes<const N: usize>(pub [u8; N]);

/// A SHA-256.
pub type Hash = Bytes<32>;
/// An Ed25519 signature (RFC 8032).
pub type Signature = Bytes<64>;

impl Hash {
    /// Before the first entry of a log.
    pub const ZERO: Self = Self([0; 32]);

    /// SHA-256 of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl<const N: usize> fmt::Display for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl<const N: usize> fmt::Debug for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> FromStr for Bytes<N> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut bytes = [0; N];
        let upper = text.bytes().any(|b| b.is_ascii_uppercase());
        if upper || hex::decode_to_slice(text, &mut bytes).is_err() {
            return Err(format!("this is {} lower-case hex digits", 2 * N));
        }
        Ok(Self(bytes))
    }
}

impl<const N: usize> Serialize for Bytes<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Bytes<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The Ed25519 public key of a member: a point of the curve in its one spelling, not of small order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MemberKey(VerifyingKey);

impl MemberKey {
    /// Its bytes (RFC 8032, 5.1.5).
    #[must_use]
    pub fn bytes(&self) -> Bytes<32> {
        Bytes(self.0.to_bytes())
    }

    /// Whether this is its signature of these bytes, strictly: s below the order, no point of small order.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(message, &signature).is_ok()
    }
}

impl TryFrom<Bytes<32>> for MemberKey {
    type Error = String;

    fn try_from(bytes: Bytes<32>) -> Result<Self, String> {
        let key = VerifyingKey::from_bytes(&bytes.0).ok().filter(|_| is_reduced(&bytes.0));
        let key = key.ok_or("this key is no point of the curve")?;
        if key.is_weak() { Err("this key is of small order".to_owned()) } else { Ok(Self(key)) }
    }
}

/// Whether the y coordinate is below 2^255 - 19. The decompression takes the 19 values above as well, which would give
/// some points two spellings, and one person two memberships.
fn is_reduced(bytes: &[u8; 32]) -> bool {
    let high = bytes[31] & 0x7f == 0x7f && bytes[1..31].iter().all(|b| *b == 0xff);
    !(high && bytes[0] >= 0xed)
}

impl FromStr for MemberKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<Bytes<32>>()?.try_into()
    }
}

impl fmt::Display for MemberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.bytes(), f)
    }
}

impl fmt::Debug for MemberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for MemberKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MemberKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A member's secret. It is overwritten when it is dropped, and never shown.
pub struct Secret(SigningKey);

impl Secret {
    /// From 32 random bytes (RFC 8032, 5.1.5). Whoever read them from a file overwrites their copy.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(bytes))
    }

    /// Who this is to others.
    #[must_use]
    pub fn key(&self) -> MemberKey {
        MemberKey(self.0.verifying_key())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        Bytes(self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_two_people_could_share_is_none() {
        let mut one = [0; 32];
        one[0] = 1;
        let mut zero_spelt_p = [0xff; 32];
        (zero_spelt_p[0], zero_spelt_p[31]) = (0xed, 0x7f);
        let mut two_spelt = zero_spelt_p;
        two_spelt[0] = 0xf0; // y = 3, which is a point.
        let mut off_curve = [0; 32];
        off_curve[0] = 2;
        for bytes in [[0; 32], one, zero_spelt_p, two_spelt, off_curve, [0xff; 32]] {
            assert!(MemberKey::try_from(Bytes(bytes)).is_err(), "{}", Bytes(bytes));
        }
        let mut three = [0; 32];
        three[0] = 3;
        assert!(MemberKey::try_from(Bytes(three)).is_ok());
    }

    #[test]
    fn bytes_have_one_text() {
        let text = Secret::from_bytes(&[7; 32]).key().to_string();
        assert_eq!(text.parse::<MemberKey>().map(|key| key.to_string()), Ok(text.clone()));
        for bad in [text.to_uppercase(), text[1..].to_owned(), format!("{text}0"), "x".repeat(64)] {
            assert!(bad.parse::<MemberKey>().is_err() && bad.parse::<Hash>().is_err(), "{bad}");
        }
    }
}
