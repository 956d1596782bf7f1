//! Measuring: how long a renderer takes for a part of a view.
//!
//! The rule: what is drawn here is thrown away, and what a renderer does once for a view (programs,
//! reference orbits) is done before the clock runs.

use std::time::{Duration, Instant};

use shimmer_fractal::{Channels, Control, Region, RenderError, Renderer, View};

use crate::class::pixels;

/// Pixels from which the time of the whole picture is estimated.
const PROBE_PIXELS: u64 = 1 << 12;
/// What a sample should take on the processor: much more than a dispatch costs a device.
const SAMPLE: Duration = Duration::from_millis(100);
/// The largest part of a picture that is a sample.
const LARGEST_PART: f64 = 1.0 / 8.0;

/// A view of which parts are drawn to see how long they take.
pub(crate) struct Sampler<'a> {
    pub(crate) view: &'a View,
    pub(crate) channels: Channels,
    pub(crate) control: &'a Control<'a>,
    pub(crate) clock: &'a (dyn Fn() -> Instant + Send + Sync),
}

impl Sampler<'_> {
    /// An estimate for the whole view from a few rows of it.
    pub(crate) fn estimate(&self, renderer: &dyn Renderer) -> Result<Duration, RenderError> {
        let probe = self.rows(PROBE_PIXELS as f64 / pixels(self.view) as f64);
        let part = probe.pixels() as f64 / pixels(self.view) as f64;
        Ok(self.time(renderer, probe)?.div_f64(part))
    }

    /// The rows that are fair to both renderers where the processor takes `whole` for all of them.
    pub(crate) fn fair(&self, whole: Duration) -> Region {
        self.rows((SAMPLE.as_secs_f64() / whole.as_secs_f64()).min(LARGEST_PART))
    }

    /// How long a renderer takes for a region.
    pub(crate) fn time(
        &self,
        renderer: &dyn Renderer,
        region: Region,
    ) -> Result<Duration, RenderError> {
        let control = Control { cancel: self.control.cancel, progress: None };
        let draw = |region| renderer.render(self.view, region, self.channels, &control).map(drop);
        draw(Region { width: 1, height: 1, ..region })?;
        let begin = (self.clock)();
        draw(region)?;
        Ok((self.clock)().saturating_duration_since(begin))
    }

    /// About a part of the rows, at least one, a third from the top: the middle is often all inside, and
    /// whole rows cross whatever there is from side to side.
    fn rows(&self, part: f64) -> Region {
        let viewport = self.view.viewport();
        let height = ((f64::from(viewport.height()) * part) as u32).clamp(1, viewport.height());
        let y = (viewport.height() / 3).min(viewport.height() - height);
        Region { x: 0, y, width: viewport.width(), height }
    }
}
