//! What the pixels of a deep view are followed beside, as it lies on the device.
//!
//! The rule: numbers keep the digits that the kernel computes with; what singles cannot hold at all is
//! listed apart with exponents of its own.

use shimmer_fractal::{
    ComplexExp, Control, FIRST_LEVEL, FloatExp, Formula, Leap, Leaps, Linear, MatrixExp, Orbit,
    Reference, RenderError, View,
};
use wgpu::Buffer;

use crate::device::Device;
use crate::kernel::Arithmetic;
use crate::words::Words;

/// Points with parts below this are listed with exponents of their own; the same bound as in the
/// shader.
const TINY: f32 = 1.0 / (1_u64 << 50) as f32;
/// The exponent of zero, low enough for any product and high enough for sums of 32 bits.
const ZERO_EXPONENT: i32 = -(1 << 24);
/// The leaps of a view stay below this; short ones are left out of long orbits.
const MOST_LEAP_BYTES: usize = 120 << 20;
/// Differences below 2^this are followed with an exponent.
const NEAR_LOG2: f32 = -38.0;
/// No difference is smaller than this.
const NEVER: f32 = -3e38;
/// The shader compares the larger part of a difference, which is at least 2^-1/2 of its size.
const PART_LOG2: f64 = 0.5;

/// A view's reference on the device, and the words about it that kernels need.
pub(crate) struct Guide {
    pub(crate) orbit: Buffer,
    pub(crate) radii: Buffer,
    pub(crate) leaps: Buffer,
    pub(crate) tiny: Buffer,
    pub(crate) facts: Facts,
}

/// What `Params` says about a reference.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    /// First point and end.
    pub(crate) critical: [u32; 2],
    pub(crate) first: [u32; 2],
    /// First entry and number of entries.
    pub(crate) critical_leaps: [u32; 2],
    pub(crate) first_leaps: [u32; 2],
    pub(crate) leap_level: u32,
    pub(crate) tiny_points: u32,
    /// The view's middle and the spacing in units of `2^exponent`, high parts before low ones.
    pub(crate) offset: [f32; 4],
    pub(crate) spacing: [f32; 2],
    pub(crate) exponent: i32,
    pub(crate) head_steps: u32,
    pub(crate) head_exponent: i32,
    /// No leap has a larger radius.
    pub(crate) near: f32,
    pub(crate) head: [f32; 8],
}

/// Orbits and leaps as words.
#[derive(Default)]
struct Layout {
    /// Singles of a number.
    parts: usize,
    orbit: Words,
    radii: Words,
    largest_radius_log2: f32,
    leaps: Words,
    tiny: Words,
    facts: Facts,
}

impl Guide {
    /// Follows the reference of a view and lays it out; with the bytes that it occupies.
    pub(crate) fn new(
        device: &Device,
        view: &View,
        arithmetic: Arithmetic,
        control: &Control<'_>,
    ) -> Result<(Self, u64), RenderError> {
        let parts = arithmetic.parts();
        let layout = match view.formula() {
            Formula::Mandelbrot | Formula::Julia { .. } => {
                lay_out::<ComplexExp>(view, parts, control)?
            }
            Formula::BurningShip | Formula::Tricorn => lay_out::<MatrixExp>(view, parts, control)?,
        };
        let Layout { orbit, radii, leaps, tiny, facts, .. } = layout;
        let upload = |label, words: Words| device.upload(label, &words.into_bytes());
        let bytes = 4 * (orbit.len() + radii.len() + leaps.len() + tiny.len()) as u64;
        let guide = Self {
            orbit: upload("orbit", orbit)?,
            radii: upload("radii", radii)?,
            leaps: upload("leaps", leaps)?,
            tiny: upload("tiny points", tiny)?,
            facts,
        };
        Ok((guide, bytes))
    }
}

fn lay_out<L: Packed>(
    view: &View,
    parts: usize,
    control: &Control<'_>,
) -> Result<Layout, RenderError> {
    let viewport = view.viewport();
    let reference = Reference::of(view, control)?;
    let offset = reference.offset(viewport);
    let reach = offset.abs() + viewport.radius();
    let (first, critical) = reference.into_orbits();
    let is_julia = first.is_some();
    // The constants of a Julia set do not differ.
    let spread = if is_julia { FloatExp::ZERO } else { reach };
    let mut layout = Layout { parts, largest_radius_log2: NEVER, ..Layout::default() };
    let points = critical.end() + first.as_ref().map_or(0, Orbit::end);
    let level = first_level(points, leap_words::<L>(parts));
    layout.facts.leap_level = level;
    for (orbit, is_critical) in [(Some(&critical), true), (first.as_ref(), false)] {
        let Some(orbit) = orbit else { continue };
        let leaps = Leaps::<L>::over(orbit, view.formula(), spread, control)?;
        let range = layout.push_orbit(orbit, view.formula());
        let entries = layout.push_leaps(&leaps, level);
        if is_critical {
            (layout.facts.critical, layout.facts.critical_leaps) = (range, entries);
            let steps = if is_julia { 0 } else { 1 };
            layout.set_head(head(&leaps, view, steps, reach));
        } else {
            (layout.facts.first, layout.facts.first_leaps) = (range, entries);
        }
    }
    let largest = layout.largest_radius_log2.max(NEAR_LOG2) + PART_LOG2 as f32;
    layout.facts.near = largest.exp2();
    // One unit for all constants: parts of them are then at most about one.
    let exponent = reach.exponent();
    let scaled = |value: FloatExp| value.scaled_to_f64(-exponent);
    let [re, im] = [offset.re(), offset.im()].map(scaled);
    layout.facts.offset = [high(re), high(im), low(re), low(im)];
    let spacing = scaled(viewport.spacing());
    layout.facts.spacing = [high(spacing), low(spacing)];
    layout.facts.exponent = clamped(exponent);
    Ok(layout)
}

/// The level of the shortest leaps that there is room for.
fn first_level(points: usize, words: usize) -> u32 {
    let bytes = |level: u32| 2 * (points >> level) * 4 * words;
    (FIRST_LEVEL..).find(|level| bytes(*level) <= MOST_LEAP_BYTES).expect("shifted to nothing")
}

/// The steps that every constant within `reach` can take together, from `steps` on, and `d = head c`
/// after them.
fn head<L: Linear>(leaps: &Leaps<L>, view: &View, steps: u32, reach: FloatExp) -> (u32, L) {
    let (mut steps, mut head) = (steps, L::IDENTITY);
    if steps == 0 {
        return (steps, head);
    }
    while let Some((leap, taken)) =
        leaps.longest(steps as usize, head.norm() * reach, view.max_iter() - steps)
    {
        head = leap.a.after(head).plus(leap.b);
        steps += taken;
    }
    (steps, head)
}

impl Layout {
    /// First point and end of an orbit.
    fn push_orbit(&mut self, orbit: &Orbit, formula: &Formula) -> [u32; 2] {
        let first = (self.orbit.len() / 2 / self.parts) as u32;
        for (index, point) in orbit.points().iter().enumerate() {
            push(&mut self.orbit, point, self.parts);
            let [x, y] = point.map(high);
            let size = match formula {
                Formula::BurningShip => x.abs().min(y.abs()),
                _ => x.abs().max(y.abs()),
            };
            if size < TINY {
                self.tiny.u32(first + index as u32);
                for part in orbit.parts(index) {
                    push(&mut self.tiny, &[part.mantissa()], 2);
                    self.tiny.i32(clamped(part.exponent()));
                }
                self.facts.tiny_points += 1;
            }
        }
        [first, orbit.end() as u32]
    }

    /// First entry and number of entries of leaps. Leap `i` of the `k`-th level kept stands at
    /// `(2 i + 1) 2^k - 1`, so no table of levels is needed.
    fn push_leaps<L: Packed>(&mut self, leaps: &Leaps<L>, level: u32) -> [u32; 2] {
        let first = self.radii.len();
        let levels = leaps.levels().get((level - FIRST_LEVEL) as usize..).unwrap_or(&[]);
        let leaves = levels.first().map_or(0, Vec::len);
        let mut entries: Vec<Option<&Leap<L>>> = vec![None; 2 * leaves];
        for (k, level) in levels.iter().enumerate() {
            for (i, leap) in level.iter().enumerate() {
                entries[((2 * i + 1) << k) - 1] = Some(leap);
            }
        }
        for entry in &entries {
            match entry {
                Some(leap) => {
                    let radius = radius_log2(leap.radius);
                    self.radii.f32(radius);
                    self.largest_radius_log2 = self.largest_radius_log2.max(radius);
                    let maps = [leap.a.packed(), leap.b.packed()];
                    maps.iter().for_each(|map| push(&mut self.leaps, &map.0, self.parts));
                    maps.iter().for_each(|map| {
                        self.leaps.i32(map.1);
                    });
                }
                None => {
                    self.radii.f32(NEVER);
                    self.leaps.u32s(&vec![0; leap_words::<L>(self.parts)]);
                }
            }
        }
        [first as u32, entries.len() as u32]
    }

    fn set_head<L: Packed>(&mut self, (steps, head): (u32, L)) {
        let (map, exponent) = head.packed();
        self.facts.head_steps = steps;
        for (at, part) in map.into_iter().enumerate() {
            self.facts.head[at] = high(part);
            self.facts.head[4 + at] = low(part);
        }
        self.facts.head_exponent = exponent;
    }
}

fn radius_log2(radius: FloatExp) -> f32 {
    let log2 = radius.log2() - PART_LOG2;
    if log2.is_finite() { log2 as f32 } else { NEVER }
}

/// Numbers as singles: all high parts, then all low ones where there are two.
fn push(into: &mut Words, numbers: &[f64], parts: usize) {
    numbers.iter().for_each(|number| {
        into.f32(high(*number));
    });
    if parts == 2 {
        numbers.iter().for_each(|number| {
            into.f32(low(*number));
        });
    }
}

fn high(value: f64) -> f32 {
    value as f32
}

fn low(value: f64) -> f32 {
    (value - f64::from(high(value))) as f32
}

/// Words of a leap: two maps and their exponents.
fn leap_words<L: Packed>(parts: usize) -> usize {
    2 * L::NUMBERS * parts + 2
}

/// A map as the shader reads it.
trait Packed: Linear {
    /// Numbers of a map.
    const NUMBERS: usize;

    /// Mantissas under one exponent: a complex number, or a matrix by rows.
    fn packed(self) -> (Vec<f64>, i32);
}

impl Packed for ComplexExp {
    const NUMBERS: usize = 2;

    fn packed(self) -> (Vec<f64>, i32) {
        (vec![self.x, self.y], clamped(self.exponent))
    }
}

impl Packed for MatrixExp {
    const NUMBERS: usize = 4;

    fn packed(self) -> (Vec<f64>, i32) {
        let right = self.apply(ComplexExp::ONE);
        let up = self.apply(ComplexExp::new(0.0, 1.0, 0));
        let exponent = right.exponent.max(up.exponent);
        let [right, up] = [right, up].map(|column| column.scaled(-exponent).to_f64());
        (vec![right[0], up[0], right[1], up[1]], clamped(exponent))
    }
}

fn clamped(exponent: i64) -> i32 {
    // The upper bound is out of reach: orbits end at the bailout.
    exponent.clamp(i64::from(ZERO_EXPONENT), 1 << 24) as i32
}
