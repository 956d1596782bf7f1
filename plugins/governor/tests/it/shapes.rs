//! The JSON that is promised.
//!
//! The rule: exactly these members, in the types that clients read.

use serde_json::{Value, json};
use shimmer_governor::Choice;

use crate::dao::{CONFIG, Dao, secret};

fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> =
        value.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_proposal() {
    let posted = [
        "delay_s",
        "extension_s",
        "grace_s",
        "options",
        "period_s",
        "quorum",
        "source",
        "strategy",
        "timelock_s",
        "title",
    ];
    let more = [
        "abstain",
        "against",
        "created_at",
        "ends_at",
        "eta",
        "for",
        "id",
        "quorum_reached",
        "starts_at",
        "state",
        "tallies",
        "total_power",
        "votes",
        "winner",
    ];
    let mut dao = Dao::new(CONFIG);
    dao.member(1, 10);
    let stake = dao.propose("{}");
    let conviction = dao.propose(r#"{"strategy":"conviction","alpha":0.9,"step_s":0.5}"#);
    let mut expected = [&posted[..], &more].concat();
    expected.sort_unstable();
    assert_eq!(names(&dao.shown(&stake)), expected);
    expected.extend(["alpha", "conviction", "step_s"]);
    expected.sort_unstable();
    assert_eq!(names(&dao.shown(&conviction)), expected);
    dao.to(5.0).vote(1, &stake, Choice::For).expect("a vote");
    let expected = json!({
        "id": stake, "title": "t", "source": "a", "options": [0.25], "strategy": "stake", "delay_s": 4, "period_s": 16,
        "quorum": 0.1, "timelock_s": 0, "extension_s": 0, "grace_s": 1000, "state": "active",
        "created_at": "2023-11-14T22:13:20Z", "starts_at": "2023-11-14T22:13:24Z", "ends_at": "2023-11-14T22:13:40Z",
        "eta": null, "total_power": 10, "votes": 1, "for": 10, "against": 0, "abstain": 0, "tallies": [10], "winner": 0,
        "quorum_reached": true,
    });
    assert_eq!(dao.shown(&stake), expected);
}

#[test]
fn a_member_and_the_weights() {
    let mut dao = Dao::new(CONFIG);
    dao.member(1, 10);
    let shown =
        |dao: &Dao| serde_json::to_value(dao.governor.member(&secret(1).key())).expect("JSON");
    let key = secret(1).key().to_string();
    let joined = "2023-11-14T22:13:20Z";
    let expected =
        json!({"key": key, "name": "member 1", "stake": 10, "joined": joined, "revoked": null});
    assert_eq!(shown(&dao), expected);
    dao.to(1.5).revoke(1).expect("a member");
    assert_eq!(shown(&dao)["revoked"], "2023-11-14T22:13:21.5Z");
    let weights = serde_json::to_value(dao.governor.weights()).expect("JSON");
    assert_eq!(names(&weights), ["effective_at", "hash", "version", "weights"]);
    assert_eq!((&weights["version"], &weights["weights"]), (&json!(0), &json!({})));
}
