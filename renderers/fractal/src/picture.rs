//! A picture: rendered and coloured in bands.
//!
//! The rule: however large the picture and however many samples a pixel has, no more than a band of
//! samples is held at once.

use crate::colour::Curve;
use crate::{Control, INTERIOR, Raw, Region, RenderError, Renderer, Style, View};

/// Samples of a band, or one row of pixels where that has more: 16 MiB of counts and as much again
/// for distances.
const BAND_SAMPLES: u64 = 1 << 22;
/// The most samples along each side of a pixel.
pub const MAX_SAMPLES: u16 = 8;

/// Pixels in sRGB, three bytes each, rows from top to bottom.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Picture {
    /// Pixels of a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Red, green, blue, red, ...
    pub rgb: Vec<u8>,
}

impl Picture {
    /// Renders a view and colours it, with `samples` by `samples` points for each pixel (1 to
    /// [`MAX_SAMPLES`]), whose light is averaged.
    ///
    /// # Errors
    ///
    /// Whatever the renderer answers.
    pub fn render(
        renderer: &dyn Renderer,
        view: &View,
        style: &Style,
        samples: u16,
        control: &Control<'_>,
    ) -> Result<Self, RenderError> {
        let samples = samples.clamp(1, MAX_SAMPLES);
        let (width, height) = (view.viewport().width(), view.viewport().height());
        let fine = view.supersampled(samples);
        let row_samples = u64::from(fine.viewport().width()) * u64::from(samples);
        let band_rows = (BAND_SAMPLES / row_samples).clamp(1, u64::from(height)) as u32;
        let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
        for top in (0..height).step_by(band_rows as usize) {
            let rows = band_rows.min(height - top);
            let report = |part: f32| {
                control.report((top as f32 + part * rows as f32) / height as f32);
            };
            let band_control = Control { cancel: control.cancel, progress: Some(&report) };
            let [top, rows] = [top, rows].map(|rows| rows * u32::from(samples));
            let frame = Region { x: 0, y: top, width: fine.viewport().width(), height: rows };
            let band = band(&fine, top, rows);
            let raw = renderer.render(&fine, band, style.channels(), &band_control)?;
            colour(&raw, frame, usize::from(samples), style, &mut rgb);
        }
        control.report(1.0);
        Ok(Self { width, height, rgb })
    }

    /// Colours the pixels of `frame`. Those around it in `raw`, if there are any, take part in the
    /// light at its edge, so that pictures rendered with a margin meet without a seam.
    ///
    /// # Panics
    ///
    /// When the frame does not lie inside the region of `raw`.
    #[must_use]
    pub fn of(raw: &Raw, frame: Region, style: &Style) -> Self {
        let mut rgb = Vec::with_capacity(frame.pixels() * 3);
        colour(raw, frame, 1, style, &mut rgb);
        Self { width: frame.width, height: frame.height, rgb }
    }
}

/// The rows of a band and a neighbour above and below, where there is one.
fn band(fine: &View, top: u32, rows: u32) -> Region {
    let y = top.saturating_sub(1);
    let bottom = (top + rows + 1).min(fine.viewport().height());
    Region { x: 0, y, width: fine.viewport().width(), height: bottom - y }
}

/// Colours the samples of a frame inside the region of `raw`, `samples` by `samples` for each pixel.
fn colour(raw: &Raw, frame: Region, samples: usize, style: &Style, rgb: &mut Vec<u8>) {
    let around = raw.region;
    let first = [frame.x - around.x, frame.y - around.y].map(|at| at as usize);
    let (width, columns) = (around.width as usize, frame.width as usize);
    // Where nothing was rendered neighbours count as interior: the slope is one-sided there.
    let nothing = vec![INTERIOR; width];
    let row = |y: usize| raw.mu.get(y * width..(y + 1) * width).unwrap_or(&nothing);
    let curve = Curve::get();
    let share = 1.0 / (samples * samples) as f32;
    let mut sums = vec![[0.0; 3]; columns / samples];
    for y in first[1]..first[1] + frame.height as usize {
        let [above, here, below] = [y.checked_sub(1).map_or(&*nothing, row), row(y), row(y + 1)];
        for (pixel, sum) in sums.iter_mut().enumerate() {
            let begin = first[0] + pixel * samples;
            for x in begin..begin + samples {
                let beside = |x: usize| here.get(x).copied().unwrap_or(INTERIOR);
                let around = [beside(x.wrapping_sub(1)), beside(x + 1), above[x], below[x]];
                let distance = raw.distance.get(y * width + x).copied().unwrap_or(f32::MAX);
                let light = style.light(here[x], distance, around);
                (0..3).for_each(|part| sum[part] += light[part] * share);
            }
        }
        if (y - first[1]) % samples == samples - 1 {
            rgb.extend(sums.iter().flat_map(|sum| curve.encode(*sum)));
            sums.fill([0.0; 3]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Channels, Exact, Formula, Viewport};

    fn view(size: [u32; 2]) -> View {
        View::new(Viewport::whole(size).unwrap(), Formula::Mandelbrot, Some(40)).unwrap()
    }

    /// Answers every region in one way.
    struct Plain(f32);

    impl Renderer for Plain {
        fn name(&self) -> String {
            "plain".to_owned()
        }

        fn render(
            &self,
            view: &View,
            region: Region,
            channels: Channels,
            _: &Control<'_>,
        ) -> Result<Raw, RenderError> {
            assert!(region.is_within(view.viewport()));
            assert!(region.pixels() as u64 <= BAND_SAMPLES + 2 * u64::from(region.width));
            let distances = if channels == Channels::Smooth { 0 } else { region.pixels() };
            Ok(Raw { region, mu: vec![self.0; region.pixels()], distance: vec![1.0; distances] })
        }
    }

    #[test]
    fn a_large_picture_is_made_of_bands() {
        let control = Control::default();
        let picture =
            Picture::render(&Plain(20.0), &view([1_000, 900]), &Style::default(), 4, &control)
                .unwrap();
        assert_eq!(picture.rgb.len(), 1_000 * 900 * 3);
        assert!(picture.rgb.chunks(3).all(|pixel| pixel == &picture.rgb[..3]), "seams");
    }

    #[test]
    fn bands_leave_no_seams() {
        let style = Style::default();
        let raw = |region| {
            Exact.render(&view([16, 16]), region, Channels::Smooth, &Control::default()).unwrap()
        };
        let mut parts = Vec::new();
        let view = view([16, 16]);
        let all = Region::all(view.viewport());
        let whole = Picture::of(&raw(all), all, &style);
        for top in (0..16).step_by(5) {
            let rows = 5.min(16 - top);
            let frame = Region { y: top, height: rows, ..all };
            parts.extend(Picture::of(&raw(band(&view, top, rows)), frame, &style).rgb);
        }
        assert!(whole.rgb == parts);
    }

    #[test]
    fn samples_are_averaged_as_light() {
        // One of four samples is black, three are of one colour: the mean of the light, not of bytes.
        struct Quarter;
        impl Renderer for Quarter {
            fn name(&self) -> String {
                "quarter".to_owned()
            }
            fn render(
                &self,
                _: &View,
                region: Region,
                _: Channels,
                _: &Control<'_>,
            ) -> Result<Raw, RenderError> {
                Ok(Raw { region, mu: vec![INTERIOR, 20.0, 20.0, 20.0], distance: Vec::new() })
            }
        }
        let style = Style { relief: crate::Relief::Flat, ..Style::default() };
        let picture =
            Picture::render(&Quarter, &view([1, 1]), &style, 2, &Control::default()).unwrap();
        let (inside, colour) = (style.palette.inside(), style.light(20.0, 1.0, [20.0; 4]));
        let mean = [0, 1, 2].map(|i| inside[i] / 4.0 + colour[i] * 0.75);
        assert_eq!(picture.rgb, Curve::get().encode(mean));
    }
}
