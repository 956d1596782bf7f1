//! What holds for any bytes, for the fuzz targets.
//!
//! The rule: a reader that takes bytes gives back something that its writer writes again, or a reason.

use crate::{Answer, Codec, FrameId, Packet, is_canonical};

/// Reads bytes as a frame, a packet and an answer.
pub fn holds(codec: &mut Codec, bytes: &[u8]) {
    if let Ok(envelopes) = codec.decode(bytes) {
        let id = FrameId::of(bytes).expect("what unpacks has a head");
        assert_eq!(id.first, envelopes[0].id);
        let again = codec.encode(&envelopes);
        assert_eq!(codec.decode(&again).as_deref(), Ok(&envelopes[..]));
    }
    if let Ok(packet) = Packet::parse(bytes) {
        assert!(packet.ttl > 0 && is_canonical(packet.event()));
        let text = packet.to_json();
        assert!(is_canonical(&text), "{text}");
        // The canonical form of a short number may be longer than the number.
        if text.len() <= crate::MAX_PACKET_BYTES {
            assert_eq!(Packet::parse(text.as_bytes()).as_ref(), Ok(&packet));
        }
    }
    let _ = Answer::open(bytes, codec);
}
