//! Envelopes: the signed bytes, what does not verify, and the written vectors.

use proptest::prelude::*;

use super::*;

const EVENT: &str = r#"{"beauty_score":0.92,"event_id":"a","timestamp":"2025-10-21T04:30:00Z"}"#;

fn author() -> Author {
    Author::new(Keys::ed25519(&[1; 32]), 1_760_000_000_000, 1, 10).expect("good numbers")
}

fn hybrid() -> Author {
    Author::new(Keys::hybrid(&[1; 32], &[2; 32]), 1_760_000_000_000, 1, 10).expect("good numbers")
}

fn verify(envelope: &Envelope) -> Result<Verified, Reason> {
    Verifier::default().verify(envelope.clone())
}

#[test]
fn the_signed_bytes_are_as_written_down() {
    let mut author = author();
    let origin = author.log().origin;
    // White space and order are put right before signing.
    let signed = author.sign(&EVENT.replace(',', " , ")).expect("JSON");
    let text = format!(
        "shimmer-gossip-v1\n{{\"alg\":\"ed25519\",\"epoch\":1760000000000,\"event\":{EVENT},\"max_ttl\":10,\
         \"origin\":\"{origin}\",\"seq\":1}}"
    );
    assert_eq!(String::from_utf8(signed.signed_bytes()).as_deref(), Ok(text.as_str()));
    let (_, object) = text.split_once('\n').expect("two lines");
    assert!(jcs::is_canonical(object));
    assert_eq!(verify(&signed), Ok(signed.clone()));
    assert_eq!((author.next(), author.log().epoch), (2, 1_760_000_000_000));

    let signed = hybrid().sign(EVENT).expect("JSON");
    let text = String::from_utf8(signed.signed_bytes()).expect("UTF-8");
    let (_, object) = text.split_once('\n').expect("two lines");
    assert!(jcs::is_canonical(object) && object.contains("\"alg\":\"ed25519+ml-dsa-44\""));
    let hash = hex::encode(signed.pq_hash().expect("a hybrid"));
    assert!(object.contains(&format!("\"pq\":\"{hash}\",\"seq\"")));
}

#[test]
fn signing_again_gives_the_same_bytes() {
    for again in [author, hybrid] {
        assert_eq!(again().sign(EVENT), again().sign(EVENT));
    }
}

/// Every single bit of `count` chosen ones, flipped.
fn flipped(bytes: &mut [u8], mut refused: impl FnMut(&[u8]), count: usize) {
    let bits = bytes.len() * 8;
    for bit in (0..bits).step_by((bits / count).max(1)) {
        bytes[bit / 8] ^= 1 << (bit % 8);
        refused(bytes);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_flipped_bit_does_not_verify() {
    let signed = author().sign(EVENT).expect("JSON");
    let mut sig = signed.sig;
    let wrong = |sig: &[u8]| {
        let forged = Envelope { sig: sig.try_into().expect("64"), ..(*signed).clone() };
        assert_eq!(verify(&forged), Err(Reason::Signature));
    };
    flipped(&mut sig, wrong, 512);
    let mut origin = *signed.id.log.origin.as_bytes();
    flipped(
        &mut origin,
        |origin| {
            let mut forged = (*signed).clone();
            forged.id.log.origin = Origin::from_bytes(origin.try_into().expect("32"));
            assert_eq!(verify(&forged), Err(Reason::Signature));
        },
        256,
    );
}

#[test]
fn every_signed_number_counts() {
    let signed = author().sign(EVENT).expect("JSON");
    let mut forgeries = vec![(*signed).clone(); 4];
    forgeries[0].id.seq += 1;
    forgeries[1].id.log.epoch += 1;
    forgeries[2].max_ttl += 1;
    forgeries[3].event = EVENT.replace("0.92", "0.93").into();
    for forged in forgeries {
        assert_eq!(verify(&forged), Err(Reason::Signature), "{forged:?}");
    }
}

#[test]
fn a_hybrid_needs_both_signatures() {
    let signed = hybrid().sign(EVENT).expect("JSON");
    assert_eq!(verify(&signed), Ok(signed.clone()));
    let mut forged = (*signed).clone();
    forged.pq = None;
    assert_eq!(verify(&forged), Err(Reason::Signature), "stripped");
    let mut forged = (*signed).clone();
    forged.pq.as_mut().expect("hybrid").sig[700] ^= 4;
    assert_eq!(verify(&forged), Err(Reason::Signature), "second signature");
    // A key of somebody else, with a good signature of that key over the same bytes.
    let other = Keys::hybrid(&[1; 32], &[3; 32]);
    let pq = forged.pq.as_mut().expect("hybrid");
    *pq.key = *other.pq_public().expect("hybrid");
    *pq.sig = other.sign_pq(&signed.signed_bytes()).expect("hybrid");
    assert_eq!(verify(&forged), Err(Reason::Signature), "other key");
    let mut forged = (*signed).clone();
    forged.sig[0] ^= 1;
    assert_eq!(verify(&forged), Err(Reason::Signature), "first signature");
}

/// Adds the order of the group to the scalar: the same signature in a second spelling (RFC 8032, 8.4).
#[test]
fn a_scalar_beyond_the_order_is_refused() {
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let signed = author().sign(EVENT).expect("JSON");
    let mut forged = (*signed).clone();
    let mut carry = 0_u16;
    for (digit, more) in forged.sig[32..].iter_mut().zip(order.expect("hex")) {
        carry += u16::from(*digit) + u16::from(more);
        (*digit, carry) = (carry as u8, carry >> 8);
    }
    assert_eq!(verify(&forged), Err(Reason::Signature));
}

/// With the neutral element as key and as commitment, zero is a "signature" of everything.
#[test]
fn keys_of_small_order_sign_nothing() {
    let mut one = [0; 32];
    one[0] = 1;
    let mut forged = (*author().sign(EVENT).expect("JSON")).clone();
    forged.id.log.origin = Origin::from_bytes(one);
    forged.sig = [0; 64];
    forged.sig[0] = 1;
    assert_eq!(verify(&forged), Err(Reason::Signature));
}

#[test]
fn what_is_out_of_bounds_is_refused_by_name() {
    let signed = author().sign(EVENT).expect("JSON");
    let change = |change: &dyn Fn(&mut Envelope)| {
        let mut envelope = (*signed).clone();
        change(&mut envelope);
        verify(&envelope).expect_err("out of bounds")
    };
    assert_eq!(change(&|e| e.max_ttl = 0), Reason::Ttl);
    assert_eq!(change(&|e| e.id.seq = 0), Reason::Malformed);
    assert_eq!(change(&|e| e.id.seq = NUMBER_LIMIT), Reason::Malformed);
    assert_eq!(change(&|e| e.id.log.epoch = NUMBER_LIMIT), Reason::Malformed);
    assert_eq!(change(&|e| e.event = "[]".into()), Reason::Malformed);
    assert_eq!(change(&|e| e.event = "{ }".into()), Reason::Malformed);
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_EVENT_BYTES));
    assert_eq!(change(&|e| e.event = long.clone().into()), Reason::Oversize);

    let mut author = author();
    assert_eq!(author.sign(&long), Err(Reason::Oversize));
    assert_eq!(author.sign("7"), Err(Reason::Malformed));
    assert_eq!(author.sign("{}").map(|signed| signed.id.seq), Ok(1), "no sequence was used up");
    let new = |next, ttl| Author::new(Keys::ed25519(&[1; 32]), 1, next, ttl).map(|_| ());
    assert_eq!((new(0, 1), new(1, 0)), (Err(Reason::Malformed), Err(Reason::Ttl)));
}

#[test]
fn a_verifier_does_not_mix_up_keys() {
    let mut other = Author::new(Keys::hybrid(&[5; 32], &[6; 32]), 1, 1, 1).expect("good numbers");
    let mut verifier = Verifier::default();
    let mut hybrid = hybrid();
    for _ in 0..2 {
        for author in [&mut hybrid, &mut other] {
            let mut signed = (*author.sign(EVENT).expect("JSON")).clone();
            assert!(verifier.verify(signed.clone()).is_ok());
            signed.pq = None;
            assert_eq!(verifier.verify(signed), Err(Reason::Signature));
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_signed_verifies(scores in prop::collection::vec(any::<f64>(), 1..4), word in "\\PC{0,20}") {
        let mut author = author();
        let event = serde_json::json!({"wisdom": word, "data": scores, "event_id": "x"}).to_string();
        let signed = author.sign(&event).expect("JSON");
        prop_assert_eq!(verify(&signed), Ok(signed.clone()));
    }
}
