//! A plugin that adds up one column: what is left is what a batch costs, and reading eight bytes an event.

#![forbid(unsafe_code)]

use shimmer_sdk::{Batch, Error, Host, NoConfig, Plugin};

struct Sum {
    sum: f64,
}

impl Plugin for Sum {
    const NAME: &'static str = "sum";
    const DESCRIPTION: &'static str = "Bench: adds up the values";
    type Config = NoConfig;

    fn create(_: NoConfig, _: Host) -> Result<Self, Error> {
        Ok(Self { sum: 0.0 })
    }

    fn process(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        self.sum += batch.columns().value.iter().sum::<f64>();
        std::hint::black_box(self.sum);
        Ok(())
    }
}

shimmer_sdk::export_plugin!(Sum);
