//! What deciding costs: tallies, votes, lookups, verification.
//!
//! The rule: 100 open proposals with the votes of 10,000 members each, unless the id says otherwise; all is warm.

use std::convert::Infallible;
use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use shimmer_governor::{
    Ballot, Bytes, Choice, Command, Data, Entry, Fault, Governor, Hash, Lookup, MemberPut, Ratio,
    Replay, Secret, Signatures, Split, Stake, Time, Vote, WeightSet,
};

const CONFIG: &str =
    r#"{"id":"bench","auto":true,"default_weight":1,"max_step":0.25,"epoch_s":10,"renew_s":1000}"#;
const START: i64 = 1_700_000_000;
const MEMBERS: u32 = 10_000;
const PROPOSALS: usize = 100;

fn at(s: i64) -> Time {
    Time::from_s(START + s).expect("a time")
}

fn secret(member: u32) -> Secret {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&member.to_be_bytes());
    Secret::from_bytes(&bytes)
}

fn submit(dao: &mut Governor, command: &Command, log: &mut Vec<String>) -> Entry {
    let keep = |entry: &Entry| {
        log.push(entry.to_line());
        Ok::<_, Infallible>(())
    };
    dao.submit(at(0), command, keep).expect("a good command")
}

fn founded(members: u32, log: &mut Vec<String>) -> Governor {
    let mut dao = Governor::default();
    let config = serde_json::from_str(CONFIG).expect("a configuration");
    submit(&mut dao, &Command::Configure(config), log);
    for member in 0..members {
        let stake = Stake::new(u64::from(member) * 7_919 + 1).expect("a stake");
        let name = "m".parse().expect("a name");
        let put = MemberPut { key: secret(member).key(), name, stake };
        submit(&mut dao, &Command::PutMember(put), log);
    }
    dao
}

const STRATEGIES: [(&str, &str); 5] = [
    ("member", r#""strategy":"member""#),
    ("stake", r#""strategy":"stake""#),
    ("quadratic", r#""strategy":"quadratic""#),
    ("quadratic-8-options", r#""strategy":"quadratic""#),
    ("conviction", r#""strategy":"conviction","alpha":0.9999,"step_s":1"#),
];

fn proposed(dao: &mut Governor, strategy: usize, source: usize, log: &mut Vec<String>) -> String {
    let options = if strategy == 3 { "0,0.1,0.2,0.3,0.4,0.5,0.6,0.7" } else { "0.5" };
    let spec = format!(
        r#"{{"title":"t","source":"s{source}","options":[{options}],{},"delay_s":0,"period_s":100000,"quorum":0.5,
        "timelock_s":1,"extension_s":1,"grace_s":1}}"#,
        STRATEGIES[strategy].1
    );
    let command = Command::Propose(serde_json::from_str(&spec).expect("a proposal"));
    match submit(dao, &command, log).data {
        Data::Proposal(proposed) => proposed.id.to_string(),
        other => panic!("{other:?}"),
    }
}

fn choice(strategy: usize, member: u32) -> Choice {
    let share = |option: u32| (option as usize, f64::from(member % 7 + option + 1));
    match strategy {
        3 => Choice::Split(Split::new(&[0, 3, 7].map(share)).expect("a split")),
        _ if member.is_multiple_of(3) => Choice::Against,
        _ => Choice::For,
    }
}

/// All members vote on 100 proposals, 20 of each strategy. Nobody signs, or this would take minutes: the lines are
/// read as a node reads its own log, which also says which power belongs to a vote.
fn voted() -> Governor {
    let mut log = Vec::new();
    let mut dao = founded(MEMBERS, &mut log);
    let ids: Vec<_> = (0..PROPOSALS).map(|n| proposed(&mut dao, n % 5, n, &mut log)).collect();
    let mut replay = Replay::new(Signatures::Trusted);
    for line in &log {
        replay.line(line.as_bytes()).expect("a good line");
    }
    let voters: Vec<_> = (0..MEMBERS).map(|member| secret(member).key().bytes()).collect();
    for (number, voter) in (0..).zip(voters) {
        for (n, id) in (0..PROPOSALS).zip(&ids) {
            let head = replay.governor().head();
            let ballot = ballot(id, choice(n % 5, number));
            let vote = Vote { ballot, voter, signature: Bytes([0; 64]) }.to_json();
            let data = vote.replace("\"proposal\"", "\"power\":0,\"proposal\"");
            let line = format!(
                "{{\"at\":\"{}\",\"data\":{data},\"hash\":\"{}\",\"n\":{},\"prev\":\"{}\",\"type\":\"vote\"}}",
                at(1 + i64::from(number)),
                Hash::ZERO,
                head.entries,
                head.hash
            );
            match replay.line(line.as_bytes()) {
                Err(Fault::Differs { expected }) => {
                    replay.line(expected.to_line().as_bytes()).expect("it was expected")
                }
                other => panic!("{other:?} {line}"),
            }
        }
    }
    replay.into_governor()
}

fn ballot(id: &str, choice: Choice) -> Ballot {
    let (dao, proposal) = ("bench".parse().expect("an id"), id.parse().expect("an id"));
    Ballot { dao, proposal, nonce: 1, choice }
}

fn tallies(c: &mut Criterion) {
    let dao = voted();
    let now = at(20_000);
    let mut group = c.benchmark_group("tally");
    group.bench_function(BenchmarkId::new("all", "100x10000"), |b| {
        b.iter(|| black_box(&dao).proposals(now).filter(|view| view.votes == MEMBERS).count());
    });
    for (strategy, id) in dao.proposals(now).take(5).map(|view| view.id).enumerate() {
        group.bench_function(BenchmarkId::new(STRATEGIES[strategy].0, MEMBERS), |b| {
            b.iter(|| black_box(&dao).proposal(&id, now));
        });
    }
    group.bench_function(BenchmarkId::new("due", PROPOSALS), |b| {
        b.iter(|| black_box(&dao).due(now))
    });
    group.finish();
}

fn votes(c: &mut Criterion) {
    let mut log = Vec::new();
    let mut dao = founded(1_000, &mut log);
    let id = proposed(&mut dao, 1, 0, &mut log);
    let body = ballot(&id, Choice::For).sign(&secret(5)).to_json().into_bytes();
    let command = Command::Vote { proposal: id, body };
    let mut group = c.benchmark_group("vote");
    group.bench_function("decide", |b| b.iter(|| dao.decide(at(1), black_box(&command))));
    let decided = dao.decide(at(1), &command).expect("a vote").to_line();
    for (name, signatures) in [("replay", Signatures::Trusted), ("verify", Signatures::Checked)] {
        let mut replay = Replay::new(signatures);
        for line in &log {
            replay.line(line.as_bytes()).expect("a good line");
        }
        group.bench_function(name, |b| {
            b.iter_batched_ref(
                || replay.clone(),
                |replay| replay.line(black_box(decided.as_bytes())),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn lookups(c: &mut Criterion) {
    let mut group = c.benchmark_group("lookup");
    for count in [1_000, 4_096] {
        let source = |n: usize| format!("device-{n}/temperature");
        let weights: Vec<_> = (0..count).map(|n| format!("\"{}\":0.5", source(n))).collect();
        let set = format!(
            r#"{{"version":1,"effective_at":"2025-01-01T00:00:00Z","hash":"{}","weights":{{{}}}}}"#,
            Hash::ZERO,
            weights.join(",")
        );
        let set: WeightSet = serde_json::from_str(&set).expect("a set");
        let lookup = Lookup::new(&set, Ratio::ONE);
        for (name, first) in [("known", 0), ("unknown", count)] {
            let sources: Vec<_> = (first..first + count).map(source).collect();
            let mut next = sources.iter().cycle();
            group.bench_function(BenchmarkId::new(name, count), |b| {
                b.iter(|| lookup.weight(black_box(next.next().expect("it goes round"))));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, lookups, votes, tallies);
criterion_main!(benches);
