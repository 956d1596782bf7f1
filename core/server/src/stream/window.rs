//! A run of consecutive events, encoded once for everybody who needs it. Rule: a window is contiguous and bounded;
//! what could not be read before its first event is a gap, never a hole inside.

use super::deflate::{ALONE_EVENTS, CHAINED_EVENTS, Deflater};
use super::filter::{Names, Terms, Triple, passes};
use super::frame::{self, Protocol};

/// The log of events as a reader sees it: it never waits and may be overtaken at any moment.
pub(super) trait Log: Names {
    /// The newest sequence, 0 before the first.
    fn published(&self) -> u64;
    /// The oldest sequence still kept; one past [`Log::published`] when there is none.
    fn oldest(&self) -> u64;
    /// Appends the JSON of event `seq` to `text` and returns the ids of its kind, subject and source; `None`, and
    /// nothing appended, when it is no longer kept.
    fn read(&self, seq: u64, text: &mut Vec<u8>) -> Option<Triple>;
}

/// The forms for which a window is encoded, by [`Protocol::form`].
pub(super) type Forms = [bool; Protocol::FORMS];

/// Which events a window is to hold: from `from` to `to`, both included, and not much more than `bytes` of text.
pub(super) struct Span {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) bytes: usize,
}

/// Most events of one window.
pub(super) const WINDOW_EVENTS: usize = 8192;

/// How often a fill follows a log that runs away from it before it leaves the rest to the next fill.
const CHASES: usize = 64;

/// Consecutive events in every form asked for.
#[derive(Default)]
pub(super) struct Window {
    first: u64,
    entries: Vec<Entry>,
    bytes: [Vec<u8>; Protocol::FORMS],
    forms: Forms,
    text: Vec<u8>,
    /// Bytes of text held.
    encoded: usize,
    deflater: Deflater,
    /// Few enough to be compressed in a chain, and each by itself.
    chained: bool,
    alone: bool,
}

struct Entry {
    /// Where the event's message ends in each form.
    ends: [usize; Protocol::FORMS],
    /// Its names, for filters.
    terms: Triple,
}

impl Window {
    /// Reads and encodes `span` in place of what was held. Afterwards [`Window::first`] is greater than `span.from`
    /// where events were lost, and [`Window::last`] is smaller than `span.to` where a bound was reached.
    pub(super) fn fill(&mut self, log: &impl Log, terms: &mut Terms, span: &Span, forms: Forms) {
        self.clear();
        self.first = span.from;
        self.forms = forms;
        self.deflater.begin();
        let events = (span.to + 1).saturating_sub(span.from);
        self.chained = events <= CHAINED_EVENTS;
        self.alone = events <= ALONE_EVENTS;
        self.read(log, terms, span);
    }

    /// Adds what follows, up to `to` and within the bounds of a fill to `bytes`.
    pub(super) fn extend(&mut self, log: &impl Log, terms: &mut Terms, to: u64, bytes: usize) {
        let chain_end = if self.chained { self.first + CHAINED_EVENTS - 1 } else { u64::MAX };
        let to = to.min(chain_end);
        self.alone &= (to + 1).saturating_sub(self.first) <= ALONE_EVENTS;
        self.read(log, terms, &Span { from: self.last() + 1, to, bytes });
    }

    fn read(&mut self, log: &impl Log, terms: &mut Terms, span: &Span) {
        let mut chases = 0;
        while self.last() < span.to
            && self.entries.len() < WINDOW_EVENTS
            && self.encoded < span.bytes
        {
            let seq = self.last() + 1;
            self.text.clear();
            let names = log.read(seq, &mut self.text).and_then(|ids| terms.resolve(ids, log));
            match names {
                Some(names) => {
                    self.encoded += self.text.len();
                    self.push(seq, names);
                }
                // Overwritten. Later events may still be kept, but they belong behind a gap.
                None if !self.entries.is_empty() || chases == CHASES => break,
                None => {
                    chases += 1;
                    self.first = log.oldest().clamp(seq + 1, span.to + 1);
                }
            }
        }
    }

    /// Forgets the events; the place after the last one read is kept.
    pub(super) fn clear(&mut self) {
        self.first = self.last() + 1;
        self.entries.clear();
        self.encoded = 0;
        self.bytes.iter_mut().for_each(Vec::clear);
    }

    /// The first sequence held; when empty, the one that would be next.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The last sequence held or known to be lost.
    pub(super) fn last(&self) -> u64 {
        (self.first + self.entries.len() as u64).saturating_sub(1)
    }

    /// Whether event `seq` is held in `form`.
    pub(super) fn covers(&self, seq: u64, form: usize) -> bool {
        self.forms[form] && self.first <= seq && seq <= self.last()
    }

    /// Compressed messages refer to those before them.
    pub(super) fn is_chained(&self) -> bool {
        self.chained
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.len()
    }

    /// All messages after `cursor` in `form`.
    pub(super) fn after(&self, cursor: u64, form: usize) -> Run<'_> {
        let skip = self.skip(cursor);
        Run { window: self, form, skip, start: self.start(skip, form) }
    }

    /// Gathers the messages after `cursor` that pass `filter`.
    pub(super) fn gather(&self, cursor: u64, form: usize, filter: Triple, into: &mut Gathered) {
        into.bytes.clear();
        into.marks.clear();
        for at in self.skip(cursor)..self.entries.len() {
            let entry = &self.entries[at];
            if passes(filter, entry.terms) {
                let message = &self.bytes[form][self.start(at, form)..entry.ends[form]];
                into.bytes.extend_from_slice(message);
                into.marks.push((self.first + at as u64, into.bytes.len()));
            }
        }
    }

    fn push(&mut self, seq: u64, terms: Triple) {
        for form in 0..Protocol::FORMS {
            if !self.forms[form] {
                continue;
            }
            let out = &mut self.bytes[form];
            let message = match Protocol::of_form(form) {
                Protocol::Sse { chunked } => {
                    frame::sse_event(out, chunked, seq, &self.text);
                    continue;
                }
                // All of a chain are compressed, even those that get longer: what one refers to is there then.
                Protocol::Deflate { chained: true } if self.chained => {
                    Some(self.deflater.chained(&self.text))
                }
                Protocol::Deflate { chained: false } if self.alone => {
                    self.deflater.alone(&self.text)
                }
                Protocol::Ws | Protocol::Deflate { .. } => None,
            };
            match message {
                Some(message) => frame::deflated(out, message),
                None => {
                    frame::text_header(out, self.text.len());
                    out.extend_from_slice(&self.text);
                }
            }
        }
        let ends = std::array::from_fn(|form| self.bytes[form].len());
        self.entries.push(Entry { ends, terms });
    }

    /// Number of held events up to `cursor`.
    fn skip(&self, cursor: u64) -> usize {
        let past = (cursor + 1).saturating_sub(self.first);
        usize::try_from(past).unwrap_or(usize::MAX).min(self.entries.len())
    }

    fn start(&self, at: usize, form: usize) -> usize {
        if at == 0 { 0 } else { self.entries[at - 1].ends[form] }
    }
}

/// A cut through a run of messages, made where the socket took no more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// Messages sent wholly or in part.
    pub(super) messages: u64,
    /// Sequence of the last of them, if there is any.
    pub(super) seq: Option<u64>,
    /// End of that message inside the run; it is longer than what was sent if the message was cut.
    pub(super) end: usize,
}

/// Every message of a window after some cursor.
pub(super) struct Run<'a> {
    window: &'a Window,
    form: usize,
    skip: usize,
    start: usize,
}

impl Run<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.window.bytes[self.form][self.start..]
    }

    /// Where the run stands after `sent` of its bytes.
    pub(super) fn cut(&self, sent: usize) -> Cut {
        if sent == 0 {
            return Cut { messages: 0, seq: None, end: 0 };
        }
        let entries = &self.window.entries[self.skip..];
        let at = entries.partition_point(|entry| entry.ends[self.form] < self.start + sent);
        let seq = self.window.first + (self.skip + at) as u64;
        let end = entries[at].ends[self.form] - self.start;
        Cut { messages: at as u64 + 1, seq: Some(seq), end }
    }
}

/// The messages of a window that pass one client's filter; reused from client to client.
#[derive(Default)]
pub(super) struct Gathered {
    bytes: Vec<u8>,
    /// Sequence and end of each message.
    marks: Vec<(u64, usize)>,
}

impl Gathered {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where the messages stand after `sent` of their bytes.
    pub(super) fn cut(&self, sent: usize) -> Cut {
        if sent == 0 {
            return Cut { messages: 0, seq: None, end: 0 };
        }
        let at = self.marks.partition_point(|(_, end)| *end < sent);
        let (seq, end) = self.marks[at];
        Cut { messages: at as u64 + 1, seq: Some(seq), end }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::filter::Filter;
    use super::*;

    /// A log in which event n reads `{"seq":n}`; even events have kind 1, odd ones kind 2.
    pub(in super::super) struct Plain {
        pub(in super::super) kept: std::ops::RangeInclusive<u64>,
        /// Sequences that were given out and have no event.
        pub(in super::super) lost: std::ops::RangeInclusive<u64>,
        /// Put before each text.
        pub(in super::super) padding: String,
    }

    impl Plain {
        pub(in super::super) fn new(kept: std::ops::RangeInclusive<u64>) -> Self {
            // No sequence is 0, so nothing is lost.
            Self { kept, lost: 0..=0, padding: String::new() }
        }
    }

    impl Names for Plain {
        fn name(&self, id: u32, out: &mut Vec<u8>) -> bool {
            out.clear();
            out.extend_from_slice(["", "even", "odd"][id as usize].as_bytes());
            true
        }
    }

    impl Log for Plain {
        fn published(&self) -> u64 {
            *self.kept.end()
        }
        fn oldest(&self) -> u64 {
            *self.kept.start()
        }
        fn read(&self, seq: u64, text: &mut Vec<u8>) -> Option<Triple> {
            (self.kept.contains(&seq) && !self.lost.contains(&seq)).then(|| {
                text.extend_from_slice(self.padding.as_bytes());
                text.extend_from_slice(format!(r#"{{"seq":{seq}}}"#).as_bytes());
                [1 + (seq % 2) as u32, 0, 0]
            })
        }
    }

    fn filled(kept: std::ops::RangeInclusive<u64>, from: u64, to: u64) -> Window {
        let mut window = Window::default();
        let span = Span { from, to, bytes: 1 << 20 };
        window.fill(&Plain::new(kept), &mut Terms::new(), &span, [true, false, true, false, false]);
        window
    }

    #[test]
    fn a_run_is_cut_at_any_byte_into_whole_messages_and_a_rest() {
        let window = filled(1..=20, 8, 12);
        assert_eq!((window.first(), window.last(), window.len()), (8, 12, 5));
        let run = window.after(8, 0);
        let bytes = run.bytes();
        assert!(bytes.starts_with(b"\x81\x09{\"seq\":9}\x81\x0a{\"seq\":10}"));
        assert_eq!(run.cut(0), Cut { messages: 0, seq: None, end: 0 });
        assert_eq!(run.cut(1), Cut { messages: 1, seq: Some(9), end: 11 });
        assert_eq!(run.cut(11), Cut { messages: 1, seq: Some(9), end: 11 });
        assert_eq!(run.cut(12), Cut { messages: 2, seq: Some(10), end: 23 });
        assert_eq!(run.cut(bytes.len()), Cut { messages: 4, seq: Some(12), end: bytes.len() });
        assert!(window.after(12, 0).bytes().is_empty());
        assert!(window.after(99, 0).bytes().is_empty());
        assert!(window.covers(8, 2) && !window.covers(8, 1) && !window.covers(13, 0));
    }

    #[test]
    fn gathered_messages_are_cut_alike() {
        let mut window = Window::default();
        let mut terms = Terms::new();
        let (odd, _) = terms.add(&Filter { kind: Some("odd".into()), ..Filter::default() });
        let span = Span { from: 1, to: 6, bytes: 1 << 20 };
        window.fill(&Plain::new(1..=6), &mut terms, &span, [true, false, false, false, false]);
        let mut gathered = Gathered::default();
        window.gather(1, 0, odd, &mut gathered);
        assert_eq!(gathered.bytes(), b"\x81\x09{\"seq\":3}\x81\x09{\"seq\":5}");
        assert_eq!(gathered.cut(11), Cut { messages: 1, seq: Some(3), end: 11 });
        assert_eq!(gathered.cut(12), Cut { messages: 2, seq: Some(5), end: 22 });
        window.gather(5, 0, odd, &mut gathered);
        assert!(gathered.bytes().is_empty());
    }

    #[test]
    fn lost_events_are_before_the_window() {
        let window = filled(50..=60, 8, 60);
        assert_eq!((window.first(), window.last()), (50, 60));
        // All of it lost: the window is empty and stands behind what was asked for.
        let window = filled(50..=60, 8, 20);
        assert_eq!((window.first(), window.last(), window.len()), (21, 20, 0));
    }

    #[test]
    fn a_window_ends_before_a_hole_and_the_next_begins_behind_it() {
        let log = Plain { lost: 10..=200, ..Plain::new(1..=1000) };
        let mut window = Window::default();
        let mut fill = |from| {
            let span = Span { from, to: 300, bytes: 1 << 20 };
            window.fill(&log, &mut Terms::new(), &span, [true, false, false, false, false]);
            (window.first(), window.last(), window.len())
        };
        assert_eq!(fill(5), (5, 9, 5));
        // It looks for the hole's end a bounded number of times a fill, and always gets on.
        let chased = 10 + CHASES as u64;
        assert_eq!(fill(10), (chased, chased - 1, 0));
        assert_eq!(fill(190), (201, 300, 100));
    }

    #[test]
    fn only_so_many_events_are_compressed() {
        let last = CHAINED_EVENTS + 1;
        for (events, chained, alone) in [
            (ALONE_EVENTS, true, true),
            (ALONE_EVENTS + 1, true, false),
            (CHAINED_EVENTS, true, false),
            (CHAINED_EVENTS + 1, false, false),
        ] {
            let mut window = Window::default();
            let span = Span { from: last - events + 1, to: last, bytes: 1 << 20 };
            // Texts that get shorter even by themselves.
            let log = Plain { padding: "p".repeat(100), ..Plain::new(1..=last) };
            window.fill(&log, &mut Terms::new(), &span, [true; 5]);
            assert_eq!((window.len() as u64, window.is_chained()), (events, chained));
            let bytes = |form| window.after(0, form).bytes().to_vec();
            assert_eq!(bytes(3) != bytes(0), alone, "{events}");
            assert_eq!(bytes(4) != bytes(0), chained, "{events}");
        }
    }

    #[test]
    fn what_is_added_is_encoded_as_if_it_had_been_there() {
        let log = Plain { padding: "p".repeat(100), ..Plain::new(1..=2 * CHAINED_EVENTS) };
        let mut terms = Terms::new();
        let mut whole = Window::default();
        let span = |to| Span { from: 1, to, bytes: 1 << 20 };
        whole.fill(&log, &mut terms, &span(100), [true; 5]);
        let mut grown = Window::default();
        grown.fill(&log, &mut terms, &span(1), [true; 5]);
        for to in [1, 2, 40, 99, 100] {
            grown.extend(&log, &mut terms, to, 1 << 20);
            assert_eq!(grown.last(), to);
        }
        for form in 0..5 {
            assert_eq!(grown.after(0, form).bytes(), whole.after(0, form).bytes(), "{form}");
        }
        // Compressed by itself is no more than is worth it, and a chain ends where a fill would have ended it.
        grown.extend(&log, &mut terms, ALONE_EVENTS + 1, 1 << 20);
        assert!(
            grown.after(ALONE_EVENTS, 3).bytes().ends_with(grown.after(ALONE_EVENTS, 0).bytes())
        );
        grown.extend(&log, &mut terms, 2 * CHAINED_EVENTS, 1 << 20);
        assert_eq!(grown.last(), CHAINED_EVENTS);
        // A full window takes no more.
        let mut full = Window::default();
        full.fill(&log, &mut terms, &Span { from: 1, to: 20, bytes: 1 }, [true; 5]);
        full.extend(&log, &mut terms, 20, 1);
        assert_eq!(full.last(), 1);
    }

    #[test]
    fn both_bounds_are_kept() {
        let window = filled(1..=20_000, 1, 20_000);
        assert_eq!(window.len(), WINDOW_EVENTS);
        let mut window = Window::default();
        let span = Span { from: 1, to: 20_000, bytes: 100 };
        window.fill(&Plain::new(1..=20_000), &mut Terms::new(), &span, [true; 5]);
        assert_eq!(window.last(), 11, "the message that reaches the bound is the last");
    }
}
