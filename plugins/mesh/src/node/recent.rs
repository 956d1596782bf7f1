//! The newest envelopes, to tell a repeat from an equivocation without the store.
//!
//! The rule: at the bound the oldest goes, and what is not here is not judged here.

use std::collections::{HashMap, VecDeque};

use crate::envelope::{Envelope, Id, Verified};

/// Envelopes that are remembered.
const CAPACITY: usize = 8192;

#[derive(Debug, Default)]
pub(crate) struct Recent {
    by_id: HashMap<Id, Verified>,
    order: VecDeque<Id>,
}

pub(crate) enum Compared {
    Same,
    Other(Verified),
    Unknown,
}

/// Whether two envelopes of one place say the same: a second signature of the same bytes is no second content.
pub(crate) fn says_the_same(a: &Verified, b: &Verified) -> bool {
    a.event == b.event && a.max_ttl == b.max_ttl && a.pq_hash() == b.pq_hash()
}

impl Recent {
    pub(crate) fn insert(&mut self, envelope: &Verified) {
        if self.by_id.insert(envelope.id, envelope.clone()).is_some() {
            return;
        }
        self.order.push_back(envelope.id);
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }

    /// It may come again. Its place in the order stays, and finds nothing.
    pub(crate) fn remove(&mut self, id: &Id) {
        self.by_id.remove(id);
    }

    /// Whether it is here to the last byte.
    pub(crate) fn has(&self, envelope: &Envelope) -> bool {
        self.by_id.get(&envelope.id).is_some_and(|known| **known == *envelope)
    }

    pub(crate) fn compare(&self, second: &Verified) -> Compared {
        match self.by_id.get(&second.id) {
            None => Compared::Unknown,
            Some(first) if says_the_same(first, second) => Compared::Same,
            Some(first) => Compared::Other(first.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Author;
    use crate::keys::Keys;

    #[test]
    fn the_oldest_goes() {
        let mut recent = Recent::default();
        let mut author = Author::new(Keys::ed25519(&[1; 32]), 1, 1, 1).expect("good numbers");
        let signed: Vec<_> = (0..=CAPACITY).map(|_| author.sign("{}").expect("JSON")).collect();
        signed.iter().for_each(|envelope| recent.insert(envelope));
        assert_eq!((recent.by_id.len(), recent.order.len()), (CAPACITY, CAPACITY));
        assert!(!recent.has(&signed[0]) && recent.has(&signed[1]));
        recent.remove(&signed[1].id);
        recent.insert(&signed[1]);
        recent.insert(&signed[0]);
        assert!(recent.order.len() <= CAPACITY && recent.by_id.len() <= CAPACITY);
    }
}
