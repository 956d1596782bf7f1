//! The renderer itself: which arithmetic a view gets on this device.
//!
//! The rule: calls share the device, its programs and the references of views; nothing else.

use shimmer_fractal::{Channels, Control, Raw, Region, RenderError, Renderer, View};

use crate::adapter::{Adapter, Adapters};
use crate::band::Job;
use crate::cache::Cache;
use crate::device::Device;
use crate::guide::Guide;
use crate::kernel::{Arithmetic, Kernels, Key};
use crate::room::Room;

/// References kept, and the bytes of them.
const MOST_GUIDES: usize = 8;
const MOST_GUIDE_BYTES: u64 = 256 << 20;

/// Spacing above which points in doubles do. Below, differences lose fewer digits: at a spacing of 4e-11
/// beside -0.74 + 0.13i one pixel of fifty is off by a step in the one and one of a thousand in the other.
const DOUBLE_SPACING: f64 = 1e-5;
/// The same for points in singles, and the longest orbits that it holds for.
const SINGLE_SPACING: f64 = 2e-3;
const SINGLE_MAX_ITER: u32 = 5_000;
/// Orbits in doubles stay below the size of a buffer.
const MOST_DOUBLE_POINTS: u32 = 8_000_000;

/// Whether doubles are used.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Doubles {
    /// Where the device has them.
    #[default]
    WherePresent,
    /// Never. Singles show the same pictures; where structures are finer than a thousandth of a pixel
    /// they find other points of them, on up to one pixel of ten.
    Never,
}

/// How a [`Gpu`] works.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct GpuOptions {
    /// Which devices it may take.
    pub adapters: Adapters,
    /// Whether it uses doubles.
    pub doubles: Doubles,
}

/// Renders on a graphics processor.
pub struct Gpu {
    device: Device,
    kernels: Kernels,
    guides: Cache<View, Guide>,
    room: Room,
    options: GpuOptions,
}

impl Gpu {
    /// A renderer on the best device that the options allow.
    ///
    /// # Errors
    ///
    /// [`RenderError::Unavailable`] where there is none or none that opens.
    pub fn new(options: GpuOptions) -> Result<Self, RenderError> {
        Ok(Self {
            device: Device::open(options.adapters)?,
            kernels: Kernels::default(),
            guides: Cache::new(MOST_GUIDES, MOST_GUIDE_BYTES),
            room: Room::default(),
            options,
        })
    }

    /// The device.
    #[must_use]
    pub fn adapter(&self) -> &Adapter {
        self.device.adapter()
    }

    fn arithmetic(&self, view: &View) -> Arithmetic {
        let has_doubles =
            self.options.doubles == Doubles::WherePresent && self.device.has_doubles();
        let spacing = view.viewport().spacing().to_f64();
        if has_doubles && view.max_iter() <= MOST_DOUBLE_POINTS {
            if spacing > DOUBLE_SPACING { Arithmetic::Doubles } else { Arithmetic::DeepDoubles }
        } else if spacing > SINGLE_SPACING && view.max_iter() <= SINGLE_MAX_ITER {
            Arithmetic::Singles
        } else {
            Arithmetic::DeepSingles
        }
    }
}

impl Renderer for Gpu {
    fn name(&self) -> String {
        format!("gpu ({})", self.device.adapter())
    }

    fn render(
        &self,
        view: &View,
        region: Region,
        channels: Channels,
        control: &Control<'_>,
    ) -> Result<Raw, RenderError> {
        assert!(region.is_within(view.viewport()), "the region lies inside the view");
        control.check()?;
        self.device.check()?;
        let arithmetic = self.arithmetic(view);
        let kernel =
            self.kernels.get(&self.device, Key::new(arithmetic, view.formula(), channels))?;
        let make = || Guide::new(&self.device, view, arithmetic, control);
        let guide = match arithmetic.is_deep() {
            true => Some(self.guides.get(view, control, make)?),
            false => None,
        };
        let (device, room) = (&self.device, &self.room);
        Job { device, room, kernel, guide, view, region, control }.run(channels)
    }
}

#[cfg(test)]
#[path = "renderer/tests.rs"]
mod tests;
