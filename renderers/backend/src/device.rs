//! The graphics processor: opened late, given up when it fails, tried again after a pause.
//!
//! The rule: one line in the log for each loss, and none for a machine that never had a device unless
//! one was asked for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use shimmer_fractal::{RenderError, Renderer};
use shimmer_gpu::{Adapters, Gpu, GpuOptions};

use crate::Backend;

/// A driver that has just failed is left alone for this long.
const PAUSE: Duration = Duration::from_secs(60);

/// Opens a device; none where the machine has none and none was asked for.
pub(crate) type Open =
    Box<dyn Fn() -> Result<Option<Arc<dyn Renderer>>, RenderError> + Send + Sync>;
/// Tells the time.
pub(crate) type Clock = Box<dyn Fn() -> Instant + Send + Sync>;

/// The place of the device.
pub(crate) struct Device {
    open: Open,
    clock: Clock,
    state: Mutex<State>,
}

enum State {
    /// Nobody has needed it yet.
    Closed,
    Open(Arc<dyn Renderer>),
    /// Missing or lost; the text was logged.
    Away {
        until: Instant,
        text: String,
    },
}

impl Device {
    pub(crate) fn new(open: Open, clock: Clock) -> Self {
        Self { open, clock, state: Mutex::new(State::Closed) }
    }

    pub(crate) fn now(&self) -> Instant {
        (self.clock)()
    }

    /// Whether it is open.
    pub(crate) fn is_open(&self) -> bool {
        matches!(*self.state(), State::Open(_))
    }

    /// Whether it is known to be missing, so that there is no use in asking.
    pub(crate) fn is_away(&self) -> bool {
        matches!(&*self.state(), State::Away { until, .. } if self.now() < *until)
    }

    /// The device, opened where it is not and no pause forbids it.
    pub(crate) fn get(&self) -> Option<Arc<dyn Renderer>> {
        let mut state = self.state();
        let logged = match &*state {
            State::Open(device) => return Some(Arc::clone(device)),
            State::Away { until, .. } if self.now() < *until => return None,
            State::Away { text, .. } => text.clone(),
            State::Closed => String::new(),
        };
        let until = self.now() + PAUSE;
        *state = match (self.open)() {
            Ok(Some(device)) => {
                tracing::info!(device = device.name(), "a graphics processor is open");
                State::Open(Arc::clone(&device))
            }
            Ok(None) => State::Away { until, text: String::new() },
            Err(error) => {
                let text = error.to_string();
                if text != logged {
                    tracing::warn!("no graphics processor, the processor draws: {text}");
                }
                State::Away { until, text }
            }
        };
        match &*state {
            State::Open(device) => Some(Arc::clone(device)),
            _ => None,
        }
    }

    /// Takes note that a device failed in the middle of its work.
    pub(crate) fn lose(&self, lost: &Arc<dyn Renderer>, error: &RenderError) {
        let mut state = self.state();
        // Another call may have seen the same loss, or a new device may be open.
        if matches!(&*state, State::Open(device) if Arc::ptr_eq(device, lost)) {
            let text = error.to_string();
            tracing::warn!(
                device = lost.name(),
                "the graphics processor is lost, the processor draws on: {text}"
            );
            *state = State::Away { until: self.now() + PAUSE, text };
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // A state is replaced as a whole, so a panic elsewhere leaves a good one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens what a backend may use.
pub(crate) fn open(backend: Backend) -> Result<Option<Arc<dyn Renderer>>, RenderError> {
    let adapters = match backend {
        Backend::Cpu => return Ok(None),
        Backend::Gpu => Adapters::Any,
        Backend::Auto if shimmer_gpu::list().iter().any(|adapter| adapter.is_hardware) => {
            Adapters::Hardware
        }
        Backend::Auto => return Ok(None),
    };
    let gpu = Gpu::new(GpuOptions { adapters, ..GpuOptions::default() })?;
    Ok(Some(Arc::new(gpu)))
}
