//! Both renderers, and which of them gets a view.
//!
//! The rule: a picture depends on its view and on who draws it, never on what was measured; whatever
//! becomes of a device, a region that was asked for is drawn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use shimmer_cpu::{Cpu, CpuOptions};
use shimmer_fractal::{Channels, Control, Raw, Region, RenderError, Renderer, View};

use crate::class::{Class, Classes, pixels};
use crate::device::{self, Device};
use crate::sample::Sampler;
use crate::{Backend, BackendOptions};

/// Looking for devices and opening one takes a good part of a second; before the views that were asked
/// for have taken the processor this long, it does not pay.
const WORTH_OPENING: Duration = Duration::from_secs(1);
/// A view of doubles with fewer steps than this, all pixels inside, takes a tenth of a second at most.
const FEW_STEPS: u64 = 1 << 28;

/// The renderer for processors and, once it is needed, the one for graphics processors.
pub struct Backends {
    backend: Backend,
    cpu: Box<dyn Renderer>,
    device: Device,
    classes: Mutex<Classes>,
    /// What views have cost the processor before a device was looked for. Held while something is
    /// measured, since two measurements at once disturb each other.
    work: Mutex<Duration>,
}

impl Backends {
    /// Renderers with threads of their own; no device is looked for yet.
    ///
    /// # Errors
    ///
    /// [`RenderError::Unavailable`] where the system gives no threads.
    pub fn new(options: BackendOptions) -> Result<Self, RenderError> {
        let cpu = Cpu::new(CpuOptions { threads: options.threads, ..CpuOptions::default() })?;
        let open = move || device::open(options.backend);
        let device = Device::new(Box::new(open), Box::new(Instant::now));
        Ok(Self::of(options.backend, Box::new(cpu), device))
    }

    fn of(backend: Backend, cpu: Box<dyn Renderer>, device: Device) -> Self {
        Self { backend, cpu, device, classes: Mutex::default(), work: Mutex::default() }
    }

    /// Picks who draws a view, which is given as it will be drawn, with all its samples. Under
    /// [`Backend::Auto`] the first view of a class is measured on both, which takes a small part of
    /// the time of drawing it.
    ///
    /// # Errors
    ///
    /// [`RenderError::Cancelled`], and whatever the renderer for processors answers.
    pub fn choose(
        &self,
        view: &View,
        channels: Channels,
        control: &Control<'_>,
    ) -> Result<Choice<'_>, RenderError> {
        let faster = match self.backend {
            Backend::Auto => self.faster(view, channels, control)?,
            asked => asked,
        };
        let device = if faster == Backend::Gpu { self.device.get() } else { None };
        Ok(Choice { backends: self, device, is_lost: AtomicBool::new(false) })
    }

    fn faster(
        &self,
        view: &View,
        channels: Channels,
        control: &Control<'_>,
    ) -> Result<Backend, RenderError> {
        let class = Class::of(view, channels);
        if let Some(known) = locked(&self.classes).get(class) {
            return Ok(known);
        }
        let steps = pixels(view).saturating_mul(view.max_iter().into());
        let is_small = view.precision().is_direct() && steps < FEW_STEPS;
        if is_small || self.device.is_away() {
            return Ok(Backend::Cpu);
        }
        match self.work.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(Backend::Cpu),
            Err(TryLockError::Poisoned(work)) => {
                self.measured(class, view, control, &mut work.into_inner())
            }
            Ok(mut work) => self.measured(class, view, control, &mut work),
        }
    }

    /// The faster for a class by drawing a sample of a view on both.
    fn measured(
        &self,
        class: Class,
        view: &View,
        control: &Control<'_>,
        work: &mut Duration,
    ) -> Result<Backend, RenderError> {
        let clock = || self.device.now();
        let sampler = Sampler { view, channels: class.channels, control, clock: &clock };
        let whole = sampler.estimate(&*self.cpu)?;
        if !self.device.is_open() {
            *work = work.saturating_add(whole);
            if *work < WORTH_OPENING {
                return Ok(Backend::Cpu);
            }
        }
        let Some(device) = self.device.get() else { return Ok(Backend::Cpu) };
        let region = sampler.fair(whole);
        let on_device = match sampler.time(&*device, region) {
            Err(error @ RenderError::Unavailable(_)) => {
                self.lose(&device, &error);
                return Ok(Backend::Cpu);
            }
            timed => timed?,
        };
        let here = sampler.time(&*self.cpu, region)?;
        let faster = if on_device < here { Backend::Gpu } else { Backend::Cpu };
        tracing::debug!(?class, ?on_device, ?here, "measured both renderers: {faster}");
        locked(&self.classes).insert(class, faster);
        Ok(faster)
    }

    fn lose(&self, device: &Arc<dyn Renderer>, error: &RenderError) {
        self.device.lose(device, error);
        // What comes back after the pause may be another device.
        locked(&self.classes).clear();
    }
}

/// Draws with the one that was picked. A device that fails is left for the processor, in the same call
/// and from then on.
pub struct Choice<'a> {
    backends: &'a Backends,
    device: Option<Arc<dyn Renderer>>,
    is_lost: AtomicBool,
}

impl Choice<'_> {
    /// Who drew the last region, or will draw the first: [`Backend::Cpu`] or [`Backend::Gpu`].
    #[must_use]
    pub fn backend(&self) -> Backend {
        if self.device().is_some() { Backend::Gpu } else { Backend::Cpu }
    }

    fn device(&self) -> Option<&Arc<dyn Renderer>> {
        // Relaxed: whoever still sees the lost device gets its error and comes here again.
        self.device.as_ref().filter(|_| !self.is_lost.load(Ordering::Relaxed))
    }
}

impl Renderer for Choice<'_> {
    fn name(&self) -> String {
        self.device().map_or_else(|| self.backends.cpu.name(), |device| device.name())
    }

    fn render(
        &self,
        view: &View,
        region: Region,
        channels: Channels,
        control: &Control<'_>,
    ) -> Result<Raw, RenderError> {
        if let Some(device) = self.device() {
            match device.render(view, region, channels, control) {
                Err(error @ RenderError::Unavailable(_)) => {
                    self.backends.lose(device, &error);
                    self.is_lost.store(true, Ordering::Relaxed);
                }
                drawn => return drawn,
            }
        }
        self.backends.cpu.render(view, region, channels, control)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A table of answers is good after any panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
