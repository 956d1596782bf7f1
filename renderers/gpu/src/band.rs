//! One band of pixels, from the first dispatch to the numbers.
//!
//! The rule: between two dispatches the host looks at the cancel flag and at the device, and only pixels
//! still on their way are dispatched again.

use std::sync::Arc;

use shimmer_fractal::{
    Channels, Control, Formula, INTERIOR, Raw, Region, RenderError, View, distance, smooth,
};
use wgpu::{BindGroup, BindGroupDescriptor, BindGroupEntry, Buffer};

use crate::device::Device;
use crate::guide::{Facts, Guide};
use crate::kernel::{GROUP, INTERIOR_N, Kernel, OUTCOME_WORDS, PARAMS_WORDS};
use crate::room::{Room, Set};
use crate::words::{Words, from_bytes};

/// Pixels of a band: enough to fill any device, and states of 40 MiB at most.
const MOST_PIXELS: u32 = 1 << 19;
/// Rows of a strip in the shader's order of pixels.
const STRIP: u32 = 8;

/// A region of a view on its way.
pub(crate) struct Job<'a> {
    pub(crate) device: &'a Device,
    pub(crate) room: &'a Room,
    pub(crate) kernel: Arc<Kernel>,
    pub(crate) guide: Option<Arc<Guide>>,
    pub(crate) view: &'a View,
    pub(crate) region: Region,
    pub(crate) control: &'a Control<'a>,
}

impl Job<'_> {
    /// Computes the region.
    pub(crate) fn run(&self, channels: Channels) -> Result<Raw, RenderError> {
        let pixels = self.region.pixels();
        let distances = if channels == Channels::Smooth { 0 } else { pixels };
        let mut raw =
            Raw { region: self.region, mu: vec![0.0; pixels], distance: vec![0.0; distances] };
        let (mut done, mut row) = (0, 0);
        while row < self.region.height {
            let bands = bands(self.region, row, self.kernel.pace.pixels().min(MOST_PIXELS));
            for band in &bands {
                let outcomes = self.band(*band, done)?;
                write(&mut raw, *band, &outcomes);
                done += band.pixels();
            }
            row += bands[0].height;
        }
        Ok(raw)
    }

    /// The words of a band's outcomes. `done` pixels of the region come before it.
    fn band(&self, band: Region, done: usize) -> Result<Vec<u32>, RenderError> {
        let pixels = band.pixels() as u32;
        let words = self.kernel.arithmetic.state_words();
        let loan = self.room.take(self.device, pixels, words, self.control)?;
        let set = loan.set();
        let groups = self.groups(set)?;
        let mut stride = self.kernel.pace.begin(pixels);
        let mut alive = pixels;
        for round in 0_usize.. {
            self.control.check()?;
            let params = self.params(band, alive, stride.trips(), round == 0);
            let out = &set.lists[(round + 1) % 2];
            let (len, elapsed) = self.device.run(
                &set.len_read,
                4,
                |queue| queue.write_buffer(&set.params, 0, &params),
                |encoder| {
                    encoder.clear_buffer(out, 0, Some(4));
                    let mut pass = encoder.begin_compute_pass(&Default::default());
                    pass.set_pipeline(&self.kernel.pipeline);
                    pass.set_bind_group(0, &groups[round % 2], &[]);
                    pass.dispatch_workgroups(alive.div_ceil(GROUP), 1, 1);
                    drop(pass);
                    encoder.copy_buffer_to_buffer(out, 0, &set.len_read, 0, 4);
                },
            )?;
            self.kernel.pace.learn(&mut stride, alive, elapsed);
            alive = from_bytes(&len)[0].min(alive);
            self.report(done, pixels, alive, stride.taken());
            if alive == 0 {
                break;
            }
        }
        let bytes = u64::from(pixels) * 4 * OUTCOME_WORDS as u64;
        let (outcomes, _) = self.device.run(
            &set.outcomes_read,
            bytes,
            |_| (),
            |encoder| {
                encoder.copy_buffer_to_buffer(&set.outcomes, 0, &set.outcomes_read, 0, bytes);
            },
        )?;
        Ok(from_bytes(&outcomes))
    }

    /// Bindings that read one list and write the other, and the other way round.
    fn groups(&self, set: &Set) -> Result<[BindGroup; 2], RenderError> {
        let guide = self.guide.as_deref();
        let shared = guide.map(|guide| [&guide.orbit, &guide.radii, &guide.leaps, &guide.tiny]);
        let group = |from: &Buffer, to: &Buffer| {
            let own = [&set.params, from, to, &set.states, &set.outcomes];
            let buffers = own.into_iter().chain(shared.into_iter().flatten());
            let entries: Vec<_> = (0..)
                .zip(buffers)
                .map(|(binding, buffer)| BindGroupEntry {
                    binding,
                    resource: buffer.as_entire_binding(),
                })
                .collect();
            self.device.make(|device| {
                device.create_bind_group(&BindGroupDescriptor {
                    label: None,
                    layout: &self.kernel.layout,
                    entries: &entries,
                })
            })
        };
        let [a, b] = &set.lists;
        Ok([group(a, b)?, group(b, a)?])
    }

    /// `Params` of the shaders, field by field.
    fn params(&self, band: Region, alive: u32, trips: u32, is_first: bool) -> Vec<u8> {
        let viewport = self.view.viewport();
        let half = [viewport.width(), viewport.height()].map(|side| (f64::from(side) / 2.0) as f32);
        let facts = self.guide.as_ref().map_or_else(Facts::default, |guide| guide.facts);
        let mut words = Words::with_capacity(PARAMS_WORDS);
        words
            .u32s(&[band.x, band.y, band.width, band.height])
            .u32s(&[alive, trips, self.view.max_iter(), u32::from(is_first)])
            .f32s(&half)
            .u32s(&facts.critical)
            .u32s(&facts.first)
            .u32s(&facts.critical_leaps)
            .u32s(&facts.first_leaps)
            .u32s(&[facts.leap_level, facts.tiny_points])
            .f32s(&facts.spacing)
            .u32s(&[0, 0])
            .f32s(&facts.offset)
            .i32(facts.exponent)
            .u32(facts.head_steps)
            .i32(facts.head_exponent)
            .f32(facts.near)
            .f32s(&facts.head);
        let [re, im] = viewport.centre().map(shimmer_fractal::Decimal::to_f64);
        let [constant_re, constant_im] = match self.view.formula() {
            Formula::Julia { re, im } => [re.to_f64(), im.to_f64()],
            _ => [0.0; 2],
        };
        let step = viewport.spacing().to_f64();
        for value in [re, im, constant_re, constant_im, step] {
            words.f64(value);
        }
        debug_assert_eq!(words.len(), PARAMS_WORDS, "as in the shader");
        words.into_bytes()
    }

    /// Of a band, the pixels that have ended are done, and of the others the trips taken.
    fn report(&self, done: usize, pixels: u32, alive: u32, taken: u32) {
        let alive_part = f64::from(alive) / f64::from(pixels);
        let trips_part = f64::from(taken) / f64::from(self.view.max_iter());
        let band_part = 1.0 - alive_part * (1.0 - trips_part.min(1.0));
        let total = self.region.pixels() as f64;
        self.control.report(((done as f64 + band_part * f64::from(pixels)) / total) as f32);
    }
}

/// The bands of a region side by side from a row on, of about `most` pixels each; at least one.
fn bands(region: Region, row: u32, most: u32) -> Vec<Region> {
    let width = region.width.min(most / STRIP).max(1);
    let height = (most / width / STRIP * STRIP).max(STRIP);
    let columns = (0..region.width.max(1)).step_by(width as usize);
    columns
        .map(|x| Region {
            x: region.x + x,
            y: region.y + row,
            width: width.min(region.width - x),
            height: height.min(region.height - row),
        })
        .collect()
}

/// Turns outcomes into numbers, with the same functions as every renderer.
fn write(raw: &mut Raw, band: Region, outcomes: &[u32]) {
    let (x, y) = (band.x - raw.region.x, band.y - raw.region.y);
    let rows = outcomes.chunks_exact(OUTCOME_WORDS * band.width as usize);
    for (row, outcomes) in rows.enumerate() {
        let begin = (y as usize + row) * raw.region.width as usize + x as usize;
        for (column, outcome) in outcomes.chunks_exact(OUTCOME_WORDS).enumerate() {
            let n = outcome[0];
            let [norm_sqr, slope] = [outcome[1], outcome[2]].map(|w| f64::from(f32::from_bits(w)));
            let is_inside = n == INTERIOR_N;
            raw.mu[begin + column] = if is_inside { INTERIOR } else { smooth(n, norm_sqr) };
            if let Some(value) = raw.distance.get_mut(begin + column) {
                *value = if is_inside { 0.0 } else { distance(norm_sqr, slope) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_cover_a_region_once() {
        for [width, height] in [[1, 1], [100, 70], [5_000, 300], [32_768, 2_048], [200_000, 17]] {
            let region = Region { x: 3, y: 5, width, height };
            let (mut row, mut pixels) = (0, 0);
            while row < height {
                let bands = bands(region, row, MOST_PIXELS >> (row % 3));
                for band in &bands {
                    assert!(band.pixels() <= MOST_PIXELS as usize && band.pixels() > 0);
                    assert!(band.x >= 3 && band.x + band.width <= 3 + width);
                    assert!(band.y == 5 + row && band.y + band.height <= 5 + height);
                    pixels += band.pixels();
                }
                row += bands[0].height;
            }
            assert_eq!(pixels, region.pixels());
        }
    }
}
