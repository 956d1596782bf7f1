//! The rules of OpenZeppelin's Governor 5, case by case.
//!
//! The rule: each case names the test that it was read from, in `test/governance` of openzeppelin-contracts, or the
//! contract where there is no test; the voters have 10, 7, 5 and 2 of 100, as there.
//!
//! Where ours differs: a block there is a nanosecond here, so "the block after" is `@20.000000001`; a vote by transaction
//! is a signed vote; a nonce is any number, because a member votes once; there is always a queue, with a timelock of 0
//! where there is none there; and a queued proposal expires after its grace, as with Compound's timelock, where the last
//! instant of the grace is still in time, as the end of a vote is.

use shimmer_governor::{Choice, Refusal, State};

use crate::dao::{CONFIG, Dao, at};

/// Source, what differs from the usual proposal, and what happens, in words:
///
/// - `@5`: it is 5 s after the proposal; the vote is open after 4 and up to 20;
/// - `active`: that is its state;
/// - `1:for=10`: voter 1 votes for it, with a power of 10; `1:for!voted`: has voted, `1:for!pending`: not in this state;
/// - `queue`, `execute`, `cancel`: done; `queue!active`: not in this state; `execute!early`: not before the timelock;
/// - `count=17/5/2`: for, against, abstain; `ends=20`, `eta=81`: seconds.
type Case = (&'static str, &'static str, &'static str);

const VOTES: &[Case] = &[
    (
        "Governor.test.js: nominal workflow",
        "{}",
        "pending @5 active 1:for=10 2:for=7 3:against=5 4:abstain=2 count=17/5/2 @21 succeeded queue execute executed
         count=17/5/2",
    ),
    (
        "Governor.test.js: on vote, if voting has not started",
        "{}",
        "1:for!pending @4 1:for!pending @4.000000001 1:for=10",
    ),
    (
        "Governor.test.js: on vote, if vote was already casted",
        "{}",
        "@5 1:for=10 1:for!voted 1:against!voted count=10/0/0",
    ),
    ("Governor.test.js: on vote, if voting is over", "{}", "@20 1:for=10 @20.000000001 2:for!succeeded"),
    ("Governor.test.js: on vote, if voting is over, and defeated", "{}", "@21 1:for!defeated"),
];

const STATES: &[Case] = &[
    ("Governor.test.js: state, Pending & Active", "{}", "pending @4 pending @4.000000001 active"),
    ("Governor.test.js: state, Defeated", "{}", "@20 active @20.000000001 defeated"),
    (
        "Governor.test.js: state, Succeeded",
        "{}",
        "@5 1:for=10 @20 active @20.000000001 succeeded @9000000 succeeded",
    ),
    (
        "Governor.test.js: state, Executed",
        "{}",
        "@5 1:for=10 @21 queue execute executed @9000000 executed",
    ),
    (
        "Governor.test.js: on execute, if quorum is not reached",
        "{}",
        "@5 3:for=5 @21 defeated queue!defeated execute!defeated",
    ),
    (
        "Governor.test.js: on execute, if score not reached",
        "{}",
        "@5 1:against=10 @21 defeated execute!defeated",
    ),
    (
        "Governor.test.js: on execute, if voting is not over",
        "{}",
        "@5 1:for=10 queue!active execute!active @20 queue!active execute!active",
    ),
    (
        "Governor.test.js: on execute, if proposal was already executed",
        "{}",
        "@5 1:for=10 @21 queue execute execute!executed",
    ),
    (
        "GovernorCountingSimple.sol: for strictly above against",
        "{}",
        "@5 2:for=7 3:against=5 4:against=2 1:abstain=10 @21 defeated",
    ),
    (
        "GovernorVotesQuorumFraction.test.js: quorum reached",
        r#"{"quorum":0.08}"#,
        "@5 1:for=10 @21 queue execute",
    ),
    (
        "GovernorVotesQuorumFraction.test.js: quorum not reached",
        r#"{"quorum":0.08}"#,
        "@5 2:for=7 @21 defeated execute!defeated",
    ),
    (
        "GovernorCountingSimple.sol: quorum counts for and abstain, and is reached by exactly it",
        r#"{"quorum":0.12}"#,
        "@5 1:for=10 4:abstain=2 @21 succeeded",
    ),
    (
        "GovernorCountingSimple.sol: quorum does not count against",
        r#"{"quorum":0.12}"#,
        "@5 1:for=10 4:against=2 @21 defeated",
    ),
];

const CANCELLATION: &[Case] = &[
    (
        "Governor.test.js: cancel, internal, after proposal",
        "{}",
        "cancel canceled @5 1:for!canceled",
    ),
    (
        "Governor.test.js: cancel, internal, after vote",
        "{}",
        "@5 1:for=10 cancel @21 execute!canceled count=10/0/0",
    ),
    (
        "Governor.test.js: cancel, internal, after deadline",
        "{}",
        "@5 1:for=10 @21 cancel queue!canceled execute!canceled",
    ),
    (
        "Governor.test.js: cancel, internal, after execution",
        "{}",
        "@5 1:for=10 @21 queue execute cancel!executed",
    ),
    (
        "Governor.sol: _cancel, a defeated proposal, once",
        "{}",
        "@21 defeated cancel canceled cancel!canceled",
    ),
    (
        "GovernorTimelockControl.test.js: cancel before queue prevents scheduling",
        "{}",
        "@5 1:for=10 @21 cancel queue!canceled",
    ),
    (
        "GovernorTimelockControl.test.js: cancel after queue prevents executing",
        r#"{"timelock_s":3600}"#,
        "@5 1:for=10 @21 queue cancel @9999 execute!canceled eta=3621",
    ),
];

const TIMELOCK: &[Case] = &[
    (
        "GovernorTimelockControl.test.js: nominal",
        r#"{"timelock_s":3600}"#,
        "@5 1:for=10 @21 queue queued eta=3621 @3621 execute executed eta=3621",
    ),
    (
        "GovernorTimelockControl.test.js: on queue, if already queued",
        r#"{"timelock_s":3600}"#,
        "@5 1:for=10 @21 queue @22 queue!queued eta=3621",
    ),
    (
        "GovernorTimelockControl.test.js: on execute, if not queued",
        r#"{"timelock_s":3600}"#,
        "@5 1:for=10 @21 execute!succeeded",
    ),
    (
        "GovernorTimelockControl.test.js: on execute, if too early",
        r#"{"timelock_s":3600}"#,
        "@5 1:for=10 @21 queue @3620.999999999 execute!early @3621 execute",
    ),
    (
        "GovernorTimelockControl.test.js: on execute, if already executed",
        r#"{"timelock_s":3600}"#,
        "@5 1:for=10 @21 queue @3622 execute execute!executed",
    ),
    (
        "GovernorTimelockCompound.test.js: on execute, if too late",
        r#"{"timelock_s":3600,"grace_s":60}"#,
        "@5 1:for=10 @21 queue @3681 queued @3681.000000001 expired execute!expired cancel!expired",
    ),
    (
        "GovernorTimelockCompound.test.js: on execute, at the last instant",
        r#"{"timelock_s":3600,"grace_s":60}"#,
        "@5 1:for=10 @21 queue @3681 execute",
    ),
];

const LATE_QUORUM: &[Case] = &[
    (
        "GovernorPreventLateQuorum.test.js: nominal workflow unaffected",
        r#"{"quorum":0.05,"extension_s":8}"#,
        "@5 1:for=10 2:for=7 3:against=5 4:abstain=2 ends=20 count=17/5/2 @21 queue execute",
    ),
    (
        "GovernorPreventLateQuorum.test.js: delay is extended to prevent last minute take-over",
        r#"{"quorum":0.05,"extension_s":8}"#,
        "@19 2:for=7 active ends=27 @21 1:against=10 ends=27 @27 active @27.000000001 defeated",
    ),
    (
        "GovernorPreventLateQuorum.sol: once, also where the extension is long",
        r#"{"quorum":0.05,"extension_s":99}"#,
        "@19 2:for=7 ends=118 @118 1:for=10 ends=118",
    ),
    (
        "GovernorPreventLateQuorum.sol: by the vote that brings the quorum",
        r#"{"quorum":0.05,"extension_s":8}"#,
        "@19 4:for=2 ends=20 1:against=10 ends=20 3:abstain=5 ends=27",
    ),
    (
        "GovernorPreventLateQuorum.sol: not while the extension is left",
        r#"{"quorum":0.05,"extension_s":8}"#,
        "@12 2:for=7 ends=20",
    ),
];

fn state(name: &str) -> State {
    serde_json::from_value(name.into()).expect("a state")
}

fn refusal(name: &str, dao: &Dao, id: &str) -> Refusal {
    match name {
        "voted" => Refusal::AlreadyVoted,
        "early" => Refusal::TooEarly(dao.view(id).eta.expect("it is queued")),
        _ => Refusal::WrongState(state(name)),
    }
}

fn seconds(text: &str) -> f64 {
    text.parse().expect("a number")
}

/// What somebody does, and whether it is refused as expected.
fn act(dao: &mut Dao, id: &str, word: &str, what: &str) {
    let (command, refused) =
        word.split_once('!').map_or((word, None), |(command, name)| (command, Some(name)));
    let expected = refused.map_or(Ok(()), |name| Err(refusal(name, dao, id)));
    let done = match command {
        "queue" => dao.queue(id).map(|_| ()),
        "execute" => dao.execute(id).map(|_| ()),
        "cancel" => dao.cancel(id).map(|_| ()),
        vote => {
            let (voter, rest) = vote.split_once(':').expect("a voter");
            let (choice, power) =
                rest.split_once('=').map_or((rest, None), |(choice, power)| (choice, Some(power)));
            let choice = match choice {
                "for" => Choice::For,
                "against" => Choice::Against,
                _ => Choice::Abstain,
            };
            let power = power.map(seconds);
            dao.vote(voter.parse().expect("a number"), id, choice)
                .map(|counted| assert_eq!(Some(counted), power, "{what}"))
        }
    };
    assert_eq!(done, expected, "{what}");
}

fn play((source, changes, words): &Case) {
    let mut dao = Dao::new(CONFIG);
    // Voters 1 to 4, and the rest of the supply, which does not vote.
    for (member, stake) in [(1, 10), (2, 7), (3, 5), (4, 2), (5, 76)] {
        dao.member(member, stake);
    }
    let id = dao.propose(changes);
    for word in words.split_whitespace() {
        let what = format!("{source}: {word}");
        let view = dao.view(&id);
        if let Some(s) = word.strip_prefix('@') {
            dao.to(seconds(s));
        } else if let Some(counts) = word.strip_prefix("count=") {
            let shown =
                [view.for_, view.against, view.abstain].map(|power| power.as_f64().to_string());
            assert_eq!(shown.join("/"), counts, "{what}");
        } else if let Some(s) = word.strip_prefix("ends=") {
            assert_eq!(view.ends_at, at(seconds(s)), "{what}");
        } else if let Some(s) = word.strip_prefix("eta=") {
            assert_eq!(view.eta, Some(at(seconds(s))), "{what}");
        } else if word.contains(['!', ':']) || ["queue", "execute", "cancel"].contains(&word) {
            act(&mut dao, &id, word, &what);
        } else {
            assert_eq!(view.state, state(word), "{what}");
        }
    }
    let kept = dao.governor.clone();
    dao.restart();
    assert_eq!(dao.governor, kept, "{source}");
}

#[test]
fn votes() {
    VOTES.iter().for_each(play);
}

#[test]
fn states() {
    STATES.iter().for_each(play);
}

#[test]
fn cancellation() {
    CANCELLATION.iter().for_each(play);
}

#[test]
fn the_timelock() {
    TIMELOCK.iter().for_each(play);
}

#[test]
fn late_quorum() {
    LATE_QUORUM.iter().for_each(play);
}

/// Governor.test.js: on vote, on execute, cancel: if proposal does not exist.
#[test]
fn unknown_proposals() {
    let mut dao = Dao::new(CONFIG);
    dao.member(1, 10);
    let id = dao.propose("{}");
    dao.to(5.0);
    let (short, long) = (&id[..id.len() - 1], format!("{id}0"));
    for unknown in ["", "p", "p1", "nope", "p99-0000000000000000", short, &long] {
        let gone = Err(Refusal::UnknownProposal);
        assert_eq!(dao.cast_body(unknown, b"nonsense"), gone, "{unknown}");
        let acts = [dao.queue(unknown), dao.execute(unknown), dao.cancel(unknown)];
        assert!(acts.into_iter().all(|act| act.is_err_and(|e| e == Refusal::UnknownProposal)));
    }
}
