//! Frames: what goes in comes out, and what is not a frame is refused without a price.

use proptest::prelude::*;

use super::*;
use crate::envelope::Author;
use crate::keys::Keys;

fn author(n: u8) -> Author {
    Author::new(Keys::ed25519(&[n; 32]), 1_760_000_000_000, 1, 10).expect("good numbers")
}

fn events(author: &mut Author, count: usize) -> Vec<Verified> {
    let event =
        |i| format!(r#"{{"beauty_score":0.5,"event_id":"event-{i}","wisdom":"so it goes"}}"#);
    (0..count).map(|i| author.sign(&event(i)).expect("JSON")).collect()
}

fn plain(first: Id, body: &[u8]) -> Vec<u8> {
    framed(first, PLAIN, body.len(), body)
}

fn framed(first: Id, coding: u8, body_bytes: usize, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    Header { first, coding, body_bytes }.write(&mut frame);
    frame.extend_from_slice(body);
    frame
}

#[test]
fn frames_come_back() {
    let mut codec = Codec::default();
    let mut mixed = events(&mut author(1), 40);
    mixed.extend(events(&mut author(2), 23));
    mixed.push(mixed[3].clone());
    for count in [1, 2, 8, 64] {
        let frame = codec.encode(&mixed[..count]);
        assert_eq!(codec.open(&frame).as_deref(), Ok(&mixed[..count]));
        let id = FrameId::of(&frame).expect("a frame");
        assert_eq!(id.first, mixed[0].id);
    }
    let one: usize = mixed.iter().map(|e| codec.encode(std::slice::from_ref(e)).len()).sum();
    let all = codec.encode(&mixed).len();
    assert!(all * 2 < one, "{all} of {one}: nothing was saved");

    let mut hybrid = Author::new(Keys::hybrid(&[1; 32], &[2; 32]), 1, 1, 1).expect("good numbers");
    let both =
        [hybrid.sign("{}").expect("JSON"), mixed[0].clone(), hybrid.sign("{}").expect("JSON")];
    let frame = codec.encode(&both);
    assert_eq!(codec.open(&frame).as_deref(), Ok(&both[..]));
}

#[test]
fn the_id_is_of_the_whole_frame() {
    let mut codec = Codec::default();
    let frame = codec.encode(&events(&mut author(1), 3));
    let id = FrameId::of(&frame).expect("a frame");
    let mut forged = frame.clone();
    *forged.last_mut().expect("bytes") ^= 1;
    let other = FrameId::of(&forged).expect("a frame");
    assert_eq!(other.first, id.first);
    assert_ne!(other.to_bytes(), id.to_bytes());
    assert_eq!(id.to_bytes()[..8], id.first.log.origin.as_bytes()[..8]);
    // The head is not believed either.
    let mut squatted = frame;
    squatted[2] ^= 1;
    assert_eq!(codec.open(&squatted), Err(Reason::Malformed));
}

#[test]
fn runs_fit_their_frames() {
    let mut codec = Codec::default();
    let mut author = author(1);
    let long = |n: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(n));
    let mut envelopes = events(&mut author, 130);
    envelopes.push(author.sign(&long(MAX_EVENT_BYTES - 8)).expect("JSON"));
    envelopes.extend((0..5).map(|_| author.sign(&long(20_000)).expect("JSON")));
    let mut back = Vec::new();
    let mut counts = Vec::new();
    for run in pack(&envelopes) {
        counts.push(run.len());
        back.extend(codec.open(&codec_encode(run)).expect("a frame"));
    }
    assert_eq!(back, envelopes);
    assert_eq!(counts, [64, 64, 2, 1, 3, 2]);
    assert_eq!(pack::<Verified>(&[]).count(), 0);
}

fn codec_encode(run: &[Verified]) -> Vec<u8> {
    Codec::default().encode(run)
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    let mut codec = Codec::default();
    let first = events(&mut author(1), 1)[0].id;
    for size in [UNPACK_BYTES + 1, 64 << 20] {
        let bomb = zstd::bulk::compress(&vec![0; size], 19).expect("zstd");
        assert!(bomb.len() < 16_384);
        // Honest about its size, and not.
        let honest = framed(first, ZSTD, size, &bomb);
        assert_eq!(codec.decode(&honest), Err(Reason::Oversize));
        let lying = framed(first, ZSTD, 1000, &bomb);
        assert_eq!(codec.decode(&lying), Err(Reason::Malformed));
        assert!(codec.body.capacity() <= UNPACK_BYTES * 2, "{}", codec.body.capacity());
    }
    let long = vec![0; MAX_FRAME_BYTES + 1];
    assert_eq!(codec.decode(&long), Err(Reason::Oversize));
    assert_eq!(FrameId::of(&long), Err(Reason::Oversize));
}

#[test]
fn counts_are_bounded() {
    let mut codec = Codec::default();
    let all = events(&mut author(1), MAX_ENVELOPES + 1);
    let mut body = Vec::new();
    write_body(&all, &mut body);
    assert_eq!(codec.decode(&plain(all[0].id, &body)), Err(Reason::Oversize));
    // Heads that say more than there is.
    assert_eq!(codec.decode(&plain(all[0].id, &[64])), Err(Reason::Malformed));
    assert_eq!(codec.decode(&plain(all[0].id, &[0, 0])), Err(Reason::Malformed));
    assert_eq!(codec.decode(&plain(all[0].id, &[65])), Err(Reason::Oversize));
    // More than one envelope above the bound of a body.
    let mut author = author(1);
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(33_000));
    let two = [author.sign(&long).expect("JSON"), author.sign(&long).expect("JSON")];
    body.clear();
    write_body(&two, &mut body);
    assert_eq!(codec.decode(&plain(two[0].id, &body)), Err(Reason::Oversize));
    body.push(0);
    assert_eq!(codec.decode(&plain(two[0].id, &body)), Err(Reason::Oversize));
}

#[test]
fn cut_padded_and_foreign_bytes_are_malformed() {
    let mut codec = Codec::default();
    let frame = codec.encode(&events(&mut author(1), 1));
    for cut in 0..frame.len() {
        assert_eq!(codec.decode(&frame[..cut]), Err(Reason::Malformed), "{cut}");
    }
    let padded = [&frame[..], &[0]].concat();
    assert_eq!(codec.decode(&padded), Err(Reason::Malformed));
    for (at, byte) in [(0, 0), (0, 2), (1, 2)] {
        let mut foreign = frame.clone();
        foreign[at] = byte;
        assert_eq!(codec.decode(&foreign), Err(Reason::Malformed));
    }
}

proptest! {
    #[test]
    fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut codec = Codec::default();
        prop_assert!(codec.open(&bytes).is_err());
        crate::property::holds(&mut codec, &bytes);
        let first = Id { log: LogKey { origin: Origin::from_bytes([1; 32]), epoch: 1 }, seq: 1 };
        for coding in [PLAIN, ZSTD] {
            prop_assert!(codec.open(&framed(first, coding, bytes.len(), &bytes)).is_err());
        }
    }

    #[test]
    fn a_flipped_bit_never_verifies(count in 1_usize..12, bit in any::<prop::sample::Index>()) {
        let mut codec = Codec::default();
        let envelopes = events(&mut author(1), count);
        let mut frame = codec.encode(&envelopes);
        let bit = bit.index(frame.len() * 8);
        frame[bit / 8] ^= 1 << (bit % 8);
        match codec.open(&frame) {
            Err(_) => {}
            // Two codings of one content: zstd has bits that mean nothing.
            Ok(same) => prop_assert!(same == envelopes, "{:?}", same),
        }
    }
}
