//! Events that follow from their number alone. Rule: whatever of one is changed shows.

use std::ops::Range;

use crate::{CopyBuf, Entry, Reader};

const ORIGIN: &str = "node";

/// The strings of the event with one number.
pub(super) struct Sample {
    n: u64,
    kind: String,
    subject: String,
    id: String,
    head: String,
    id_span: Range<u32>,
    data: Range<u32>,
}

impl Sample {
    pub(super) fn new(n: u64) -> Self {
        let id = format!("id-{n}");
        let kind = format!("kind{}", n % 3);
        let subject = if n.is_multiple_of(4) { String::new() } else { format!("subject{}", n % 5) };
        let data = format!("{{\"n\":{n},\"fill\":\"{}\"}}", "x".repeat((n % 61) as usize));
        let head = format!("{{\"event_id\":\"{id}\",\"data\":{data},\"seq\":");
        let span = |part: &str| {
            let start = head.find(part).expect("a part of the head") as u32;
            start..start + part.len() as u32
        };
        let (id_span, data) = (span(&id), span(&data));
        Self { n, kind, subject, id, head, id_span, data }
    }

    pub(super) fn entry(&self) -> Entry<'_> {
        Entry {
            time_ns: self.n.cast_signed().wrapping_mul(3),
            received_ns: self.n.cast_signed().wrapping_mul(5),
            value: self.n as f64 + 0.5,
            kind: &self.kind,
            subject: &self.subject,
            source: "source",
            origin: ORIGIN,
            id: &self.id,
            flags: (self.n as u32) & 0xffff,
            head: self.head.as_bytes(),
            tail: b"}",
            data: self.data.clone(),
            id_span: self.id_span.clone(),
        }
    }

    /// Panics unless event `i` is this one, under its number as sequence.
    pub(super) fn is_kept_at(&self, kept: &CopyBuf, i: usize, reader: &Reader) {
        let wanted = self.entry();
        let text = format!("{}{}}}", self.head, self.n);
        assert_eq!(kept.text_of(i), text.as_bytes(), "the text of {}", self.n);
        let numbers = (kept.time_ns[i], kept.received_ns[i], kept.value[i].to_bits());
        assert_eq!(numbers, (wanted.time_ns, wanted.received_ns, wanted.value.to_bits()));
        assert_eq!(kept.flags[i], wanted.flags);
        let spans = [(kept.id_start[i], kept.id_len[i]), (kept.data_start[i], kept.data_len[i])];
        assert_eq!(spans, [&wanted.id_span, &wanted.data].map(|it| (it.start, it.end - it.start)));
        let ids = [kept.kind[i], kept.subject[i], kept.source[i], kept.origin[i]];
        for (id, name) in ids.into_iter().zip([wanted.kind, wanted.subject, wanted.source, ORIGIN])
        {
            let mut read = Vec::new();
            assert!(reader.name(id, &mut read) && read == name.as_bytes(), "{name} of {}", self.n);
        }
    }
}
