//! Small meshes: repeatable, complete, and sound when the model is made worse.

use super::*;

fn small() -> Plan {
    Plan { nodes: 30, publish_ms: 15_000, events_per_s: 10.0, ..Plan::default() }
}

#[test]
fn a_quiet_mesh_delivers_everything_soon_and_in_few_copies() {
    let report = run(&small(), |_| ());
    assert!(report.needed > 3_000, "{report}");
    assert_eq!((report.in_time, report.never), (report.needed, 0), "{report}");
    assert!(report.live.p99_ms < 700 && report.copies_per_delivery() < 3.5, "{report}");
}

#[test]
fn equal_plans_are_equal_to_the_bit_and_other_seeds_are_not() {
    let plan = Plan { loss: 0.1, churn: 1.0, ..small() };
    let report = run(&plan, |_| ());
    assert_eq!(report, run(&plan, |_| ()));
    let other = run(&Plan { seed: 2, ..plan.clone() }, |_| ());
    assert_ne!(report.fingerprint, other.fingerprint);
    // Verifying changes nothing but the time it takes.
    let verified = run(&Plan { verify: true, ..plan }, |_| ());
    assert_eq!(report, verified);
}

#[test]
fn loss_and_churn_lose_nothing() {
    for seed in 1..=3 {
        let report = run(&Plan { loss: 0.3, churn: 1.0, seed, ..small() }, |_| ());
        assert!(report.left >= 3 && report.synced > 0, "{report}");
        assert_eq!((report.in_time, report.never), (report.needed, 0), "seed {seed}: {report}");
    }
}

#[test]
fn a_healed_partition_is_caught_up() {
    let plan = Plan { partition_ms: Some((2_000, 10_000)), deadline_ms: 20_000, ..small() };
    let report = run(&plan, |_| ());
    assert_eq!((report.in_time, report.never), (report.needed, 0), "{report}");
    assert!(report.live.max_ms < 15_000, "five seconds after the end: {report}");
    assert!(report.live.max_ms > 5_000, "nothing was cut: {report}");
}
