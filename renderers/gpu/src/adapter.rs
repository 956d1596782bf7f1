//! Which device is taken.
//!
//! The rule: hardware first, the fastest kind first; a processor that plays the device only when asked.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use shimmer_fractal::RenderError;
use wgpu::{Backend, Backends, DeviceType, Instance, InstanceDescriptor, InstanceFlags};

/// Which devices may be taken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Adapters {
    /// Graphics processors.
    #[default]
    Hardware,
    /// Graphics processors and, where there is none, programs that play one, such as lavapipe.
    Any,
}

/// A device that the system offers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Adapter {
    /// What it calls itself.
    pub name: String,
    /// The driver and its version.
    pub driver: String,
    /// The interface it is reached through.
    pub api: &'static str,
    /// Whether it is more than a program.
    pub is_hardware: bool,
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.name, self.api)?;
        if !self.driver.is_empty() {
            write!(f, ", {}", self.driver)?;
        }
        if self.is_hardware { Ok(()) } else { write!(f, ", software") }
    }
}

impl Adapter {
    pub(crate) fn of(adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        let driver = format!("{} {}", info.driver, info.driver_info);
        let api = match info.backend {
            Backend::Vulkan => "Vulkan",
            Backend::Metal => "Metal",
            Backend::Dx12 => "Direct3D 12",
            Backend::Gl => "OpenGL",
            Backend::BrowserWebGpu => "WebGPU",
            Backend::Noop => "nothing",
        };
        let is_hardware = info.device_type != DeviceType::Cpu;
        Self { name: info.name, driver: driver.trim().to_owned(), api, is_hardware }
    }
}

/// All devices that the system offers, the one taken first in front.
#[must_use]
pub fn list() -> Vec<Adapter> {
    candidates(Adapters::Any).iter().map(Adapter::of).collect()
}

/// The devices that may be taken, best first.
pub(crate) fn candidates(which: Adapters) -> Vec<wgpu::Adapter> {
    let instance = Instance::new(InstanceDescriptor {
        backends: Backends::PRIMARY,
        flags: InstanceFlags::empty(),
        ..InstanceDescriptor::new_without_display_handle()
    });
    let mut adapters = block_on(instance.enumerate_adapters(Backends::PRIMARY));
    adapters.retain(|adapter| which == Adapters::Any || rank(adapter) < SOFTWARE);
    adapters.sort_by_key(rank);
    adapters
}

/// The error for a system without a device.
pub(crate) fn none(which: Adapters) -> RenderError {
    let others: Vec<_> = list().iter().map(ToString::to_string).collect();
    RenderError::Unavailable(match which {
        Adapters::Hardware if !others.is_empty() => {
            format!("no graphics processor, only {}", others.join("; "))
        }
        _ => "no graphics processor and no driver that plays one \
              (on Debian: apt-get install mesa-vulkan-drivers)"
            .to_owned(),
    })
}

const SOFTWARE: u8 = 4;

fn rank(adapter: &wgpu::Adapter) -> u8 {
    match adapter.get_info().device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => SOFTWARE,
    }
}

/// Waits for a future. Those of native devices are ready at once, so no runtime is needed.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn futures_are_waited_for() {
        let (send, receive) = std::sync::mpsc::channel();
        let waiting = std::future::poll_fn(move |context| match receive.try_recv() {
            Ok(value) => Poll::Ready(value),
            Err(_) => {
                let (waker, send) = (context.waker().clone(), send.clone());
                std::thread::spawn(move || {
                    send.send(7).expect("the receiver waits");
                    waker.wake();
                });
                Poll::Pending
            }
        });
        assert_eq!(block_on(waiting), 7);
    }

    #[test]
    fn people_read_what_it_is() {
        let adapter = Adapter {
            name: "llvmpipe".to_owned(),
            driver: "Mesa 22".to_owned(),
            api: "Vulkan",
            is_hardware: false,
        };
        assert_eq!(adapter.to_string(), "llvmpipe, Vulkan, Mesa 22, software");
    }
}
