//! Views deeper than doubles: every pixel is a difference from a reference orbit.
//!
//! The rule: a view's reference and leaps are made once and shared by all its tiles.

mod cache;
mod group;
mod guide;
mod map;
mod pixel;

use std::sync::atomic::{AtomicU32, Ordering};

use rayon::ThreadPool;
use shimmer_fractal::{Channels, ComplexExp, Control, Raw, Region, RenderError, View};

use crate::plane::Plane;
use crate::simd::{self, Isa, Kernel, Lanes};
pub(crate) use cache::Cache;
use cache::Prepared;
use group::Terms;
use guide::Guide;
use map::{Map, Square};
use pixel::{Value, Walk};

/// Renders a region of a view.
pub(crate) fn render(
    view: &View,
    region: Region,
    channels: Channels,
    control: &Control<'_>,
    (pool, isa, cache): (&ThreadPool, Isa, &Cache),
) -> Result<Raw, RenderError> {
    let prepared = cache.get(view, control)?;
    let plane = Plane::new(region, channels);
    let half =
        [view.viewport().width(), view.viewport().height()].map(|side| f64::from(side) / 2.0);
    let next_strip = AtomicU32::new(region.y / group::ROWS);
    let job = Job { view, region, control, plane: &plane, half, next_strip };
    match &*prepared {
        Prepared::Square(guide) => {
            job.spread(pool, || simd::dispatch(isa, InGroups { job: &job, guide }));
        }
        Prepared::Ship(guide) => job.spread_walks(pool, guide),
        Prepared::Conjugate(guide) => job.spread_walks(pool, guide),
    }
    control.check()?;
    control.report(1.0);
    Ok(plane.into_raw())
}

/// What the workers share.
struct Job<'a> {
    view: &'a View,
    region: Region,
    control: &'a Control<'a>,
    plane: &'a Plane,
    /// Half the sides, in pixels.
    half: [f64; 2],
    /// Strips of [`group::ROWS`] rows, counted from the top of the view.
    next_strip: AtomicU32,
}

impl Job<'_> {
    /// Runs a worker on every thread.
    fn spread(&self, pool: &ThreadPool, work: impl Fn() + Sync) {
        match pool.current_num_threads() {
            1 => work(),
            workers => pool.scope(|scope| (0..workers).for_each(|_| scope.spawn(|_| work()))),
        }
    }

    /// Runs workers that take one pixel after the other.
    fn spread_walks<M: Map>(&self, pool: &ThreadPool, guide: &Guide<M>) {
        let spacing = self.view.viewport().spacing();
        self.spread(pool, || {
            while let Some(top) = self.take_strip() {
                for (x, y) in self.strip(top).flat_map(|(x, y)| cells(x, y)) {
                    if self.pixel(x, y).is_none() {
                        continue;
                    }
                    let place = ComplexExp::from(self.place(x, y)).times(spacing);
                    let walk = Walk::begin(guide, self.view.max_iter(), spacing, place);
                    self.tell(x, y, walk.finish());
                }
            }
        });
    }

    /// The first row of the next strip for whoever asks first; none once the call is cancelled.
    fn take_strip(&self) -> Option<u32> {
        // Relaxed: the counter hands out numbers and orders nothing else.
        let top = self.next_strip.fetch_add(1, Ordering::Relaxed) * group::ROWS;
        let bottom = self.region.y + self.region.height;
        if top >= bottom || self.control.is_cancelled() {
            return None;
        }
        let done = top.saturating_sub(self.region.y);
        self.control.report(done as f32 / self.region.height as f32);
        Some(top)
    }

    /// The corners of the groups of a strip that touch the region. Groups are counted from the corner
    /// of the view, so that a pixel's group is the same in every region.
    fn strip(&self, top: u32) -> impl Iterator<Item = (u32, u32)> {
        let first = self.region.x / group::COLUMNS * group::COLUMNS;
        let end = self.region.x + self.region.width;
        (first..end).step_by(group::COLUMNS as usize).map(move |x| (x, top))
    }

    /// Where a pixel lies, seen from the view's middle, in units of the spacing.
    fn place(&self, x: u32, y: u32) -> [f64; 2] {
        [f64::from(x) + 0.5 - self.half[0], self.half[1] - 0.5 - f64::from(y)]
    }

    /// The index of a pixel in the plane; none outside the region.
    fn pixel(&self, x: u32, y: u32) -> Option<u32> {
        let (column, row) = (x.checked_sub(self.region.x)?, y.checked_sub(self.region.y)?);
        let inside = column < self.region.width && row < self.region.height;
        inside.then(|| row * self.region.width + column)
    }

    fn tell(&self, x: u32, y: u32, value: Value) {
        if let Some(pixel) = self.pixel(x, y) {
            self.plane.set_mu(pixel, value.mu);
            if self.plane.has_distance() {
                self.plane.set_distance(pixel, value.distance);
            }
        }
    }
}

/// The pixels of the group at a corner.
fn cells(x: u32, y: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..group::ROWS)
        .flat_map(move |row| (0..group::COLUMNS).map(move |column| (x + column, y + row)))
}

/// A worker that takes one group after the other.
struct InGroups<'a> {
    job: &'a Job<'a>,
    guide: &'a Guide<Square>,
}

impl Kernel for InGroups<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self, proof: V::Proof) {
        let Self { job, guide } = self;
        let spacing = job.view.viewport().spacing();
        let per_pixel = spacing.recip();
        let offset = [guide.offset.re(), guide.offset.im()].map(|part| (part * per_pixel).to_f64());
        let terms = Terms { guide, max_iter: job.view.max_iter(), spacing, offset };
        while let Some(top) = job.take_strip() {
            for (left, top) in job.strip(top) {
                let mut places = [[0.0; group::PIXELS]; 2];
                for (at, (x, y)) in cells(left, top).enumerate() {
                    [places[0][at], places[1][at]] = job.place(x, y);
                }
                let tell = |at: usize, value: Value| {
                    let at = at as u32;
                    job.tell(left + at % group::COLUMNS, top + at / group::COLUMNS, value);
                };
                // All of a group are followed, wanted or not: leaving some out could change the rest.
                let all = (1 << group::PIXELS) - 1;
                if job.plane.has_distance() {
                    group::render::<V, true>(proof, &terms, places, all, tell);
                } else {
                    group::render::<V, false>(proof, &terms, places, all, tell);
                }
            }
        }
    }
}
