//! Views that are alike for the question who is faster, and the answers so far.
//!
//! The rule: a class is coarse, so that a pan or a step of a zoom is no new one, and the table is
//! bounded: the oldest answer makes room.

use std::collections::VecDeque;
use std::mem::{Discriminant, discriminant};

use shimmer_fractal::{Channels, Formula, Precision, View};

use crate::Backend;

/// More than anybody looks at between two measurements.
const MOST_CLASSES: usize = 64;
/// Pixels and limits on iterations fall into buckets of two powers of two each.
const BUCKET_BITS: u32 = 2;

/// What the speed of a renderer depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Class {
    formula: Discriminant<Formula>,
    precision: Precision,
    pub(crate) channels: Channels,
    pixels: u32,
    max_iter: u32,
}

impl Class {
    pub(crate) fn of(view: &View, channels: Channels) -> Self {
        Self {
            formula: discriminant(view.formula()),
            precision: view.precision(),
            channels,
            pixels: pixels(view).ilog2() / BUCKET_BITS,
            max_iter: view.max_iter().ilog2() / BUCKET_BITS,
        }
    }
}

/// The pixels of a view, of which there is at least one.
pub(crate) fn pixels(view: &View) -> u64 {
    u64::from(view.viewport().width()) * u64::from(view.viewport().height())
}

/// Who was faster, oldest answer first.
#[derive(Debug, Default)]
pub(crate) struct Classes(VecDeque<(Class, Backend)>);

impl Classes {
    pub(crate) fn get(&self, class: Class) -> Option<Backend> {
        self.0.iter().find(|(known, _)| *known == class).map(|(_, faster)| *faster)
    }

    pub(crate) fn insert(&mut self, class: Class, faster: Backend) {
        self.0.retain(|(known, _)| *known != class);
        if self.0.len() == MOST_CLASSES {
            self.0.pop_front();
        }
        self.0.push_back((class, faster));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use shimmer_fractal::Viewport;

    use super::*;

    fn class(zoom: &str, side: u32, max_iter: u64) -> Class {
        let viewport = Viewport::parse(["0", "0"], zoom, [side; 2]).unwrap();
        let view = View::new(viewport, Formula::Mandelbrot, Some(max_iter)).unwrap();
        Class::of(&view, Channels::Smooth)
    }

    #[test]
    fn a_pan_is_no_new_class_but_another_arithmetic_is() {
        assert_eq!(class("1", 512, 1_100), class("300", 600, 1_500));
        assert_ne!(class("1", 512, 1_100), class("1", 1_024, 1_100));
        assert_ne!(class("1", 512, 1_100), class("1", 512, 11_000));
        assert_ne!(class("1", 512, 1_100), class("1e30", 512, 1_100));
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut classes = Classes::default();
        // A pixel more a side moves on by a bucket every second time.
        let all: Vec<_> = (0..13_u32)
            .flat_map(|side| (0..12_u32).map(move |limit| (side, limit)))
            .map(|(side, limit)| class("1", 1 << side, 1 << (2 * limit % 23)))
            .collect();
        for class in &all {
            classes.insert(*class, Backend::Gpu);
            classes.insert(*class, Backend::Cpu);
        }
        assert_eq!(classes.0.len(), MOST_CLASSES);
        assert_eq!(classes.get(all[0]), None);
        assert_eq!(classes.get(*all.last().unwrap()), Some(Backend::Cpu));
    }
}
