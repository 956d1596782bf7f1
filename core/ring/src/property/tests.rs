//! The property on the kept corpus and on generated edits.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use proptest::prelude::*;

use super::*;

thread_local! {
    static BENCH: Bench = Bench::default();
}

#[test]
fn a_journal_is_made_again_to_the_byte() {
    let (one, other) = (Bench::default(), Bench::default());
    assert!(one.states == other.states, "an edit means the same whenever it is tried");
    assert!(one.kept[3].clone().count() > 8, "{:?}", one.kept);
}

/// Edits that looked worth it, and what the fuzzer made of them.
#[test]
fn the_kept_corpus_holds() {
    let kept = include_str!("../../../../tests/fuzz/corpora/ring_file.txt");
    for line in kept.lines() {
        let bytes = BASE64_STANDARD.decode(line).expect("a line of Base64");
        BENCH.with(|bench| bench.holds(&bytes));
    }
    assert!(kept.lines().count() > 50);
}

#[test]
fn files_of_any_bytes_are_set_aside() {
    BENCH.with(|bench| {
        for length in [0, 1, 79, 8191, 8192, 49_152] {
            bench.holds(&[&[16][..], &vec![b'x'; length]].concat());
        }
        for state in &bench.states {
            bench.holds(&[&[16][..], &state[..state.len() - 1]].concat());
        }
    });
}

/// Sizes that no journal is made with, though head and length agree: of no log nothing can be read, and a log shorter
/// than a record has no end.
#[test]
fn impossible_sizes_are_set_aside() {
    const IDS_AT: u64 = 40_960;
    let log_at = |window: u64| (IDS_AT + window * 32).next_multiple_of(4096);
    BENCH.with(|bench| {
        for (window, log_bytes) in [(64u64, 0u64), (64, 8), (64, 4104), (0, LOG_BYTES)] {
            let mut file = bench.states[1].clone();
            file[16..24].copy_from_slice(&window.to_le_bytes());
            file[24..32].copy_from_slice(&log_bytes.to_le_bytes());
            file.resize((log_at(window) + log_bytes) as usize, 0);
            forge(&mut file);
            bench.put(&file);
            let (ring, recovery) = open(bench.folder.path(), &CONFIG);
            assert!(bench.look(&ring, &recovery, &file, true).is_empty());
            assert!(recovery.set_aside.is_some(), "{window} {log_bytes}");
        }
    });
}

/// Each number of a file in its turn is one at which counting ends or begins anew, with all checks right.
#[test]
fn numbers_of_a_forger_bring_nothing_down() {
    const FORGED: u8 = 4;
    const PUT_NUMBER: u8 = 6;
    // Head, hints, one cursor, the ids' sequences, the log: parts of the file as edits count them, with their bytes
    // and the way from one number to the next.
    let parts = [(0, 80, 8), (1, 128, 8), (2, 256, 8), (3, 2048, 32), (4, LOG_BYTES as u16, 8)];
    BENCH.with(|bench| {
        for state in [1, 3] {
            for (part, bytes, step) in parts {
                for at in (0..bytes).step_by(step) {
                    let [high, low] = at.to_be_bytes();
                    for number in 0..edit::NUMBERS.len() as u8 {
                        bench.holds(&[state | FORGED, PUT_NUMBER, high, low, part, number, 0]);
                    }
                }
            }
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn generated_edits_hold(first in 0..16u8, edits in prop::collection::vec(any::<u8>(), 0..48)) {
        BENCH.with(|bench| bench.holds(&[&[first][..], &edits].concat()));
    }

    #[test]
    fn one_generated_edit_holds(first in 0..4u8, edit in prop::collection::vec(any::<u8>(), EDIT)) {
        BENCH.with(|bench| bench.holds(&[&[first][..], &edit].concat()));
    }
}
