//! Random histories.
//!
//! The rule: whatever happens, the log alone gives the same state, to the bit.

use proptest::prelude::*;
use shimmer_governor::{Choice, Data, Entry, Refusal, Replay, Signatures, Split, replay, verify};

use crate::dao::{CONFIG, Dao};
use crate::forgery::mended;

#[derive(Clone, Debug)]
enum Op {
    /// Milliseconds.
    Wait(u32),
    Member(u32, u64),
    Revoke(u32),
    Propose(usize),
    Vote(u32, usize, usize),
    Queue(usize),
    Execute(usize),
    Cancel(usize),
    Configure(usize),
}

const SPECS: [&str; 6] = [
    r#"{"strategy":"member","quorum":0}"#,
    r#"{"strategy":"stake","timelock_s":1.5,"extension_s":20}"#,
    r#"{"strategy":"quadratic","options":[0.7],"grace_s":0}"#,
    r#"{"strategy":"quadratic","options":[0,0.333333333333,1],"source":"b","quorum":0.3}"#,
    r#"{"strategy":"conviction","alpha":0.97,"step_s":0.5,"source":"b"}"#,
    r#"{"strategy":"member","options":[1,0],"source":"c","delay_s":0,"period_s":0.25}"#,
];

fn configs() -> [String; 4] {
    let auto = CONFIG.replace("false", "true");
    let other = CONFIG.replace("\"default_weight\":1", "\"default_weight\":0.4");
    [CONFIG.to_owned(), auto.clone(), other, auto.replace("0.25", "0.1").replace("1000", "45.5")]
}

fn choices() -> [Choice; 6] {
    let split = |shares: &[(usize, f64)]| Choice::Split(Split::new(shares).expect("a split"));
    [
        Choice::For,
        Choice::Against,
        Choice::Abstain,
        split(&[(0, 1.0), (1, 2.0)]),
        split(&[(1, 0.1), (2, 0.7)]),
        split(&[(0, 1e-9), (1, 1e9)]),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let wait =
        prop_oneof![Just(0), 1..3_000_u32, 1_000..40_000_u32, Just(4_000), Just(100_000_000)];
    let stake = prop_oneof![0..40_u64, Just(0), Just((1 << 53) - 1)];
    prop_oneof![
        4 => wait.prop_map(Op::Wait),
        3 => (0..6_u32, stake).prop_map(|(member, stake)| Op::Member(member, stake)),
        1 => (0..6_u32).prop_map(Op::Revoke),
        3 => (0..SPECS.len()).prop_map(Op::Propose),
        9 => (0..6_u32, 0..4_usize, 0..6_usize).prop_map(|(member, id, choice)| Op::Vote(member, id, choice)),
        2 => (0..4_usize).prop_map(Op::Queue),
        2 => (0..4_usize).prop_map(Op::Execute),
        1 => (0..4_usize).prop_map(Op::Cancel),
        1 => (0..4_usize).prop_map(Op::Configure),
    ]
}

/// A DAO and the ids of its newest proposals.
#[derive(Clone)]
struct Play {
    dao: Dao,
    ids: Vec<String>,
    seconds: f64,
}

impl Play {
    fn new() -> Self {
        let mut dao = Dao::new(&configs()[1]);
        for member in 0..4 {
            dao.member(member, 10 + u64::from(member));
        }
        Self { dao, ids: Vec::new(), seconds: 0.0 }
    }

    /// The newest, the one before, and so on.
    fn id(&self, back: usize) -> String {
        let at = self.ids.len().checked_sub(back + 1);
        at.map_or("p0-none".to_owned(), |at| self.ids[at].clone())
    }

    /// What came of it; refusals are part of the game.
    fn play(&mut self, op: &Op) -> Result<(), Refusal> {
        let dao = &mut self.dao;
        match op {
            Op::Wait(ms) => {
                self.seconds += f64::from(*ms) / 1e3;
                dao.to(self.seconds);
                Ok(())
            }
            Op::Member(member, stake) => dao.try_member(*member, *stake).map(|_| ()),
            Op::Revoke(member) => dao.revoke(*member).map(|_| ()),
            Op::Propose(spec) => {
                let id = dao.try_propose(SPECS[*spec])?;
                self.ids.push(id);
                Ok(())
            }
            Op::Vote(member, back, choice) => {
                let id = self.id(*back);
                self.dao.vote(*member, &id, choices()[*choice].clone()).map(|_| ())
            }
            Op::Queue(back) => {
                let id = self.id(*back);
                self.dao.queue(&id).map(|_| ())
            }
            Op::Execute(back) => {
                let id = self.id(*back);
                self.dao.execute(&id).map(|_| ())
            }
            Op::Cancel(back) => {
                let id = self.id(*back);
                self.dao.cancel(&id).map(|_| ())
            }
            Op::Configure(which) => dao.configure(&configs()[*which]).map(|_| ()),
        }
    }
}

fn played(ops: &[Op]) -> Play {
    let mut play = Play::new();
    for op in ops {
        let _ = play.play(op);
    }
    play
}

/// No weight moves by more than a step from one set to the next, but where the default changed.
fn steps_are_bounded(log: &[String]) {
    let (mut weights, mut default, mut step) = (std::collections::BTreeMap::new(), 1.0, 1.0);
    let mut restated = false;
    for line in log {
        match Entry::parse(line.as_bytes()).expect("an entry").data {
            Data::Config(config) => {
                restated |= config.default_weight.as_f64() != default;
                (default, step) = (config.default_weight.as_f64(), config.max_step.as_f64());
            }
            Data::Weights(set) => {
                let now: std::collections::BTreeMap<_, _> = set
                    .weights
                    .iter()
                    .map(|(source, weight)| (source.to_string(), weight.as_f64()))
                    .collect();
                let sources = weights.keys().chain(now.keys());
                for source in sources {
                    let of = |weights: &std::collections::BTreeMap<String, f64>| {
                        *weights.get(source).unwrap_or(&default)
                    };
                    let moved = (of(&weights) - of(&now)).abs();
                    assert!(restated || moved <= step + 1e-12, "{source} by {moved} in {line}");
                }
                (weights, restated) = (now, false);
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_log_alone_gives_the_state(
        ops in prop::collection::vec(op(), 1..70),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 12),
    ) {
        let play = played(&ops);
        let text = play.dao.text();
        for signatures in [Signatures::Trusted, Signatures::Checked] {
            let again = replay(text.as_bytes(), signatures).expect("a good log");
            prop_assert_eq!(&again, &play.dao.governor);
            prop_assert_eq!(again.weights(), play.dao.governor.weights());
        }
        prop_assert_eq!(verify(text.as_bytes()), Ok(play.dao.governor.head()));
        steps_are_bounded(&play.dao.log);
        for (index, bits) in flips {
            let mut bytes = text.clone().into_bytes();
            let at = index.index(bytes.len());
            bytes[at] ^= bits;
            let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            prop_assert_eq!(verify(&bytes[..]).expect_err("a changed byte").line, line);
        }
    }

    #[test]
    fn a_restart_anywhere_changes_nothing(ops in prop::collection::vec(op(), 1..50), often in 1..5_usize) {
        let (mut steady, mut restarted) = (Play::new(), Play::new());
        for (number, op) in ops.iter().enumerate() {
            if number % often == 0 {
                restarted.dao.restart();
            }
            prop_assert_eq!(steady.play(op), restarted.play(op));
            prop_assert_eq!(&steady.dao.governor, &restarted.dao.governor);
        }
        prop_assert_eq!(steady.dao.log, restarted.dao.log);
    }

    #[test]
    fn a_changed_digit_is_found_though_hashes_were_mended(
        ops in prop::collection::vec(op(), 10..60),
        which in any::<prop::sample::Index>(),
        digit in any::<prop::sample::Index>(),
        by in 1..9_u8,
    ) {
        // Whatever was played, at last a member votes.
        let mut ops = ops;
        ops.extend([Op::Member(0, 5), Op::Propose(1), Op::Wait(4_500), Op::Vote(0, 0, 0)]);
        let log = played(&ops).dao.log;
        // Each proposal binds all before it, and each vote is signed for its proposal.
        let votes = log.iter().rposition(|line| line.ends_with("\"vote\"}"));
        let bound = votes.and_then(|vote| log[..vote].iter().rposition(|line| line.ends_with("\"proposal\"}")));
        let at = which.index(bound.expect("a vote has a proposal"));
        let end = log[at].rfind(",\"hash\"").expect("a hash");
        let digits: Vec<usize> = log[at][..end].match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at).collect();
        let place = digits[digit.index(digits.len())];
        let mut line = log[at].clone().into_bytes();
        line[place] = b'0' + (line[place] - b'0' + by) % 10;
        let mut forged = log.clone();
        forged[at] = String::from_utf8(line).expect("ASCII");
        let forged: String = mended(&forged).iter().map(|line| format!("{line}\n")).collect();
        let bad = verify(forged.as_bytes());
        prop_assert!(bad.is_err_and(|bad| bad.line > at as u64), "{}", log[at]);
    }

    #[test]
    fn a_stake_in_many_keys_is_one_stake(parts in prop::collection::vec(1..1_000_u64, 2..20), others in 1..10_000_u64) {
        let total: u64 = parts.iter().sum();
        let outcome = |stakes: &[u64], strategy: &str| {
            let mut dao = Dao::new(CONFIG);
            dao.member(1_000, others);
            for (member, stake) in (0..).zip(stakes) {
                dao.member(member, *stake);
            }
            let id = dao.propose(strategy);
            dao.to(5.0);
            dao.vote(1_000, &id, Choice::Against).expect("a vote");
            for (member, _) in (0..).zip(stakes) {
                dao.vote(member, &id, Choice::For).expect("a vote");
            }
            let view = dao.view(&id);
            (view.for_, view.against, view.total_power, view.winner, view.quorum_reached)
        };
        let stake = r#"{"strategy":"stake"}"#;
        prop_assert_eq!(outcome(&parts, stake), outcome(&[total], stake));
        // Where keys count, only the registry makes keys.
        for strategy in [r#"{"strategy":"member"}"#, r#"{"strategy":"quadratic"}"#] {
            let mut dao = Dao::new(CONFIG);
            dao.member(0, total);
            let id = dao.propose(strategy);
            dao.to(5.0);
            for (key, _) in (1..).zip(&parts) {
                prop_assert_eq!(dao.vote(key, &id, Choice::For), Err(Refusal::UnknownVoter));
            }
            prop_assert_eq!(dao.view(&id).votes, 0);
        }
    }
}

#[test]
fn a_replay_goes_on_from_any_line() {
    let ops: Vec<Op> = (0..6)
        .flat_map(|i| {
            [
                Op::Propose(i),
                Op::Wait(4_500),
                Op::Vote(0, 0, i % 4),
                Op::Vote(1, 0, i % 3),
                Op::Wait(30_000),
            ]
        })
        .collect();
    let play = played(&ops);
    let mut replay = Replay::new(Signatures::Checked);
    for line in &play.dao.log {
        replay.line(line.as_bytes()).expect("a good line");
        let refused = replay.clone().line(line.as_bytes());
        assert!(refused.is_err(), "no entry counts twice");
    }
    assert_eq!(replay.governor(), &play.dao.governor);
}
