//! A plugin that looks at nothing: what is left is what a batch costs.

#![forbid(unsafe_code)]

use shimmer_sdk::{Batch, Error, Host, NoConfig, Plugin};

struct Noop;

impl Plugin for Noop {
    const NAME: &'static str = "noop";
    const DESCRIPTION: &'static str = "Bench: does nothing";
    type Config = NoConfig;

    fn create(_: NoConfig, _: Host) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(&mut self, _: &Batch<'_>) -> Result<(), Error> {
        Ok(())
    }
}

shimmer_sdk::export_plugin!(Noop);
