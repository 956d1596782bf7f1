//! A device, its queue, and what has become of it.
//!
//! The rule: whatever a driver does ends as an error with a text; nothing waits without a limit.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use shimmer_fractal::RenderError;
use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, CommandEncoder, DeviceDescriptor, ErrorFilter,
    Features, Limits, MapMode, PollType, Queue,
};

use crate::adapter::{self, Adapter, Adapters, block_on};
use crate::turns::Turns;

/// A dispatch takes a few hundredths of a second; a device that does not answer for this long is gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open device.
pub(crate) struct Device {
    device: wgpu::Device,
    queue: Queue,
    turns: Turns,
    /// The first thing that went wrong for good.
    failure: Arc<OnceLock<String>>,
    adapter: Adapter,
    has_doubles: bool,
}

impl Device {
    /// Opens the best device that opens.
    pub(crate) fn open(which: Adapters) -> Result<Self, RenderError> {
        let mut refusal = None;
        for adapter in adapter::candidates(which) {
            match Self::of(&adapter) {
                Ok(device) => return Ok(device),
                Err(error) => refusal = Some(error),
            }
        }
        Err(refusal.unwrap_or_else(|| adapter::none(which)))
    }

    fn of(adapter: &wgpu::Adapter) -> Result<Self, RenderError> {
        let description = Adapter::of(adapter);
        let features = adapter.features() & Features::SHADER_F64;
        let request = adapter.request_device(&DeviceDescriptor {
            label: Some("shimmer"),
            required_features: features,
            required_limits: Limits::default(),
            ..DeviceDescriptor::default()
        });
        let (device, queue) = block_on(request)
            .map_err(|error| RenderError::Unavailable(format!("{description}: {error}")))?;
        let failure = Arc::new(OnceLock::new());
        let lost = Arc::clone(&failure);
        device.set_device_lost_callback(move |reason, text| {
            let _ = lost.set(format!("the device was lost ({reason:?}): {text}"));
        });
        let wrong = Arc::clone(&failure);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let _ = wrong.set(error.to_string());
        }));
        Ok(Self {
            device,
            queue,
            turns: Turns::default(),
            failure,
            adapter: description,
            has_doubles: features.contains(Features::SHADER_F64),
        })
    }

    pub(crate) fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// Whether shaders may use doubles.
    pub(crate) fn has_doubles(&self) -> bool {
        self.has_doubles
    }

    /// An error once the device is of no more use.
    pub(crate) fn check(&self) -> Result<(), RenderError> {
        match self.failure.get() {
            Some(text) => Err(self.unavailable(text)),
            None => Ok(()),
        }
    }

    fn unavailable(&self, text: impl std::fmt::Display) -> RenderError {
        RenderError::Unavailable(format!("{}: {text}", self.adapter))
    }

    /// Runs something that makes objects on the device; what the device objects to is an error of this
    /// call alone, so that a picture too large for its memory costs no other its device.
    pub(crate) fn make<T>(&self, what: impl FnOnce(&wgpu::Device) -> T) -> Result<T, RenderError> {
        self.check()?;
        let filters = [ErrorFilter::Internal, ErrorFilter::OutOfMemory, ErrorFilter::Validation];
        let scopes = filters.map(|filter| self.device.push_error_scope(filter));
        let made = what(&self.device);
        let mut problem = None;
        // Scopes end in the opposite order.
        for scope in scopes.into_iter().rev() {
            problem = problem.or(block_on(scope.pop()));
        }
        self.check()?;
        match problem {
            Some(error) => Err(self.unavailable(error)),
            None => Ok(made),
        }
    }

    /// A buffer of some bytes.
    pub(crate) fn buffer(
        &self,
        label: &str,
        size: u64,
        usage: BufferUsages,
    ) -> Result<Buffer, RenderError> {
        // Bindings may not be empty, and copies go by words.
        let size = size.max(16).next_multiple_of(4);
        let limit = self.device.limits().max_storage_buffer_binding_size;
        if usage.contains(BufferUsages::STORAGE) && size > limit {
            let text = format!("{label}: {size} bytes are more than the {limit} of a buffer");
            return Err(self.unavailable(text));
        }
        self.make(|device| {
            let descriptor =
                BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
            device.create_buffer(&descriptor)
        })
    }

    /// A storage buffer with contents.
    pub(crate) fn upload(&self, label: &str, bytes: &[u8]) -> Result<Buffer, RenderError> {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let buffer = self.buffer(label, bytes.len() as u64, usage)?;
        self.make(|_| self.queue.write_buffer(&buffer, 0, bytes))?;
        Ok(buffer)
    }

    /// Submits commands when their turn has come and waits for what they leave in `result`; the time is
    /// that of the work alone.
    pub(crate) fn run(
        &self,
        result: &Buffer,
        bytes: u64,
        before: impl FnOnce(&Queue),
        commands: impl FnOnce(&mut CommandEncoder),
    ) -> Result<(Vec<u8>, Duration), RenderError> {
        let _turn = self.turns.take();
        let begin = Instant::now();
        let (answer, told) = channel();
        let submission = self.make(|device| {
            before(&self.queue);
            let mut encoder = device.create_command_encoder(&Default::default());
            commands(&mut encoder);
            let submission = self.queue.submit([encoder.finish()]);
            result.map_async(MapMode::Read, ..bytes, move |mapped| {
                // A caller that has given up no longer listens.
                let _ = answer.send(mapped);
            });
            submission
        })?;
        let wait = PollType::Wait { submission_index: Some(submission), timeout: Some(PATIENCE) };
        self.make(|device| device.poll(wait))?.map_err(|error| self.fail(error))?;
        self.check()?;
        let mapped = told.recv_timeout(PATIENCE).map_err(|error| self.fail(error))?;
        mapped.map_err(|error| self.fail(error))?;
        let view = result.get_mapped_range(..bytes).map_err(|error| self.fail(error))?;
        let contents = view.to_vec();
        drop(view);
        result.unmap();
        Ok((contents, begin.elapsed()))
    }

    /// Gives the device up for good.
    fn fail(&self, error: impl std::fmt::Display) -> RenderError {
        let _ = self.failure.set(error.to_string());
        self.unavailable(error)
    }

    /// As if the driver had taken it away.
    #[cfg(test)]
    pub(crate) fn destroy(&self) {
        self.device.destroy();
    }
}

/// What a lock protects is replaced as a whole, so a panic elsewhere leaves it good.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
