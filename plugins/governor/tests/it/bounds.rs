//! Every bound, reached.
//!
//! The rule: what is at its bound is refused, and what stands stays.

use shimmer_governor::{
    Choice, MAX_KEPT, MAX_KEYS, MAX_LINE_BYTES, MAX_MEMBERS, MAX_NAME, MAX_OPEN, MAX_OPTIONS,
    MAX_SOURCES, Refusal, Secret, Signatures, Split, State, replay,
};

use crate::dao::{CONFIG, Dao, secret};

#[test]
fn members_and_keys() {
    let mut dao = Dao::new(CONFIG);
    dao.log = Vec::new();
    let members = u32::try_from(MAX_MEMBERS).expect("it is small");
    for member in 0..members {
        dao.member(member, 1);
    }
    assert_eq!(dao.try_member(members, 1).map(|_| ()), Err(Refusal::Full("members")));
    dao.member(0, 2);
    dao.revoke(0).expect("a member");
    dao.member(members, 1);
    assert_eq!(dao.try_member(0, 1).map(|_| ()), Err(Refusal::Full("members")));
    let keys = u32::try_from(MAX_KEYS).expect("it is small");
    for member in members..keys {
        dao.revoke(member).expect("a member");
        if member + 1 < keys {
            dao.member(member + 1, 1);
        }
    }
    assert_eq!(dao.governor.members().count(), MAX_KEYS);
    assert_eq!(dao.try_member(keys, 1).map(|_| ()), Err(Refusal::Full("keys")));
    dao.member(0, 1);
}

#[test]
fn open_and_kept_proposals() {
    let mut dao = Dao::new(CONFIG);
    dao.member(1, 1);
    for _ in 0..MAX_OPEN {
        dao.propose("{}");
    }
    assert_eq!(dao.try_propose("{}"), Err(Refusal::Full("open proposals")));
    let first = dao.view(&dao.governor.proposals(dao.now).next().expect("one").id).id;
    dao.cancel(&first).expect("it is open");
    dao.propose("{}");
    let mut seconds = 0.0;
    while dao.log.len() < MAX_KEPT + 4 {
        if dao.try_propose("{}").is_err() {
            // All of them are defeated then.
            seconds += 21.0;
            dao.to(seconds);
        }
    }
    assert_eq!(dao.governor.proposals(dao.now).count(), MAX_KEPT);
    assert_eq!(dao.governor.proposal(&first, dao.now), None, "the oldest closed one is forgotten");
    let last = dao.governor.proposals(dao.now).last().expect("one").id;
    assert!(matches!(dao.view(&last).state, State::Pending));
    dao.restart();
    assert_eq!(dao.governor.proposals(dao.now).count(), MAX_KEPT);
}

#[test]
fn options_and_shares() {
    let mut dao = Dao::new(CONFIG);
    dao.member(1, (1 << 53) - 1);
    let options = vec!["0.5"; MAX_OPTIONS].join(",");
    let id = dao.propose(&format!(r#"{{"strategy":"quadratic","options":[{options}]}}"#));
    dao.to(5.0);
    let shares: Vec<_> =
        (0..MAX_OPTIONS).map(|index| (index, 0.123_456_789_012_345_67 + index as f64)).collect();
    let split = Choice::Split(Split::new(&shares).expect("a split"));
    assert_eq!(dao.vote(1, &id, split), Ok(9_007_199_254_740_991.0));
    let sum: f64 = dao.view(&id).tallies.iter().map(|power| power.as_f64()).sum();
    assert!((sum / 9_007_199_254_740_991.0 - 1.0).abs() < 1e-12);
    assert_eq!(dao.view(&id).winner, Some(MAX_OPTIONS - 1));
    dao.restart();
}

/// The most sources with the longest names, as one proposal after the other brings them.
#[test]
fn sources_and_their_line() {
    let mut dao = Dao::new(&CONFIG.replace("false", "true"));
    dao.member(1, 1);
    let mut seconds = 0.0;
    let name = |i: usize| format!("{i:0>4}{}", "\u{10348}".repeat(MAX_NAME - 4));
    for round in 0..MAX_SOURCES / MAX_OPEN {
        let source = |i: usize| {
            format!(
                r#"{{"delay_s":0,"period_s":0.5,"options":[0.123456789012],"source":"{}"}}"#,
                name(i)
            )
        };
        let ids: Vec<_> =
            (0..MAX_OPEN).map(|i| dao.propose(&source(round * MAX_OPEN + i))).collect();
        seconds += 0.25;
        dao.to(seconds);
        for id in &ids {
            dao.vote(1, id, Choice::For).expect("a vote");
        }
        seconds += 0.3;
        dao.to(seconds);
    }
    let longest = dao.log.iter().map(String::len).max().unwrap_or_default();
    assert_eq!(dao.governor.weights().weights.len(), MAX_SOURCES);
    assert!(longest > MAX_LINE_BYTES / 3 && longest < MAX_LINE_BYTES, "{longest}");
    assert_eq!(dao.try_propose(r#"{"source":"one more"}"#), Err(Refusal::Full("sources")));
    let known = format!(r#"{{"source":"{}"}}"#, name(7));
    dao.propose(&known);
    assert_eq!(replay(dao.text().as_bytes(), Signatures::Trusted).as_ref(), Ok(&dao.governor));
}

#[test]
fn a_secret_is_not_shown() {
    let secret: Secret = secret(1);
    assert_eq!(format!("{secret:?}"), format!("Secret({})", secret.key()));
}
