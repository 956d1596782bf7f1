//! Snapshot's published examples.
//!
//! The rule: the scores are theirs to 1e-9; `tests/vectors/snapshot.json` has them with the votes.

use serde_json::Value;
use shimmer_governor::{Choice, Split};

use crate::dao::{CONFIG, Dao};

const EXAMPLES: &str = include_str!("../vectors/snapshot.json");

/// Options and shares of a vote there: an option's number, or shares by number, which may be zero.
fn split(choice: &Value) -> Choice {
    let index = |name: &str| name.parse::<usize>().expect("a number") - 1;
    let shares = match choice {
        Value::Object(shares) => shares
            .iter()
            .map(|(name, share)| (index(name), share.as_f64().expect("a share")))
            .collect(),
        option => vec![(index(&option.to_string()), 1.0)],
    };
    let given: Vec<_> = shares.into_iter().filter(|(_, share)| *share > 0.0).collect();
    Choice::Split(Split::new(&given).expect("a split"))
}

/// The tallies of an example, each voter with this stake.
fn scores(example: &Value, strategy: &str, stake: u64) -> Vec<f64> {
    let votes = example["votes"].as_array().expect("votes");
    let mut dao = Dao::new(CONFIG);
    for (member, _) in (0..).zip(votes) {
        dao.member(member, stake);
    }
    let id = dao.propose(&format!(r#"{{"options":[0,0.25,0.5,0.75],"strategy":"{strategy}"}}"#));
    dao.to(5.0);
    for (member, vote) in (0..).zip(votes) {
        dao.vote(member, &id, split(vote)).expect("a vote");
    }
    let view = dao.view(&id);
    assert_eq!(view.for_.as_f64(), votes.len() as f64 * stake as f64, "all that voted");
    view.tallies.iter().map(|power| power.as_f64()).collect()
}

fn hold(name: &str, strategy: &str) {
    let examples: Value = serde_json::from_str(EXAMPLES).expect("JSON");
    let example = &examples[name];
    let expected: Vec<f64> = serde_json::from_value(example["scores"].clone()).expect("scores");
    // The second published quadratic example is the first with a balance of 3; so the others scale too.
    for stake in [1, 3] {
        let scores = scores(example, strategy, stake);
        for (score, expected) in scores.iter().zip(&expected) {
            let expected = expected * stake as f64;
            assert!((score - expected).abs() < 1e-9, "{name}: {scores:?}, {expected}");
        }
        let sum: f64 = scores.iter().sum();
        let whole = example["votes"].as_array().map_or(0, Vec::len) as f64 * stake as f64;
        assert!((sum - whole).abs() < 1e-9, "{name}: {sum} of {whole}");
    }
}

#[test]
fn single_choice() {
    hold("singleChoice", "stake");
}

#[test]
fn weighted() {
    hold("weighted", "stake");
}

#[test]
fn quadratic() {
    hold("quadratic", "quadratic");
}
