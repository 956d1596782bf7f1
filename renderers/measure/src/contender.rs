//! The renderers that are compared.
//!
//! The rule: each is what users get, but for one that takes every step, since only of that one the part
//! of what a core can do is known.

use std::sync::Arc;

use shimmer_cpu::{Cpu, CpuOptions, Shortcuts};
use shimmer_fractal::{RenderError, Renderer};
use shimmer_gpu::{Adapters, Gpu, GpuOptions};

use crate::Case;

/// A renderer in one of the ways that are compared.
#[derive(Clone)]
pub struct Contender {
    /// Its name in a table.
    pub name: &'static str,
    /// What draws.
    pub renderer: Arc<dyn Renderer>,
    /// Whether it iterates to the end where others know it; if so, only shallow views are its own.
    pub takes_every_step: bool,
}

impl Contender {
    /// Whether a case says anything of it.
    #[must_use]
    pub fn suits(&self, case: &Case) -> bool {
        !self.takes_every_step || case.view.precision().is_direct()
    }
}

/// The ways in which the processor draws, and the device if `adapters` may be looked for and has one;
/// else why there is none.
///
/// # Errors
///
/// [`RenderError::Unavailable`] where the system gives no threads.
pub fn contenders(
    adapters: Option<Adapters>,
) -> Result<(Vec<Contender>, Option<String>), RenderError> {
    let cpu = |name, threads, shortcuts| {
        let renderer = Cpu::new(CpuOptions { threads, shortcuts, ..CpuOptions::default() })?;
        let takes_every_step = shortcuts == Shortcuts::Off;
        Ok::<_, RenderError>(Contender { name, renderer: Arc::new(renderer), takes_every_step })
    };
    let mut all = vec![
        cpu("every step, 1 thread", 1, Shortcuts::Off)?,
        cpu("cpu, 1 thread", 1, Shortcuts::On)?,
        cpu("cpu, all threads", 0, Shortcuts::On)?,
    ];
    let device =
        adapters.map(|adapters| Gpu::new(GpuOptions { adapters, ..GpuOptions::default() }));
    let missing = match device {
        None => Some("not asked for".to_owned()),
        Some(Err(RenderError::Unavailable(text))) => Some(text),
        Some(Err(error)) => return Err(error),
        Some(Ok(gpu)) => {
            all.push(Contender { name: "gpu", renderer: Arc::new(gpu), takes_every_step: false });
            None
        }
    };
    Ok((all, missing))
}
