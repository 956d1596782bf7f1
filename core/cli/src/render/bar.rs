//! How far a rendering is.
//!
//! The rule: on stderr, and only for work that lasts.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A picture that is done by then needs no bar.
const BAR_AFTER: Duration = Duration::from_millis(500);
const STEPS: f32 = 10_000.0;

/// A bar with the time that is left.
pub(crate) struct Bar {
    bar: ProgressBar,
    begun: Instant,
}

impl Bar {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new(STEPS as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3} %  {eta} left") {
            bar.set_style(style);
        }
        Self { bar, begun: Instant::now() }
    }

    /// Shows the part that is done, 0 to 1.
    pub(crate) fn show(&self, part: f32) {
        if self.begun.elapsed() > BAR_AFTER {
            self.bar.set_position((part * STEPS) as u64);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
