//! A plugin that is too slow: it holds the ring full as soon as more comes than it takes.

#![forbid(unsafe_code)]

use shimmer_sdk::{Batch, Error, Host, NoConfig, Plugin};
use std::time::Duration;

/// Time for an event.
const EACH: Duration = Duration::from_micros(20);

struct Slow;

impl Plugin for Slow {
    const NAME: &'static str = "slow";
    const DESCRIPTION: &'static str = "Bench: takes 50,000 events a second";
    type Config = NoConfig;

    fn create(_: NoConfig, _: Host) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let events = u32::try_from(batch.columns().value.len()).unwrap_or(u32::MAX);
        // It is what this plugin is for.
        std::thread::sleep(EACH.saturating_mul(events));
        Ok(())
    }
}

shimmer_sdk::export_plugin!(Slow);
