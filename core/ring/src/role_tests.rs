//! A bug inside the writer role: what was stored stays, everything after is refused.
//!
//! Rule: no thread is left waiting, and nothing of the broken submission is seen.

use crate::{Entry, Outcome, PublishError, Reserve, Ring, RingConfig, Storage, Submission};

fn entry(id: &str) -> Entry<'_> {
    Entry {
        time_ns: 0,
        received_ns: 0,
        value: 0.0,
        kind: "k",
        subject: "",
        source: "s",
        origin: "o",
        id,
        flags: 0,
        head: b"{\"seq\":",
        tail: b"}",
        data: 0..0,
        id_span: 0..0,
    }
}

fn publish(ring: &Ring, id: &str) -> Result<Outcome, PublishError> {
    let entries = [entry(id)];
    let mut outcomes = Vec::new();
    let submission = Submission { entries: &entries, cursor: None, reserve: Reserve::Ingest };
    ring.producer().publish(&submission, &mut outcomes)?;
    Ok(outcomes[0])
}

#[test]
fn a_panic_in_the_role_fails_clearly_and_loses_nobody() {
    let config = RingConfig { capacity: 64, text_bytes: 4096, ..RingConfig::default() };
    let (ring, _) = Ring::open(&config, &Storage::Memory).expect("a ring");
    assert!(matches!(publish(&ring, "a"), Ok(Outcome::Stored(1))));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let ring = &ring;
            scope.spawn(move || {
                for n in 0..200 {
                    match publish(ring, &format!("{thread}-{n}")) {
                        Ok(Outcome::Stored(_)) => {}
                        Err(PublishError::Poisoned) => return,
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
        ring.role().call(&mut |_| panic!("a bug, on purpose"));
    });
    let published = ring.published();
    assert!(matches!(publish(&ring, "b"), Err(PublishError::Poisoned)));
    assert_eq!(ring.published(), published);
    for seq in 1.max(ring.oldest())..=published {
        assert!(ring.reader().meta(seq).is_some(), "what was published stays");
    }
}
