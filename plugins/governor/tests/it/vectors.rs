//! What other implementations can rely on: the written vectors.
//!
//! The rule: the file is the promise. A change of bytes that this test notices is a new version of the log or the vote.

use serde_json::Value;
use shimmer_governor::{Fault, Refusal, Replay, Secret, Signatures, Vote, verify};

const VECTORS: &str = include_str!("../vectors/dao.json");

fn vectors() -> Value {
    serde_json::from_str(VECTORS).expect("JSON")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("an array")
}

fn secret(value: &Value) -> Secret {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text(value), &mut bytes).expect("hex");
    Secret::from_bytes(&bytes)
}

#[test]
fn votes_are_signed_to_the_byte() {
    let vectors = vectors();
    assert!(array(&vectors["votes"]).len() >= 4);
    for vector in array(&vectors["votes"]) {
        let secret = secret(&vector["secret"]);
        assert_eq!(secret.key().to_string(), text(&vector["key"]));
        let vote = Vote::parse(text(&vector["posted"]).as_bytes()).expect("a vote");
        assert_eq!(hex::encode(vote.signed_bytes()), text(&vector["signed_bytes"]));
        assert_eq!(vote.signature.to_string(), text(&vector["signature"]));
        assert!(secret.key().verifies(&vote.signed_bytes(), &vote.signature));
        let again = vote.ballot.clone().sign(&secret);
        assert_eq!(again, vote, "Ed25519 is deterministic");
        assert_eq!(again.to_json(), text(&vector["canonical"]));
    }
}

#[test]
fn what_is_refused_is_refused_for_its_reason() {
    let vectors = vectors();
    for vector in array(&vectors["refused"]) {
        let (why, body) = (text(&vector["why"]), text(&vector["posted"]));
        let status = vector["status"].as_u64().expect("a status");
        let Ok(vote) = Vote::parse(body.as_bytes()) else {
            assert_eq!(status, 400, "{why}");
            continue;
        };
        let key = shimmer_governor::MemberKey::try_from(vote.voter);
        let holds = key.is_ok_and(|key| key.verifies(&vote.signed_bytes(), &vote.signature));
        assert!(status == 403 && !holds, "{why}");
    }
}

#[test]
fn the_log_holds_line_by_line() {
    let vectors = vectors();
    let mut replay = Replay::new(Signatures::Checked);
    for line in array(&vectors["log"]["lines"]) {
        replay.line(text(line).as_bytes()).expect("a good line");
    }
    assert_eq!(replay.governor().head().hash.to_string(), text(&vectors["log"]["head"]));
    let weights = serde_json::to_value(replay.governor().weights()).expect("JSON");
    assert_eq!(weights, vectors["log"]["weights"]);
    let whole: String =
        array(&vectors["log"]["lines"]).iter().map(|line| format!("{}\n", text(line))).collect();
    assert_eq!(verify(whole.as_bytes()), Ok(replay.governor().head()));
    for forged in array(&vectors["forged"]) {
        let lines: String =
            array(&forged["lines"]).iter().map(|line| format!("{}\n", text(line))).collect();
        let bad = verify(lines.as_bytes()).expect_err("a forged log");
        assert_eq!(Some(bad.line), forged["first_bad_line"].as_u64(), "{}", forged["why"]);
        assert!(
            !matches!(bad.fault, Fault::Hash | Fault::Prev | Fault::Refused(Refusal::Behind)),
            "{bad}"
        );
    }
}
