//! What every backend does.
//!
//! The rule: a region of a view in, numbers out; the same view gives the same numbers whatever the
//! regions, threads or earlier calls.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Raw, Region, View};

/// Which numbers are wanted; the derivative behind the distance costs about as much again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Channels {
    /// The smooth count.
    #[default]
    Smooth,
    /// The smooth count and the distance estimate.
    SmoothAndDistance,
}

/// The strings attached to a running call.
#[derive(Clone, Copy, Default)]
pub struct Control<'a> {
    /// Once true, the call ends with [`RenderError::Cancelled`] within milliseconds.
    pub cancel: Option<&'a AtomicBool>,
    /// Called from any thread with the part that is done, 0 to 1, not always in order.
    pub progress: Option<&'a (dyn Fn(f32) + Sync)>,
}

impl Control<'_> {
    /// Whether the call should end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        // Relaxed: the flag carries no data, and seeing it a little later does no harm.
        self.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed))
    }

    /// The error to return when the call should end.
    ///
    /// # Errors
    ///
    /// [`RenderError::Cancelled`].
    pub fn check(&self) -> Result<(), RenderError> {
        if self.is_cancelled() { Err(RenderError::Cancelled) } else { Ok(()) }
    }

    /// Reports the part that is done.
    pub fn report(&self, part: f32) {
        if let Some(progress) = self.progress {
            progress(part);
        }
    }
}

/// Why there is no picture.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RenderError {
    /// The caller asked for it.
    #[error("the rendering was cancelled")]
    Cancelled,
    /// This backend cannot go on; another may.
    #[error("the renderer is unavailable: {0}")]
    Unavailable(String),
}

/// A backend. Calls may come from many threads at once.
pub trait Renderer: Send + Sync {
    /// What it is and runs on, for people.
    fn name(&self) -> String;

    /// The numbers of a region of a view.
    ///
    /// # Errors
    ///
    /// See [`RenderError`].
    ///
    /// # Panics
    ///
    /// When the region does not lie inside the view.
    fn render(
        &self,
        view: &View,
        region: Region,
        channels: Channels,
        control: &Control<'_>,
    ) -> Result<Raw, RenderError>;
}
