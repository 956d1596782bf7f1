//! The programs that the device runs.
//!
//! The rule: one text for each arithmetic, specialised by constants, compiled when first used and kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use shimmer_fractal::{Channels, Formula, RenderError};
use wgpu::{
    BindGroupLayout, BindGroupLayoutDescriptor, BindGroupLayoutEntry, BindingType,
    BufferBindingType, ComputePipeline, ComputePipelineDescriptor, PipelineCompilationOptions,
    PipelineLayoutDescriptor, ShaderModuleDescriptor, ShaderSource, ShaderStages,
};

use crate::device::{Device, locked};
use crate::pace::Pace;

const BAND: &str = include_str!("shaders/band.wgsl");
const DIRECT: &str = include_str!("shaders/direct.wgsl");
const WIDE: &str = include_str!("shaders/wide.wgsl");
const DEEP: &str = include_str!("shaders/deep.wgsl");

/// What numbers are, and how they lie in buffers: doubles as sums of two singles, since shaders cannot
/// read them as they are.
const IN_SINGLES: &str = "alias real = f32;
alias Point = vec2f;
const LOWS: u32 = 0u;
const MARGIN: f32 = 1.0e-6;
fn whole(point: Point) -> vec2<real> {
    return point;
}
";
const IN_DOUBLES: &str = "alias real = f64;
alias Point = vec4f;
const LOWS: u32 = 1u;
const MARGIN: f32 = 1.0e-14;
fn whole(point: Point) -> vec2<real> {
    return vec2<real>(point.xy) + vec2<real>(point.zw);
}
";

/// Pixels of a workgroup.
pub(crate) const GROUP: u32 = 64;
/// Words of `Params` in the shaders.
pub(crate) const PARAMS_WORDS: usize = 60;
/// Words of `Outcome` in the shaders.
pub(crate) const OUTCOME_WORDS: usize = 3;
/// The mark of a pixel that stayed within the radius.
pub(crate) const INTERIOR_N: u32 = u32::MAX;

/// What a pixel is iterated in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Arithmetic {
    /// Points in singles.
    Singles,
    /// Points in doubles, where the device has them.
    Doubles,
    /// Differences from a reference orbit in singles.
    DeepSingles,
    /// Differences from a reference orbit in doubles, where the device has them.
    DeepDoubles,
}

impl Arithmetic {
    /// Words that a pixel's state occupies in the shaders.
    pub(crate) fn state_words(self) -> u64 {
        match self {
            Self::Singles => 10,
            Self::Doubles => 20,
            Self::DeepSingles => 16,
            Self::DeepDoubles => 20,
        }
    }

    fn source(self) -> String {
        let numbers = match self {
            Self::Singles | Self::DeepSingles => IN_SINGLES,
            Self::Doubles | Self::DeepDoubles => IN_DOUBLES,
        };
        if self.is_deep() {
            format!("{numbers}{BAND}{WIDE}{DEEP}")
        } else {
            format!("{numbers}{BAND}{DIRECT}")
        }
    }

    /// Storage buffers beside those of the band: orbit, radii, leaps, tiny points.
    fn shared_buffers(self) -> u32 {
        if self.is_deep() { 4 } else { 0 }
    }

    /// Whether pixels are followed beside a reference.
    pub(crate) fn is_deep(self) -> bool {
        matches!(self, Self::DeepSingles | Self::DeepDoubles)
    }

    /// Singles that a number of the reference is made of.
    pub(crate) fn parts(self) -> usize {
        if self == Self::DeepDoubles { 2 } else { 1 }
    }
}

/// Which program: no more than 4 arithmetics by 4 formulas by 2 channels.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Key {
    pub(crate) arithmetic: Arithmetic,
    formula: u8,
    is_julia: bool,
    has_distance: bool,
}

impl Key {
    pub(crate) fn new(arithmetic: Arithmetic, formula: &Formula, channels: Channels) -> Self {
        let number = match formula {
            Formula::Mandelbrot | Formula::Julia { .. } => 0,
            Formula::BurningShip => 1,
            Formula::Tricorn => 2,
        };
        Self {
            arithmetic,
            formula: number,
            is_julia: matches!(formula, Formula::Julia { .. }),
            has_distance: channels == Channels::SmoothAndDistance,
        }
    }
}

/// A program, its bindings and how fast it runs.
pub(crate) struct Kernel {
    pub(crate) pipeline: ComputePipeline,
    pub(crate) layout: BindGroupLayout,
    pub(crate) arithmetic: Arithmetic,
    pub(crate) pace: Pace,
}

/// The programs compiled so far.
#[derive(Default)]
pub(crate) struct Kernels {
    compiled: Mutex<HashMap<Key, Arc<Kernel>>>,
}

impl Kernels {
    /// The program for a key. Who asks while it is compiled waits, since drivers compile one at a time.
    pub(crate) fn get(&self, device: &Device, key: Key) -> Result<Arc<Kernel>, RenderError> {
        let mut compiled = locked(&self.compiled);
        if let Some(kernel) = compiled.get(&key) {
            return Ok(Arc::clone(kernel));
        }
        let kernel = Arc::new(compile(device, key)?);
        compiled.insert(key, Arc::clone(&kernel));
        Ok(kernel)
    }
}

fn compile(device: &Device, key: Key) -> Result<Kernel, RenderError> {
    let constants = [
        ("FORMULA", f64::from(key.formula)),
        ("JULIA", f64::from(u8::from(key.is_julia))),
        ("DISTANCE", f64::from(u8::from(key.has_distance))),
    ];
    device.make(|device| {
        let module = device.create_shader_module(ShaderModuleDescriptor {
            label: Some("shimmer"),
            source: ShaderSource::Wgsl(key.arithmetic.source().into()),
        });
        let layout = device.create_bind_group_layout(&BindGroupLayoutDescriptor {
            label: None,
            entries: &bindings(key.arithmetic),
        });
        let pipeline_layout = device.create_pipeline_layout(&PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: None,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("advance_all"),
            compilation_options: PipelineCompilationOptions {
                constants: &constants,
                ..PipelineCompilationOptions::default()
            },
            cache: None,
        });
        Kernel { pipeline, layout, arithmetic: key.arithmetic, pace: Pace::default() }
    })
}

fn bindings(arithmetic: Arithmetic) -> Vec<BindGroupLayoutEntry> {
    let read = BufferBindingType::Storage { read_only: true };
    let write = BufferBindingType::Storage { read_only: false };
    let mut types = vec![BufferBindingType::Uniform, read, write, write, write];
    types.extend((0..arithmetic.shared_buffers()).map(|_| read));
    (0..)
        .zip(types)
        .map(|(binding, ty)| BindGroupLayoutEntry {
            binding,
            visibility: ShaderStages::COMPUTE,
            ty: BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        })
        .collect()
}
