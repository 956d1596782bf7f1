//! The rules of OpenZeppelin's Governor 5, case by case.
//!
//! The rule: each case names the test that it was read from, in `test/governance` of openzeppelin-contracts; the voters
//! have 10, 7, 5 and 2 of 100, as there. Here a block is a second, and a vote by transaction is a signed vote.

use shimmer_governor::{Choice, Refusal, State};

use crate::dao::{CONFIG, Dao, at};

/// A step of a case. Seconds count from the proposal; the vote is open after 4 and up to 20.
enum Step {
    At(f64),
    Is(State),
    Vote(u32, Choice, Result<f64, Refusal>),
    Queue(Result<(), Refusal>),
    Execute(Result<(), Refusal>),
    Cancel(Result<(), Refusal>),
    /// For, against, abstain.
    Counts(f64, f64, f64),
    Ends(f64),
    Eta(f64),
}

use Choice::{Abstain, Against, For};
use State::{Active, Canceled, Defeated, Executed, Expired, Pending, Queued, Succeeded};
use Step::{At, Cancel, Counts, Ends, Eta, Execute, Is, Queue, Vote};

fn wrong<T>(state: State) -> Result<T, Refusal> {
    Err(Refusal::WrongState(state))
}

struct Case {
    source: &'static str,
    changes: &'static str,
    steps: Vec<Step>,
}

fn case(source: &'static str, changes: &'static str, steps: Vec<Step>) -> Case {
    Case { source, changes, steps }
}

fn play(case: Case) {
    let mut dao = Dao::new(CONFIG);
    // Voters 1 to 4, and the rest of the supply, which does not vote.
    for (member, stake) in [(1, 10), (2, 7), (3, 5), (4, 2), (5, 76)] {
        dao.member(member, stake);
    }
    let id = dao.propose(case.changes);
    for (number, step) in case.steps.into_iter().enumerate() {
        let what = format!("{}, step {number}", case.source);
        let done = |result: Result<_, Refusal>| result.map(|_| ());
        match step {
            At(s) => {
                dao.to(s);
            }
            Is(state) => assert_eq!(dao.view(&id).state, state, "{what}"),
            Vote(voter, choice, expected) => {
                assert_eq!(dao.vote(voter, &id, choice), expected, "{what}");
            }
            Queue(expected) => assert_eq!(done(dao.queue(&id)), expected, "{what}"),
            Execute(expected) => assert_eq!(done(dao.execute(&id)), expected, "{what}"),
            Cancel(expected) => assert_eq!(done(dao.cancel(&id)), expected, "{what}"),
            Counts(for_, against, abstain) => {
                let view = dao.view(&id);
                let counts = [view.for_, view.against, view.abstain].map(|power| power.as_f64());
                assert_eq!(counts, [for_, against, abstain], "{what}");
            }
            Ends(s) => assert_eq!(dao.view(&id).ends_at, at(s), "{what}"),
            Eta(s) => assert_eq!(dao.view(&id).eta, Some(at(s)), "{what}"),
        }
    }
    let kept = dao.governor.clone();
    dao.restart();
    assert_eq!(dao.governor, kept, "{}", case.source);
}

#[test]
fn votes() {
    let cases = [
        case(
            "Governor.test.js: nominal workflow",
            "{}",
            vec![
                Is(Pending),
                At(5.0),
                Is(Active),
                Vote(1, For, Ok(10.0)),
                Vote(2, For, Ok(7.0)),
                Vote(3, Against, Ok(5.0)),
                Vote(4, Abstain, Ok(2.0)),
                Counts(17.0, 5.0, 2.0),
                At(21.0),
                Is(Succeeded),
                // There a governor without a timelock executes at once; here the way is always by the queue.
                Queue(Ok(())),
                Execute(Ok(())),
                Is(Executed),
                Counts(17.0, 5.0, 2.0),
            ],
        ),
        case(
            "Governor.test.js: on vote, if voting has not started",
            "{}",
            vec![
                Vote(1, For, wrong(Pending)),
                At(4.0),
                Vote(1, For, wrong(Pending)),
                At(4.000_000_001),
                Vote(1, For, Ok(10.0)),
            ],
        ),
        case(
            "Governor.test.js: on vote, if vote was already casted",
            "{}",
            vec![
                At(5.0),
                Vote(1, For, Ok(10.0)),
                Vote(1, For, Err(Refusal::AlreadyVoted)),
                Vote(1, Against, Err(Refusal::AlreadyVoted)),
                Counts(10.0, 0.0, 0.0),
            ],
        ),
        case(
            "Governor.test.js: on vote, if voting is over",
            "{}",
            vec![
                At(20.0),
                Vote(1, For, Ok(10.0)),
                At(20.000_000_001),
                Vote(2, For, wrong(Succeeded)),
            ],
        ),
        case(
            "Governor.test.js: on vote, if voting is over (defeated)",
            "{}",
            vec![At(21.0), Vote(1, For, wrong(Defeated))],
        ),
        // `if support value is invalid`, `vote by signature` and its nonce: votes.rs. Here a nonce is any number,
        // because a member votes once.
    ];
    cases.into_iter().for_each(play);
}

#[test]
fn states() {
    let cases = [
        case(
            "Governor.test.js: state, Pending & Active",
            "{}",
            vec![Is(Pending), At(4.0), Is(Pending), At(4.000_000_001), Is(Active)],
        ),
        case(
            "Governor.test.js: state, Defeated",
            "{}",
            vec![At(20.0), Is(Active), At(20.000_000_001), Is(Defeated)],
        ),
        case(
            "Governor.test.js: state, Succeeded",
            "{}",
            vec![
                At(5.0),
                Vote(1, For, Ok(10.0)),
                At(20.0),
                Is(Active),
                At(20.000_000_001),
                Is(Succeeded),
                At(9e6),
                Is(Succeeded),
            ],
        ),
        case(
            "Governor.test.js: state, Executed",
            "{}",
            vec![
                At(5.0),
                Vote(1, For, Ok(10.0)),
                At(21.0),
                Queue(Ok(())),
                Execute(Ok(())),
                Is(Executed),
                At(9e6),
                Is(Executed),
            ],
        ),
        case(
            "Governor.test.js: on execute, if quorum is not reached",
            "{}",
            vec![
                At(5.0),
                Vote(3, For, Ok(5.0)),
                At(21.0),
                Is(Defeated),
                Queue(wrong(Defeated)),
                Execute(wrong(Defeated)),
            ],
        ),
        case(
            "Governor.test.js: on execute, if score not reached",
            "{}",
            vec![
                At(5.0),
                Vote(1, Against, Ok(10.0)),
                At(21.0),
                Is(Defeated),
                Execute(wrong(Defeated)),
            ],
        ),
        case(
            "Governor.test.js: on execute, if voting is not over",
            "{}",
            vec![
                At(5.0),
                Vote(1, For, Ok(10.0)),
                Queue(wrong(Active)),
                Execute(wrong(Active)),
                At(20.0),
                Queue(wrong(Active)),
                Execute(wrong(Active)),
            ],
        ),
        case(
            "Governor.test.js: on execute, if proposal was already executed",
            "{}",
            vec![
                At(5.0),
                Vote(1, For, Ok(10.0)),
                At(21.0),
                Queue(Ok(())),
                Execute(Ok(())),
                Execute(wrong(Executed)),
            ],
        ),
        case(
            "GovernorCountingSimple: for strictly above against",
            "{}",
            vec![
                At(5.0),
                Vote(2, For, Ok(7.0)),
                Vote(3, Against, Ok(5.0)),
                Vote(4, Against, Ok(2.0)),
                Vote(1, Abstain, Ok(10.0)),
                At(21.0),
                Is(Defeated),
            ],
        ),
        case(
            "GovernorVotesQuorumFraction.test.js: quorum reached",
            r#"{"quorum":0.08}"#,
            vec![At(5.0), Vote(1, For, Ok(10.0)), At(21.0), Queue(Ok(())), Execute(Ok(()))],
        ),
        case(
            "GovernorVotesQuorumFraction.test.js: quorum not reached",
            r#"{"quorum":0.08}"#,
            vec![At(5.0), Vote(2, For, Ok(7.0)), At(21.0), Is(Defeated), Execute(wrong(Defeated))],
        ),
        case(
            "GovernorCountingSimple: quorum counts for and abstain, to the last",
            r#"{"quorum":0.12}"#,
            vec![
                At(5.0),
                Vote(1, For, Ok(10.0)),
                Vote(4, Abstain, Ok(2.0)),
                At(21.0),
                Is(Succeeded),
            ],
        ),
        case(
            "GovernorCountingSimple: quorum does not count against",
            r#"{"quorum":0.12}"#,
            vec![
                At(5.0),
                Vote(1, For, Ok(10.0)),
                Vote(4, Against, Ok(2.0)),
                At(21.0),
                Is(Defeated),
            ],
        ),
    ];
    cases.into_iter().for_each(play);
}

#[test]
fn cancellation() {
    let cases = [
        case(
            "Governor.test.js: cancel, internal, after proposal",
            "{}",
            vec![Cancel(Ok(())), Is(Canceled), At(5.0), Vote(1, For, wrong(Canceled))],
        ),
        case(
            "Governor.test.js: cancel, internal, after vote",
            "{}",
            vec![
                At(5.0),
                Vote(1, For, Ok(10.0)),
                Cancel(Ok(())),
                At(21.0),
                Execute(wrong(Canceled)),
                Counts(10.0, 0.0, 0.0),
            ],
        ),
        case(
            "Governor.test.js: cancel, internal, after deadline",
            "{}",
            vec![
                At(5.0),
                Vote(1, For, Ok(10.0)),
                At(21.0),
                Cancel(Ok(())),
                Queue(wrong(Canceled)),
                Execute(wrong(Canceled)),
            ],
        ),
        case(
            "Governor.test.js: cancel, internal, after execution",
            "{}",
            vec![
                At(5.0),
                Vote(1, For, Ok(10.0)),
                At(21.0),
                Queue(Ok(())),
                Execute(Ok(())),
                Cancel(wrong(Executed)),
            ],
        ),
        case(
            "Governor.sol: a defeated proposal may be cancelled, once",
            "{}",
            vec![At(21.0), Is(Defeated), Cancel(Ok(())), Is(Canceled), Cancel(wrong(Canceled))],
        ),
        case(
            "GovernorTimelockControl.test.js: cancel before queue prevents scheduling",
            "{}",
            vec![At(5.0), Vote(1, For, Ok(10.0)), At(21.0), Cancel(Ok(())), Queue(wrong(Canceled))],
        ),
        case(
            "GovernorTimelockControl.test.js: cancel after queue prevents executing",
            r#"{"timelock_s":3600}"#,
            vec![
                At(5.0),
                Vote(1, For, Ok(10.0)),
                At(21.0),
                Queue(Ok(())),
                Cancel(Ok(())),
                At(9999.0),
                Execute(wrong(Canceled)),
                Eta(3621.0),
            ],
        ),
    ];
    cases.into_iter().for_each(play);
}

#[test]
fn the_timelock() {
    let lock = r#"{"timelock_s":3600,"grace_s":60}"#;
    let cases = [
        case(
            "GovernorTimelockControl.test.js: nominal",
            lock,
            vec![
                At(5.0),
                Vote(1, For, Ok(10.0)),
                At(21.0),
                Queue(Ok(())),
                Is(Queued),
                Eta(3621.0),
                At(3621.0),
                Execute(Ok(())),
                Is(Executed),
                Eta(3621.0),
            ],
        ),
        case(
            "GovernorTimelockControl.test.js: on queue, if already queued",
            lock,
            vec![
                At(5.0),
                Vote(1, For, Ok(10.0)),
                At(21.0),
                Queue(Ok(())),
                Queue(wrong(Queued)),
                Eta(3621.0),
            ],
        ),
        case(
            "GovernorTimelockControl.test.js: on execute, if not queued",
            lock,
            vec![At(5.0), Vote(1, For, Ok(10.0)), At(21.0), Execute(wrong(Succeeded))],
        ),
        case(
            "GovernorTimelockControl.test.js: on execute, if too early",
            lock,
            vec![
                At(5.0),
                Vote(1, For, Ok(10.0)),
                At(21.0),
                Queue(Ok(())),
                At(3620.999_999_999),
                Execute(Err(Refusal::TooEarly(at(3621.0)))),
                At(3621.0),
                Execute(Ok(())),
            ],
        ),
        case(
            "GovernorTimelockControl.test.js: on execute, if already executed",
            lock,
            vec![
                At(5.0),
                Vote(1, For, Ok(10.0)),
                At(21.0),
                Queue(Ok(())),
                At(3622.0),
                Execute(Ok(())),
                Execute(wrong(Executed)),
            ],
        ),
        // The grace of Compound's timelock; here its last instant is still in time, as the end of a vote is.
        case(
            "GovernorTimelockCompound.test.js: on execute, if too late",
            lock,
            vec![
                At(5.0),
                Vote(1, For, Ok(10.0)),
                At(21.0),
                Queue(Ok(())),
                At(3681.0),
                Is(Queued),
                At(3681.000_000_001),
                Is(Expired),
                Execute(wrong(Expired)),
                Cancel(wrong(Expired)),
            ],
        ),
        case(
            "GovernorTimelockCompound.test.js: on execute, at the last instant",
            lock,
            vec![
                At(5.0),
                Vote(1, For, Ok(10.0)),
                At(21.0),
                Queue(Ok(())),
                At(3681.0),
                Execute(Ok(())),
            ],
        ),
    ];
    cases.into_iter().for_each(play);
}

#[test]
fn late_quorum() {
    let late = r#"{"quorum":0.05,"extension_s":8}"#;
    let cases = [
        case(
            "GovernorPreventLateQuorum.test.js: nominal workflow unaffected",
            late,
            vec![
                At(5.0),
                Vote(1, For, Ok(10.0)),
                Vote(2, For, Ok(7.0)),
                Vote(3, Against, Ok(5.0)),
                Vote(4, Abstain, Ok(2.0)),
                Ends(20.0),
                Counts(17.0, 5.0, 2.0),
                At(21.0),
                Queue(Ok(())),
                Execute(Ok(())),
            ],
        ),
        case(
            "GovernorPreventLateQuorum.test.js: delay is extended to prevent last minute take-over",
            late,
            vec![
                At(19.0),
                Vote(2, For, Ok(7.0)),
                Is(Active),
                Ends(27.0),
                At(21.0),
                Vote(1, Against, Ok(10.0)),
                Ends(27.0),
                At(27.0),
                Is(Active),
                At(27.000_000_001),
                Is(Defeated),
            ],
        ),
        case(
            "GovernorPreventLateQuorum.sol: once, also where the extension is long",
            r#"{"quorum":0.05,"extension_s":99}"#,
            vec![
                At(19.0),
                Vote(2, For, Ok(7.0)),
                Ends(118.0),
                At(118.0),
                Vote(1, For, Ok(10.0)),
                Ends(118.0),
            ],
        ),
        case(
            "GovernorPreventLateQuorum.sol: only the vote that brings the quorum",
            late,
            vec![
                At(19.0),
                Vote(4, For, Ok(2.0)),
                Ends(20.0),
                Vote(1, Against, Ok(10.0)),
                Ends(20.0),
                Vote(3, Abstain, Ok(5.0)),
                Ends(27.0),
            ],
        ),
        case(
            "GovernorPreventLateQuorum.sol: exactly the extension left",
            late,
            vec![At(12.0), Vote(2, For, Ok(7.0)), Ends(20.0)],
        ),
    ];
    cases.into_iter().for_each(play);
}

#[test]
fn unknown_proposals() {
    let mut dao = Dao::new(CONFIG);
    dao.member(1, 10);
    let id = dao.propose("{}");
    dao.to(5.0);
    // Governor.test.js: on vote, on execute, cancel: if proposal does not exist.
    for unknown in
        ["", "p", "p1", "nope", "p99-0000000000000000", &id[..id.len() - 1], &format!("{id}0")]
    {
        let gone = Err(Refusal::UnknownProposal);
        assert_eq!(dao.vote(1, "p0", Choice::For).and(dao.cast_body(unknown, b"nonsense")), gone);
        assert_eq!(dao.cast_body(unknown, b"nonsense"), gone, "{unknown}");
        let gone = Err(Refusal::UnknownProposal);
        assert_eq!(dao.queue(unknown).map(|_| ()), gone);
        assert_eq!(dao.execute(unknown).map(|_| ()), gone);
        assert_eq!(dao.cancel(unknown).map(|_| ()), gone);
    }
}
