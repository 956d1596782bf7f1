//! Logs that somebody changed.
//!
//! The rule: whatever was changed is found and its line named, also when every hash after it was made to fit.

use shimmer_governor::{Choice, Fault, Hash, Refusal, Replay, Signatures, Split, verify};

use crate::dao::{CONFIG, Dao};

/// A log with every type of entry and every strategy.
pub(crate) fn sample() -> Vec<String> {
    let mut dao = Dao::new(&CONFIG.replace("false", "true"));
    for (member, stake) in [(1, 10), (2, 7), (3, 5), (4, 2)] {
        dao.member(member, stake);
    }
    dao.revoke(4).expect("a member");
    let split = |shares: &[(usize, f64)]| Choice::Split(Split::new(shares).expect("a split"));
    let yes = dao.propose(r#"{"strategy":"quadratic","timelock_s":5}"#);
    let which = dao.propose(r#"{"options":[0.1,0.6],"source":"b","strategy":"member"}"#);
    let long = dao.propose(r#"{"strategy":"conviction","alpha":0.9,"step_s":1,"source":"c"}"#);
    dao.to(6.0);
    for (member, id, choice) in [
        (1, &yes, Choice::For),
        (2, &yes, Choice::Against),
        (1, &which, split(&[(0, 1.0), (1, 2.0)])),
        (3, &which, split(&[(1, 0.3)])),
        (2, &long, Choice::For),
        (3, &long, Choice::Abstain),
    ] {
        dao.vote(member, id, choice).expect("a vote");
    }
    dao.cancel(&long).expect("it is open");
    dao.to(60.0).member(2, 70);
    dao.configure(&CONFIG.replace("false", "true").replace("0.25", "0.125")).expect("another");
    let last = dao.propose("{}");
    dao.to(66.0).vote(2, &last, Choice::For).expect("a vote");
    dao.to(5_000.0);
    dao.log
}

fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Numbers, `prev` and hashes made to fit, by the text alone.
pub(crate) fn mended(lines: &[String]) -> Vec<String> {
    let mut prev = Hash::ZERO.to_string();
    let mend = |(n, line): (usize, &String)| {
        let (data, rest) = line.rsplit_once(",\"hash\":\"").expect("a hash");
        let (_, kind) = rest.rsplit_once("\",\"type\":").expect("a type");
        let tail = format!("\"n\":{n},\"prev\":\"{prev}\",\"type\":{kind}");
        prev = Hash::of(format!("{data},{tail}").as_bytes()).to_string();
        format!("{data},\"hash\":\"{prev}\",{tail}")
    };
    lines.iter().enumerate().map(mend).collect()
}

fn first_bad(lines: &[String]) -> Option<(u64, Fault)> {
    verify(text(lines).as_bytes()).err().map(|bad| (bad.line, bad.fault))
}

#[test]
fn the_sample_holds_and_has_every_type() {
    let log = sample();
    let head = verify(text(&log).as_bytes()).expect("a good log");
    assert_eq!(head.entries, log.len() as u64);
    assert!(log.last().is_some_and(|line| line.contains(&head.hash.to_string())));
    assert_eq!(mended(&log), log, "there is nothing to mend");
    for kind in
        ["config", "member", "revoke", "proposal", "vote", "cancel", "queue", "execute", "weights"]
    {
        assert!(log.iter().any(|line| line.ends_with(&format!("\"type\":\"{kind}\"}}"))), "{kind}");
    }
    assert_eq!(verify(&b""[..]).map(|head| (head.entries, head.hash)), Ok((0, Hash::ZERO)));
}

#[test]
fn every_flipped_byte_is_found_in_its_line() {
    let log = sample();
    let mut replay = Replay::new(Signatures::Checked);
    for line in &log {
        for at in 0..line.len() {
            for bit in [0x01, 0x20, 0x80] {
                let mut bytes = line.clone().into_bytes();
                bytes[at] ^= bit;
                let refused = replay.clone().line(&bytes);
                assert!(refused.is_err(), "byte {at} of {line}");
            }
        }
        replay.line(line.as_bytes()).expect("a good line");
    }
    let whole = text(&log);
    for (number, (end, _)) in whole.match_indices('\n').enumerate() {
        for bit in [0x01, 0x20, 0x80] {
            let mut bytes = whole.clone().into_bytes();
            bytes[end] ^= bit;
            let bad = verify(&bytes[..]).expect_err("a changed LF");
            assert_eq!(bad.line, number as u64 + 1);
        }
    }
}

/// A change in lines that hold `mark`, whose effect shows at the changed line, or later.
const CHANGES: [(&str, &str, &str, &str); 19] = [
    ("power", "\"vote\"", "\"power\":3.1622776601683795", "\"power\":3.1622776601683796"),
    ("power by much", "\"vote\"", "\"power\":70", "\"power\":71"),
    ("stake", "\"member\"", "\"stake\":10", "\"stake\":11"),
    ("stake of who never voted", "\"member\"", "\"stake\":2}", "\"stake\":3}"),
    ("later stake", "\"member\"", "\"stake\":70", "\"stake\":71"),
    ("name", "\"member\"", "member 3", "member 4"),
    ("choice", "\"vote\"", "\"against\"", "\"for\""),
    ("choice without effect", "\"vote\"", "\"abstain\"", "\"for\""),
    ("split", "\"vote\"", "\"1\":0.3", "\"1\":0.4"),
    ("nonce", "\"vote\"", "\"nonce\":1,", "\"nonce\":9,"),
    ("weight", "\"weights\"", "\"a\":0.5", "\"a\":0.6"),
    ("version", "\"weights\"", "\"version\":2", "\"version\":3"),
    ("target", "\"execute\"", "\"target\":0.6", "\"target\":0.1"),
    ("option", "\"proposal\"", "[0.1,0.6]", "[0.6,0.1]"),
    ("quorum", "\"proposal\"", "\"quorum\":0.1", "\"quorum\":0.2"),
    ("max_step", "\"config\"", "\"max_step\":0.125", "\"max_step\":0.25"),
    ("epoch", "\"config\"", "\"epoch_s\":10", "\"epoch_s\":11"),
    ("eta", "\"queue\"", "\"eta\":\"2023", "\"eta\":\"2022"),
    ("start", "\"proposal\"", "\"starts_at\":\"2023", "\"starts_at\":\"2022"),
];

#[test]
fn changes_with_mended_hashes_are_found() {
    let log = sample();
    for (what, kind, from, to) in CHANGES {
        let chosen = |line: &String| line.ends_with(&format!("{kind}}}")) && line.contains(from);
        let changed =
            log.iter().position(chosen).unwrap_or_else(|| panic!("{what}: {}", text(&log)));
        let mut forged = log.clone();
        forged[changed] = forged[changed].replacen(from, to, 1);
        let (line, fault) = first_bad(&forged).expect(what);
        assert_eq!(line, changed as u64 + 1, "{what}: {fault}");
        let (line, fault) = first_bad(&mended(&forged)).expect(what);
        assert!(line > changed as u64, "{what}: {line} {fault}");
        // What can be derived is found where it stands; the rest when the next proposal is.
        if !["\"member\"", "\"config\""].contains(&kind) {
            assert!(line == changed as u64 + 1 || kind == "\"proposal\"", "{what}: {line} {fault}");
        }
        assert_ne!(fault, Fault::Hash, "{what}");
    }
}

#[test]
fn proposals_renamed_after_a_change_lose_their_votes() {
    let mut forged = sample();
    let changed = forged.iter().position(|line| line.contains("\"stake\":2}")).expect("a member");
    forged[changed] = forged[changed].replace("\"stake\":2}", "\"stake\":3}");
    // A forger with patience: mend, read which id is expected, rename it everywhere, and again.
    for _ in 0..20 {
        forged = mended(&forged);
        match first_bad(&forged) {
            Some((_, Fault::Differs { expected })) if expected.data.name() == "proposal" => {
                let line = &forged[expected.n as usize];
                let (_, old) = line.split_once("\"id\":\"").expect("an id");
                let old = old[..old.find('"').expect("its end")].to_owned();
                let new = expected.to_line();
                let (_, new) = new.split_once("\"id\":\"").expect("an id");
                let new = new[..new.find('"').expect("its end")].to_owned();
                forged = forged.iter().map(|line| line.replace(&old, &new)).collect();
            }
            Some((_, fault)) => {
                assert_eq!(fault, Fault::Refused(Refusal::BadSignature));
                return;
            }
            None => panic!("a forged log holds"),
        }
    }
    panic!("there are fewer proposals");
}

#[test]
fn dropped_repeated_and_swapped_entries_are_found() {
    let log = sample();
    for at in 0..log.len() {
        let mut dropped = log.clone();
        dropped.remove(at);
        let cut = at == log.len() - 1;
        assert_eq!(first_bad(&dropped).map(|(line, _)| line), (!cut).then_some(at as u64 + 1));
        assert_eq!(first_bad(&mended(&dropped)).is_none(), cut, "dropped {at}: {}", log[at]);

        let mut twice = log.clone();
        twice.insert(at, log[at].clone());
        assert_eq!(first_bad(&twice).map(|(line, _)| line), Some(at as u64 + 2));
        assert!(first_bad(&mended(&twice)).is_some(), "twice {at}: {}", log[at]);

        if at + 1 < log.len() {
            let mut swapped = log.clone();
            swapped.swap(at, at + 1);
            assert_eq!(first_bad(&swapped).map(|(line, _)| line), Some(at as u64 + 1));
            assert!(first_bad(&mended(&swapped)).is_some(), "swapped {at}: {}", log[at]);
        }
    }
}

#[test]
fn weight_steps_have_their_time() {
    let log = sample();
    let weights: Vec<usize> =
        (0..log.len()).filter(|at| log[*at].ends_with("\"weights\"}")).collect();
    assert!(weights.len() >= 10);
    for at in weights {
        let (_, time) = log[at].split_once("\"effective_at\":\"").expect("a time");
        let time = &time[..time.find('"').expect("its end")];
        let earlier: shimmer_governor::Time = time.parse().expect("a time");
        for moved in [earlier.as_ns() - 1_000_000_000, earlier.as_ns() - 1, earlier.as_ns() + 1] {
            let moved = shimmer_governor::Time::from_ns(moved).expect("a time").to_string();
            let mut forged = log.clone();
            forged[at] = forged[at].replace(time, &moved);
            let (line, _) = first_bad(&mended(&forged)).expect("another time");
            assert_eq!(line, at as u64 + 1, "{moved}");
        }
    }
}

#[test]
fn a_log_that_is_cut_or_too_long_is_told() {
    let log = sample();
    let whole = text(&log);
    let cut = verify(&whole.as_bytes()[..whole.len() - 1]).expect_err("a cut");
    assert_eq!((cut.line, cut.fault), (log.len() as u64, Fault::CutOff));
    let long = [b" ".repeat(shimmer_governor::MAX_LINE_BYTES), b"\n".to_vec()].concat();
    let long = verify(&[text(&log[..3]).as_bytes(), &long].concat()[..]).expect_err("too long");
    assert_eq!((long.line, long.fault), (4, Fault::TooLong));
    let empty = verify(format!("{}\n{whole}", "").as_bytes()).expect_err("an empty line");
    assert_eq!(empty.line, 1);
    for (from, to) in [
        ("{\"at\"", "{ \"at\""),
        ("\"type\"", "\"sig\":1,\"type\""),
        ("\"data\":{", "\"data\":{\"more\":1,"),
    ] {
        let forged: Vec<_> = log.iter().map(|line| line.replacen(from, to, 1)).collect();
        let bad = first_bad(&forged).expect("another form");
        assert!(bad.0 == 1 && matches!(bad.1, Fault::Malformed(_)), "{bad:?}");
    }
}
