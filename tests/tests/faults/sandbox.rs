//! What a plugin process cannot do.

use crate::bench::{Bench, plugin, wait};

#[test]
fn every_way_out_is_closed() {
    let mut bench = Bench::new(vec![plugin("prober")]);
    bench.post("trigger", 0..1, "{}");
    wait("the probes", || !bench.events("probe").is_empty());
    let card = bench.caught_up("prober");
    assert_eq!(card.crash_count, 0, "{:?}", card.last_error);
    let probes = bench.events("probe");
    assert!(probes.len() >= 20);
    let open: Vec<_> = probes
        .iter()
        .filter(|probe| probe["value"] != 0.0)
        .map(|probe| probe["subject"].to_string())
        .collect();
    assert!(open.is_empty(), "allowed: {open:?}");
}
