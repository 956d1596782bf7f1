//! Which events of a run a plugin gets: the kinds it wants, never its own.

use std::collections::HashMap;

use shimmer_abi::flags;

/// Where the number of the emitting plugin stands in `flags`; 0 = nobody. The bit above it is the ring's.
pub(crate) const EMITTER_SHIFT: u32 = 16;
const EMITTER_MASK: u32 = 0x7fff;

/// Most kind ids remembered; beyond, the memory starts afresh.
const MAX_KNOWN: usize = 4_096;

/// Chooses events and remembers the answer for each kind.
pub(crate) struct Selection {
    kinds: Vec<String>,
    emitter: u16,
    known: HashMap<u32, bool>,
    chosen: Vec<u32>,
}

impl Selection {
    /// `kinds` empty = every kind.
    pub(crate) fn new(kinds: Vec<String>, emitter: u16) -> Self {
        Self { kinds, emitter, known: HashMap::new(), chosen: Vec::new() }
    }

    /// The indices of the wanted events, ascending. `is_among` tells whether a kind's id names one of the texts.
    pub(crate) fn choose(
        &mut self,
        kinds: &[u32],
        event_flags: &[u32],
        skip: impl Fn(u32) -> bool,
        mut is_among: impl FnMut(u32, &[String]) -> bool,
    ) -> &[u32] {
        self.chosen.clear();
        let everything = self.kinds.is_empty();
        for (index, (&kind, &bits)) in (0u32..).zip(kinds.iter().zip(event_flags)) {
            if emitter(bits) == self.emitter || skip(index) {
                continue;
            }
            let wanted = everything || {
                if self.known.len() > MAX_KNOWN {
                    self.known.clear();
                }
                *self.known.entry(kind).or_insert_with(|| is_among(kind, &self.kinds))
            };
            if wanted {
                self.chosen.push(index);
            }
        }
        &self.chosen
    }
}

fn emitter(event_flags: u32) -> u16 {
    (event_flags >> EMITTER_SHIFT & EMITTER_MASK) as u16
}

/// How many plugins stand between an event and the outside.
pub(crate) fn hops(event_flags: u32) -> u8 {
    ((event_flags >> flags::HOPS_SHIFT) & flags::HOPS_MASK) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_events_and_other_kinds_are_left_out() {
        let mut selection = Selection::new(vec!["beauty".into()], 3);
        let names = |id: u32, kinds: &[String]| {
            kinds.iter().any(|k| k == if id == 1 { "beauty" } else { "cost" })
        };
        let flags = [0, 0, 3 << EMITTER_SHIFT, 4 << EMITTER_SHIFT];
        assert_eq!(selection.choose(&[1, 2, 1, 1], &flags, |_| false, names), [0, 3]);
        assert_eq!(selection.choose(&[1, 1], &[0, 0], |i| i == 0, names), [1]);
    }

    #[test]
    fn the_memory_of_kinds_is_bounded() {
        let mut selection = Selection::new(vec!["x".into()], 1);
        let kinds: Vec<u32> = (1..20_000).collect();
        let flags = vec![0; kinds.len()];
        assert!(selection.choose(&kinds, &flags, |_| false, |_, _| false).is_empty());
        assert!(selection.known.len() <= MAX_KNOWN + 1);
    }
}
