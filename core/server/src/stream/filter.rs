//! Filters by kind, subject and source. Rule: a filter is text, the log speaks ids; each id is resolved once and an
//! event is then matched against a client by comparing three numbers.

use std::collections::HashMap;

/// What a client wants to see; `None` is everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Exactly this kind.
    pub kind: Option<String>,
    /// Exactly this subject; the empty text means events without one.
    pub subject: Option<String>,
    /// Exactly this source.
    pub source: Option<String>,
}

/// The same three wishes, or the same three names of an event, as numbers of a shard's [`Terms`]. In a filter 0
/// means anything, in an event 0 means a name that no filter asks for.
pub(super) type Triple = [u32; 3];

/// Whether an event with the names `event` passes `filter`.
pub(super) fn passes(filter: Triple, event: Triple) -> bool {
    filter.iter().zip(event).all(|(wanted, name)| *wanted == 0 || *wanted == name)
}

/// Places of the direct-mapped cache from name ids to terms.
const CACHE: usize = 4096;

/// The texts that the filters of one shard ask for. Bounded by its clients, three texts each.
pub(super) struct Terms {
    by_text: HashMap<Box<[u8]>, Term>,
    last: u32,
    /// `(name id + 1, term)`. Ids are never reused, so an entry stays true until a new term is added.
    cache: Vec<(u64, u32)>,
    scratch: Vec<u8>,
}

struct Term {
    number: u32,
    users: u32,
}

/// The log's names by id, as far as the filters need them.
pub(super) trait Names {
    /// Puts the text of `id` into `out` in place of what was there; `false` when no kept event uses it any more.
    fn name(&self, id: u32, out: &mut Vec<u8>) -> bool;
}

impl Terms {
    pub(super) fn new() -> Self {
        Self { by_text: HashMap::new(), last: 0, cache: Vec::new(), scratch: Vec::new() }
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.by_text.is_empty()
    }

    /// Adds the texts of a filter. Events resolved before must be resolved again when this says `true`.
    pub(super) fn add(&mut self, filter: &Filter) -> (Triple, bool) {
        let before = self.last;
        let triple = texts(filter).map(|text| text.map_or(0, |text| self.add_text(text)));
        let grown = self.last != before;
        if grown {
            self.cache.clear();
            self.cache.resize(CACHE, (0, 0));
        }
        (triple, grown)
    }

    /// Takes back one [`Terms::add`] of an equal filter.
    pub(super) fn remove(&mut self, filter: &Filter) {
        for text in texts(filter).into_iter().flatten() {
            if let Some(term) = self.by_text.get_mut(text.as_bytes()) {
                term.users -= 1;
                if term.users == 0 {
                    self.by_text.remove(text.as_bytes());
                }
            }
        }
        if self.by_text.is_empty() {
            self.cache = Vec::new();
        }
    }

    /// The terms of an event's names, or `None` when one of them cannot be read any more.
    pub(super) fn resolve(&mut self, ids: Triple, names: &impl Names) -> Option<Triple> {
        let [kind, subject, source] = ids;
        Some([
            self.resolve_one(kind, names)?,
            self.resolve_one(subject, names)?,
            self.resolve_one(source, names)?,
        ])
    }

    fn resolve_one(&mut self, id: u32, names: &impl Names) -> Option<u32> {
        let key = u64::from(id) + 1;
        let place = id as usize % CACHE;
        match self.cache.get(place) {
            Some((held, term)) if *held == key => return Some(*term),
            Some(_) => {}
            None => return Some(0), // nobody filters
        }
        if !names.name(id, &mut self.scratch) {
            return None;
        }
        let term = self.by_text.get(self.scratch.as_slice()).map_or(0, |term| term.number);
        self.cache[place] = (key, term);
        Some(term)
    }

    fn add_text(&mut self, text: &str) -> u32 {
        if let Some(term) = self.by_text.get_mut(text.as_bytes()) {
            term.users += 1;
            return term.number;
        }
        self.last = self.last.checked_add(1).expect("a shard sees fewer than 2^32 filters");
        self.by_text.insert(text.as_bytes().into(), Term { number: self.last, users: 1 });
        self.last
    }
}

fn texts(filter: &Filter) -> [Option<&str>; 3] {
    [filter.kind.as_deref(), filter.subject.as_deref(), filter.source.as_deref()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    struct Table<'a>(&'a [&'a str], Cell<u32>);

    impl Names for Table<'_> {
        fn name(&self, id: u32, out: &mut Vec<u8>) -> bool {
            self.1.set(self.1.get() + 1);
            out.clear();
            match self.0.get(id as usize) {
                Some(name) => out.extend_from_slice(name.as_bytes()),
                None => return false,
            }
            true
        }
    }

    fn kind(text: &str) -> Filter {
        Filter { kind: Some(text.into()), ..Filter::default() }
    }

    #[test]
    fn a_text_unknown_at_first_matches_once_an_id_has_it() {
        let table = Table(&["", "beauty", "alert", "node-1"], Cell::new(0));
        let mut terms = Terms::new();
        let (beauty, grown) = terms.add(&kind("beauty"));
        assert!(grown);
        let event = terms.resolve([1, 0, 3], &table).unwrap();
        assert!(passes(beauty, event));
        assert!(!passes(beauty, terms.resolve([2, 0, 3], &table).unwrap()));
        // A filter added later sees ids that were looked up before it came.
        let (late, grown) = terms.add(&Filter { source: Some("node-1".into()), ..kind("alert") });
        assert!(grown);
        let event = terms.resolve([2, 0, 3], &table).unwrap();
        assert!(passes(late, event) && !passes(beauty, event));
        let (same, grown) = terms.add(&kind("alert"));
        assert!(!grown && passes(same, event));
    }

    #[test]
    fn the_empty_subject_is_a_name_like_others() {
        let table = Table(&["", "beauty", "s"], Cell::new(0));
        let mut terms = Terms::new();
        let (none, _) = terms.add(&Filter { subject: Some(String::new()), ..Filter::default() });
        assert!(passes(none, terms.resolve([1, 0, 1], &table).unwrap()));
        assert!(!passes(none, terms.resolve([1, 2, 1], &table).unwrap()));
    }

    #[test]
    fn names_are_read_once_and_a_lost_one_is_told() {
        let table = Table(&["", "beauty"], Cell::new(0));
        let mut terms = Terms::new();
        terms.add(&kind("beauty"));
        for _ in 0..10 {
            terms.resolve([1, 0, 1], &table).unwrap();
        }
        assert_eq!(table.1.get(), 2);
        assert_eq!(terms.resolve([9, 0, 1], &table), None);
    }

    #[test]
    fn texts_and_cache_go_with_their_last_user() {
        let mut terms = Terms::new();
        terms.add(&kind("a"));
        terms.add(&kind("a"));
        terms.remove(&kind("a"));
        assert!(!terms.is_empty());
        terms.remove(&kind("a"));
        assert!(terms.is_empty() && terms.cache.is_empty());
        let table = Table(&[""], Cell::new(0));
        assert_eq!(terms.resolve([5, 5, 5], &table), Some([0; 3]));
    }
}
