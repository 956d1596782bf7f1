//! The renderer itself: threads and what they are told to do.
//!
//! The rule: options change how long it takes, never what comes out.

use rayon::{ThreadPool, ThreadPoolBuilder};
use shimmer_fractal::{Channels, Control, Raw, Region, RenderError, Renderer, View};

use crate::deep::Cache;
use crate::simd::Isa;
use crate::{deep, direct};

/// As much as the longest deep view takes.
const CACHE_BYTES: usize = 256 << 20;

/// Whether an orbit's end may be known without running to it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Shortcuts {
    /// Interiors are recognised by closed forms and by orbits that repeat.
    #[default]
    On,
    /// Every step is taken, to measure how fast steps are.
    Off,
}

/// How a [`Cpu`] works.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuOptions {
    /// Threads; 0 for as many as the machine runs at once.
    pub threads: usize,
    /// The instruction set; one that the machine lacks falls back to plain code.
    pub isa: Isa,
    /// Whether interiors may be recognised.
    pub shortcuts: Shortcuts,
    /// Bytes of reference orbits and leaps that are kept for the next call with the same view.
    pub cache_bytes: usize,
}

impl Default for CpuOptions {
    fn default() -> Self {
        Self { threads: 0, isa: Isa::best(), shortcuts: Shortcuts::On, cache_bytes: CACHE_BYTES }
    }
}

/// Renders on the processor.
pub struct Cpu {
    pool: ThreadPool,
    options: CpuOptions,
    cache: Cache,
}

impl Cpu {
    /// A renderer with threads of its own.
    ///
    /// # Errors
    ///
    /// [`RenderError::Unavailable`] where the system gives no threads.
    pub fn new(options: CpuOptions) -> Result<Self, RenderError> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(options.threads)
            .thread_name(|index| format!("render-{index}"))
            .build()
            .map_err(|error| RenderError::Unavailable(error.to_string()))?;
        Ok(Self { pool, options, cache: Cache::new(options.cache_bytes) })
    }
}

impl Renderer for Cpu {
    fn name(&self) -> String {
        let threads = self.pool.current_num_threads();
        format!("cpu ({}, threads: {threads})", self.options.isa.name())
    }

    fn render(
        &self,
        view: &View,
        region: Region,
        channels: Channels,
        control: &Control<'_>,
    ) -> Result<Raw, RenderError> {
        assert!(region.is_within(view.viewport()), "the region lies inside the view");
        if !view.precision().is_direct() {
            let with = (&self.pool, self.options.isa, &self.cache);
            return deep::render(view, region, channels, control, with);
        }
        let with = (&self.pool, self.options.isa, self.options.shortcuts);
        direct::render(view, region, channels, control, with)
    }
}
