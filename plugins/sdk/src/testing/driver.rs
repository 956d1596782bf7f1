//! Calls an instance through its exported tables, one function at a time, as a host does.

#![allow(unsafe_code, reason = "calls the plugin's foreign functions")]

use std::ffi::CStr;

use shimmer_abi as abi;
use shimmer_abi::{Bytes, Status, Str};

use super::Answer;
use crate::borrow;

/// A live instance; dropping it stops and destroys it.
pub(super) struct Driver {
    plugin: *const abi::Plugin,
    http: *const abi::HttpPlugin,
    state: *const abi::StatePlugin,
    deinit: Option<unsafe extern "C" fn()>,
}

/// What is asked of a route.
pub(super) struct Call<'a> {
    pub(super) route: usize,
    pub(super) params: &'a [(&'static str, String)],
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) body: &'a [u8],
}

/// The result of a call on a table; `UNSUPPORTED` when table or function is absent.
macro_rules! call {
    ($table:expr, $function:ident, $($argument:expr),*) => {
        // SAFETY: the tables of a live instance are valid, arguments outlive the call, and `&mut self` lets only one
        // callback run at a time.
        unsafe {
            match $table.as_ref().and_then(|table| table.$function) {
                Some(function) => function($($argument),*),
                None => Status::UNSUPPORTED,
            }
        }
    };
}

impl Driver {
    /// Makes an instance; `None` when the plugin refuses. `host` stays valid until the driver is dropped.
    pub(super) fn create(entry: &abi::Entry, host: *const abi::Host, config: &str) -> Option<Self> {
        // SAFETY: the functions of an entry may be called in this order, with arguments that outlive each call.
        unsafe {
            let status = entry.init?(Str::new("test"));
            status.is_ok().then_some(())?;
            let factory = entry.get_factory?(abi::FACTORY_ID.as_ptr()).cast::<abi::Factory>();
            let plugin = factory.as_ref()?.create?(host, Str::new(config));
            let extension = plugin.as_ref()?.get_extension?;
            let ask = |id: &CStr| extension(plugin, id.as_ptr());
            let (http, state) = (ask(abi::HTTP_ID).cast(), ask(abi::STATE_ID).cast());
            Some(Self { plugin, http, state, deinit: entry.deinit })
        }
    }

    pub(super) fn start(&mut self) -> Status {
        call!(self.plugin, start, self.plugin)
    }

    pub(super) fn process(&mut self, batch: &abi::Batch) -> Status {
        call!(self.plugin, process, self.plugin, batch)
    }

    pub(super) fn tick(&mut self, now_ns: i64) -> Status {
        call!(self.plugin, tick, self.plugin, now_ns)
    }

    pub(super) fn restore(&mut self, blob: &[u8], cursor: u64) -> Status {
        call!(self.state, restore, self.plugin, Bytes::new(blob), cursor)
    }

    pub(super) fn save(&mut self, blob: &mut Vec<u8>) -> Status {
        let ctx = (&raw mut *blob).cast();
        let writer = abi::StateWriter { ctx, write: Some(append_state) };
        call!(self.state, save, self.plugin, &raw const writer)
    }

    pub(super) fn handle(&mut self, call: &Call<'_>, answer: &mut Answer) -> Status {
        let pair = |(name, value): &(&'static str, String)| abi::Pair {
            name: Str::new(name),
            value: Bytes::new(value.as_bytes()),
        };
        let params: Vec<abi::Pair> = call.params.iter().map(pair).collect();
        let request = abi::Request {
            route: call.route as u32,
            params_len: params.len() as u32,
            params: params.as_ptr(),
            path: Str::new(call.path),
            query: Str::new(call.query),
            headers: std::ptr::null(),
            headers_len: 0,
            body: Bytes::new(call.body),
            request_id: Str::new("test"),
        };
        let response = abi::Response {
            ctx: (&raw mut *answer).cast(),
            set_status: Some(set_status),
            add_header: Some(add_header),
            write: Some(append_body),
        };
        call!(self.http, handle, self.plugin, &raw const request, &raw const response)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // SAFETY: the instance is alive until `destroy`, its last call.
        unsafe {
            let table = *self.plugin;
            if let Some(stop) = table.stop {
                stop(self.plugin);
            }
            if let Some(destroy) = table.destroy {
                destroy(self.plugin);
            }
            if let Some(deinit) = self.deinit {
                deinit();
            }
        }
    }
}

unsafe extern "C" fn append_state(writer: *const abi::StateWriter, bytes: Bytes) -> Status {
    // SAFETY: `save` made the writer over a vector that outlives it.
    unsafe { append(&mut *(*writer).ctx.cast(), bytes, abi::MAX_STATE_BYTES) }
}

unsafe extern "C" fn append_body(response: *const abi::Response, bytes: Bytes) -> Status {
    // SAFETY: `handle` made the response over an answer that outlives it.
    unsafe { append(&mut (*(*response).ctx.cast::<Answer>()).body, bytes, abi::MAX_BODY_BYTES) }
}

/// # Safety
/// `bytes` is valid.
unsafe fn append(out: &mut Vec<u8>, bytes: Bytes, limit: usize) -> Status {
    if bytes.len > limit - out.len() {
        return Status::LIMIT;
    }
    // SAFETY: the caller vouches for it.
    out.extend_from_slice(unsafe { borrow::bytes(bytes) });
    Status::OK
}

unsafe extern "C" fn set_status(response: *const abi::Response, status: u16) -> Status {
    if !(200..=599).contains(&status) {
        return Status::INVALID;
    }
    // SAFETY: as in `append_body`.
    unsafe { (*(*response).ctx.cast::<Answer>()).status = status };
    Status::OK
}

unsafe extern "C" fn add_header(response: *const abi::Response, name: Str, value: Str) -> Status {
    // SAFETY: as in `append_body`.
    let (answer, name, value) = unsafe {
        (&mut *(*response).ctx.cast::<Answer>(), borrow::text(name), borrow::text(value))
    };
    if name.is_empty() || name.eq_ignore_ascii_case("content-length") {
        return Status::INVALID;
    }
    answer.headers.push((name.to_owned(), value.to_owned()));
    Status::OK
}
