//! What deep views need, kept for the next call.
//!
//! The rule: an entry serves the very view it was made for, so what was rendered before never changes
//! what comes out; and all entries together stay below a number of bytes.

use std::sync::{Arc, Mutex, PoisonError};

use shimmer_fractal::{Control, Formula, RenderError, View};

use super::guide::Guide;
use super::map::{Conjugate, Ship, Square};

/// The most entries; the oldest goes first.
const MAX_ENTRIES: usize = 8;

/// The guide of a view, by its formula.
pub(super) enum Prepared {
    Square(Guide<Square>),
    Ship(Guide<Ship>),
    Conjugate(Guide<Conjugate>),
}

impl Prepared {
    fn new(view: &View, control: &Control<'_>) -> Result<Self, RenderError> {
        Ok(match view.formula() {
            Formula::Mandelbrot | Formula::Julia { .. } => Self::Square(Guide::new(view, control)?),
            Formula::BurningShip => Self::Ship(Guide::new(view, control)?),
            Formula::Tricorn => Self::Conjugate(Guide::new(view, control)?),
        })
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Square(guide) => guide.bytes(),
            Self::Ship(guide) => guide.bytes(),
            Self::Conjugate(guide) => guide.bytes(),
        }
    }
}

/// Guides by view, the one that was used last at the end.
pub(crate) struct Cache {
    entries: Mutex<Vec<(View, Arc<Prepared>)>>,
    max_bytes: usize,
}

impl Cache {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { entries: Mutex::new(Vec::new()), max_bytes }
    }

    /// The guide of a view; made now if it is not there. Two calls at the same time may both make it.
    pub(super) fn get(
        &self,
        view: &View,
        control: &Control<'_>,
    ) -> Result<Arc<Prepared>, RenderError> {
        if let Some(found) = self.find(view) {
            return Ok(found);
        }
        let prepared = Arc::new(Prepared::new(view, control)?);
        self.keep(view, &prepared);
        Ok(prepared)
    }

    fn find(&self, view: &View) -> Option<Arc<Prepared>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let at = entries.iter().position(|(known, _)| known == view)?;
        let entry = entries.remove(at);
        let found = Arc::clone(&entry.1);
        entries.push(entry);
        Some(found)
    }

    fn keep(&self, view: &View, prepared: &Arc<Prepared>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|(known, _)| known != view);
        entries.push((view.clone(), Arc::clone(prepared)));
        let bytes = |entries: &[(View, Arc<Prepared>)]| -> usize {
            entries.iter().map(|(_, prepared)| prepared.bytes()).sum()
        };
        while entries.len() > MAX_ENTRIES || bytes(&entries) > self.max_bytes {
            entries.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use shimmer_fractal::Viewport;

    use super::*;

    fn view(index: u32) -> View {
        let re = format!("-1.{}{index}", "0".repeat(30));
        let viewport = Viewport::parse([&re, "0"], "1e30", [8, 8]).unwrap();
        View::new(viewport, Formula::Tricorn, Some(1_000)).unwrap()
    }

    fn len(cache: &Cache) -> usize {
        cache.entries.lock().unwrap().len()
    }

    #[test]
    fn the_oldest_goes_first() {
        let cache = Cache::new(usize::MAX);
        let first = cache.get(&view(0), &Control::default()).unwrap();
        for index in 1..MAX_ENTRIES as u32 {
            cache.get(&view(index), &Control::default()).unwrap();
        }
        // Used again, so the second is the oldest now.
        assert!(Arc::ptr_eq(&first, &cache.get(&view(0), &Control::default()).unwrap()));
        cache.get(&view(99), &Control::default()).unwrap();
        assert_eq!(len(&cache), MAX_ENTRIES);
        assert!(cache.find(&view(0)).is_some() && cache.find(&view(1)).is_none());
    }

    #[test]
    fn bytes_are_bounded() {
        let one = Prepared::new(&view(0), &Control::default()).unwrap().bytes();
        assert!(one > 16_000, "{one}");
        let cache = Cache::new(2 * one + one / 2);
        for index in 0..4 {
            cache.get(&view(index), &Control::default()).unwrap();
            assert!(len(&cache) <= 2);
        }
        let none = Cache::new(0);
        none.get(&view(0), &Control::default()).unwrap();
        assert_eq!(len(&none), 0);
    }
}
