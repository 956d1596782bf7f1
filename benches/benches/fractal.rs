//! The fractal renderers, view by view: the table of `shimmer bench`, and each way of drawing beside
//! the processor's own with one thread, in turn.
//!
//! The rule: ratios are of wall time within a round.

use std::time::Duration;

use shimmer_benches::{Case as Round, rounds};
use shimmer_fractal::Control;
use shimmer_gpu::Adapters;
use shimmer_measure::{Table, cases, contenders, measure};

const ROUNDS: usize = 7;
const REFERENCE: &str = "cpu, 1 thread";

fn main() {
    // Without `--bench` cargo only asks whether the benches still run.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let (contenders, missing) = contenders(Some(Adapters::Hardware)).expect("threads");
    for contender in &contenders {
        println!("{}: {}", contender.name, contender.renderer.name());
    }
    missing.iter().for_each(|missing| println!("gpu: {missing}"));
    println!();
    let mut rows = Vec::new();
    for case in cases(1) {
        let case = &case;
        let one = |contender| {
            measure(case, contender, Duration::ZERO, &Control::default()).expect("nobody cancels")
        };
        let suited: Vec<_> = contenders.iter().filter(|c| c.suits(case)).collect();
        let mut in_turn: Vec<_> = suited
            .iter()
            .map(|contender| Round {
                name: contender.name.to_owned(),
                measure: Box::new(|| one(contender).wall_ms),
            })
            .collect();
        println!("{}", rounds(case.name, "ms by the wall", REFERENCE, ROUNDS, &mut in_turn));
        for contender in suited {
            let enough = Duration::from_secs(1);
            let row = measure(case, contender, enough, &Control::default());
            rows.push(row.expect("nobody cancels"));
        }
    }
    println!("{}", Table(&rows));
}
