//! One key, three spellings: the origin of envelopes, the peer of connections, and what people write in `allow`.

use libp2p::PeerId;
use libp2p::identity::PublicKey;
use libp2p::identity::ed25519;
use shimmer_mesh::Origin;

/// The peer that has this key; `None` for bytes that are none.
pub(crate) fn peer_id_of(origin: &Origin) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(origin.as_bytes()).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

/// The key of a peer, which an Ed25519 peer id holds as it is.
pub(crate) fn origin_of(peer: &PeerId) -> Option<Origin> {
    let key = PublicKey::try_decode_protobuf(peer.as_ref().digest()).ok()?;
    Some(Origin::from_bytes(key.try_into_ed25519().ok()?.to_bytes()))
}

/// A key as 64 hex digits or as a peer id.
pub(crate) fn read(text: &str) -> Option<Origin> {
    let text = text.trim();
    let origin = text.parse::<Origin>().ok().or_else(|| origin_of(&text.parse().ok()?))?;
    peer_id_of(&origin).map(|_| origin)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_key_and_its_peer_id_are_one() {
        let keys = libp2p::identity::Keypair::ed25519_from_bytes([7; 32]).unwrap();
        let peer = keys.public().to_peer_id();
        let origin = origin_of(&peer).unwrap();
        assert_eq!(peer_id_of(&origin), Some(peer));
        assert_eq!(read(&peer.to_string()), Some(origin));
        assert_eq!(read(&format!(" {origin} ")), Some(origin));
        assert_eq!(read("12D3"), None);
        assert_eq!(read(&"00".repeat(31)), None);
    }
}
