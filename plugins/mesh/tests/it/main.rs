//! What other implementations can rely on: the written vectors.
//!
//! The rule: the file is the promise. A change of bytes that this test notices is a new version of the protocol.

use serde_json::Value;
use shimmer_mesh::{Author, BEAUTY_SUBTYPE, Body, Codec, Keys, Packet, Verified, Verifier};

const VECTORS: &str = include_str!("../vectors/envelopes.json");

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    let mut out = [0; N];
    hex::decode_to_slice(value.as_str().expect("text"), &mut out).expect("hex");
    out
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn signed(vector: &Value) -> Verified {
    let secret = bytes(&vector["secret"]);
    let keys = match &vector["pq_seed"] {
        Value::Null => Keys::ed25519(&secret),
        seed => Keys::hybrid(&secret, &bytes(seed)),
    };
    let number = |name: &str| vector[name].as_u64().expect("a number");
    let author = Author::new(keys, number("epoch"), number("seq"), number("max_ttl"));
    author.expect("good numbers").sign(text(&vector["posted"])).expect("an event")
}

#[test]
fn the_vectors_hold() {
    let vectors: Value = serde_json::from_str(VECTORS).expect("JSON");
    let good = vectors["good"].as_array().expect("an array");
    assert!(good.len() >= 3);
    for vector in good {
        let signed = signed(vector);
        assert_eq!(&*signed.event, text(&vector["canonical"]));
        let message = String::from_utf8(signed.signed_bytes()).expect("UTF-8");
        assert_eq!(message, text(&vector["signed_bytes"]));
        let packet = Packet::of(&signed, BEAUTY_SUBTYPE, 10).to_json();
        let written: Value = serde_json::from_str(&packet).expect("JSON");
        assert_eq!(written, vector["packet"]);
        let frame = Codec::default().encode(std::slice::from_ref(&signed));
        // A hybrid's frame is compressed, and zstd may write other bytes tomorrow.
        if let Some(known) = vector["frame"].as_str() {
            assert_eq!(hex::encode(&frame), known);
        }
        assert_eq!(Codec::default().open(&frame), Ok(vec![signed]));
    }
}

#[test]
fn what_is_refused_is_refused_for_its_reason() {
    let vectors: Value = serde_json::from_str(VECTORS).expect("JSON");
    for vector in vectors["bad"].as_array().expect("an array") {
        let outcome = Packet::parse(text(&vector["packet"]).as_bytes()).and_then(|packet| {
            match packet.body {
                Body::Unsigned(_) => Ok(()),
                Body::Signed(envelope) => Verifier::default().verify(*envelope).map(|_| ()),
            }
        });
        let reason = outcome.expect_err("a bad packet").to_string();
        assert_eq!(reason, text(&vector["reason"]), "{}", vector["why"]);
    }
}
