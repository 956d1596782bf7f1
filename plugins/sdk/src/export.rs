//! The exported tables of a plugin type. Rule: every entry is a `catch`, and after a panic only the end is served.

#![allow(unsafe_code, reason = "implements the foreign functions of the contract")]

use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;

use shimmer_abi as abi;
use shimmer_abi::{Bytes, Status, Str};

use crate::gate::Gate;
use crate::{Batch, Error, Host, Plugin, Request, Response, Route, borrow, config, guard};

/// Exports a [`Plugin`] type as the plugin of this library; once per `cdylib`.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:ty) => {
        /// The symbol that the host looks up.
        #[unsafe(export_name = "shimmer_entry")]
        pub static SHIMMER_ENTRY: $crate::abi::Entry = $crate::entry::<$plugin>();
    };
}

/// The entry of a plugin type, for [`export_plugin!`].
#[must_use]
pub const fn entry<P: Plugin>() -> abi::Entry {
    const { check::<P>() };
    abi::Entry {
        abi_version: abi::ABI_VERSION,
        reserved: 0,
        init: Some(init),
        deinit: Some(deinit),
        get_factory: Some(get_factory::<P>),
    }
}

/// Most kinds, permissions and routes of a plugin.
const MAX: usize = 64;

/// Refuses at compile time what a host would refuse at load.
const fn check<P: Plugin>() {
    let name = P::NAME.as_bytes();
    assert!(!name.is_empty() && name.len() <= 64, "NAME is 1..=64 characters");
    let mut at = 0;
    while at < name.len() {
        let fits = matches!(name[at], b'a'..=b'z' | b'0'..=b'9' | b'-');
        assert!(fits, "NAME is made of a-z, 0-9 and -");
        at += 1;
    }
    assert!(P::KINDS.len() <= MAX, "at most 64 KINDS");
    assert!(P::PERMISSIONS.len() <= MAX, "at most 64 PERMISSIONS");
    assert!(P::ROUTES.len() <= MAX, "at most 64 ROUTES");
    let tick = P::TICK.as_millis();
    assert!(P::TICK.is_zero() || (tick >= 10 && tick <= u32::MAX as u128), "TICK is 0 or >= 10 ms");
}

/// The constant tables of a plugin type. Arrays are of full length because a constant of a type parameter cannot
/// size one; the counts beside them say how many entries are real.
struct Tables<P>(PhantomData<P>);

impl<P: Plugin> Tables<P> {
    const KINDS: &'static [Str; MAX] = &texts(P::KINDS);
    const PERMISSIONS: &'static [Str; MAX] = &texts(P::PERMISSIONS);
    const ROUTES: &'static [abi::Route; MAX] = &routes(P::ROUTES);
    const DESCRIPTOR: &'static abi::Descriptor = &abi::Descriptor {
        name: Str::new(P::NAME),
        version: Str::new(P::VERSION),
        description: Str::new(P::DESCRIPTION),
        kinds: Self::KINDS.as_ptr(),
        kinds_len: P::KINDS.len(),
        permissions: Self::PERMISSIONS.as_ptr(),
        permissions_len: P::PERMISSIONS.len(),
        tick_interval_ms: P::TICK.as_millis() as u32,
        reserved: 0,
    };
    const FACTORY: &'static abi::Factory =
        &abi::Factory { descriptor: Self::DESCRIPTOR, create: Some(create::<P>) };
    const HTTP: &'static abi::HttpPlugin =
        &abi::HttpPlugin { routes: Some(route_table::<P>), handle: Some(handle::<P>) };
    const STATE: &'static abi::StatePlugin =
        &abi::StatePlugin { save: Some(save::<P>), restore: Some(restore::<P>) };
}

const fn texts(from: &[&str]) -> [Str; MAX] {
    let mut out = [Str::EMPTY; MAX];
    let mut at = 0;
    while at < from.len() {
        out[at] = Str::new(from[at]);
        at += 1;
    }
    out
}

const fn routes(from: &[Route]) -> [abi::Route; MAX] {
    let mut out = [Route::get("").to_raw(); MAX];
    let mut at = 0;
    while at < from.len() {
        out[at] = from[at].to_raw();
        at += 1;
    }
    out
}

/// What `abi::Plugin::data` points to.
struct Instance<P> {
    plugin: P,
    gate: Arc<Gate>,
    panicked: bool,
}

unsafe extern "C" fn init(_path: Str) -> Status {
    guard::install_hook();
    Status::OK
}

/// Nothing to undo: the hook stays, because a Rust library is never unloaded.
unsafe extern "C" fn deinit() {}

unsafe extern "C" fn get_factory<P: Plugin>(id: *const c_char) -> *const c_void {
    // SAFETY: the host passes an identifier that ends in NUL, or null.
    if unsafe { is(id, abi::FACTORY_ID) } {
        return ptr::from_ref(Tables::<P>::FACTORY).cast();
    }
    ptr::null()
}

unsafe extern "C" fn create<P: Plugin>(host: *const abi::Host, config: Str) -> *const abi::Plugin {
    // SAFETY: the host stays valid until `destroy`, which closes the gate, or until this call returns null, before
    // which it is closed as well.
    let Some(gate) = (unsafe { Gate::open(host) }) else { return ptr::null() };
    // SAFETY: an argument is valid for the call.
    let config = unsafe { borrow::text(config) };
    let made = guard::catch(|| P::create(config::parse(config)?, Host::new(gate.clone())));
    let why = match made {
        Ok(Ok(plugin)) => {
            let instance = Box::new(Instance { plugin, gate, panicked: false });
            return Box::into_raw(Box::new(vtable::<P>(Box::into_raw(instance).cast())));
        }
        Ok(Err(why)) => why.to_string(),
        Err(panic) => panic,
    };
    gate.set_error(&why);
    gate.close();
    ptr::null()
}

fn vtable<P: Plugin>(data: *mut c_void) -> abi::Plugin {
    abi::Plugin {
        data,
        start: Some(start::<P>),
        process: Some(process::<P>),
        tick: Some(tick::<P>),
        stop: Some(stop::<P>),
        destroy: Some(destroy::<P>),
        get_extension: Some(get_extension::<P>),
    }
}

unsafe extern "C" fn start<P: Plugin>(plugin: *const abi::Plugin) -> Status {
    // SAFETY: called by the host on a live instance.
    unsafe { enter::<P>(plugin, |plugin| plugin.start()) }
}

unsafe extern "C" fn process<P: Plugin>(
    plugin: *const abi::Plugin,
    batch: *const abi::Batch,
) -> Status {
    // SAFETY: the batch is lent for the call.
    let Some(batch) = (unsafe { Batch::new(batch) }) else { return Status::INVALID };
    // SAFETY: called by the host on a live instance.
    unsafe { enter::<P>(plugin, |plugin| plugin.process(&batch)) }
}

unsafe extern "C" fn tick<P: Plugin>(plugin: *const abi::Plugin, now_ns: i64) -> Status {
    // SAFETY: called by the host on a live instance.
    unsafe { enter::<P>(plugin, |plugin| plugin.tick(now_ns)) }
}

unsafe extern "C" fn stop<P: Plugin>(plugin: *const abi::Plugin) {
    let end = |plugin: &mut P| {
        plugin.stop();
        Ok(())
    };
    // SAFETY: called by the host on a live instance.
    unsafe { enter::<P>(plugin, end) };
}

unsafe extern "C" fn destroy<P: Plugin>(plugin: *const abi::Plugin) {
    if plugin.is_null() {
        return;
    }
    // SAFETY: `create` made both boxes, and the host calls `destroy` once, after everything else.
    let instance = unsafe {
        let table = Box::from_raw(plugin.cast_mut());
        Box::from_raw(table.data.cast::<Instance<P>>())
    };
    let Instance { plugin, gate, .. } = *instance;
    // The gate stays open while the plugin drops: it may still log, or wait for threads of its own that emit.
    if let Err(why) = guard::catch(|| drop(plugin)) {
        gate.set_error(&why);
    }
    gate.close();
}

unsafe extern "C" fn get_extension<P: Plugin>(
    _plugin: *const abi::Plugin,
    id: *const c_char,
) -> *const c_void {
    // SAFETY: the host passes identifiers that end in NUL, or null.
    let (http, state) = unsafe { (is(id, abi::HTTP_ID), is(id, abi::STATE_ID)) };
    if http && !P::ROUTES.is_empty() {
        ptr::from_ref(Tables::<P>::HTTP).cast()
    } else if state && P::STATEFUL {
        ptr::from_ref(Tables::<P>::STATE).cast()
    } else {
        ptr::null()
    }
}

unsafe extern "C" fn route_table<P: Plugin>(
    _plugin: *const abi::Plugin,
    len: *mut usize,
) -> *const abi::Route {
    // SAFETY: null is handled, and else the host lends the place for the call.
    if let Some(len) = unsafe { len.as_mut() } {
        *len = P::ROUTES.len();
    }
    Tables::<P>::ROUTES.as_ptr()
}

unsafe extern "C" fn handle<P: Plugin>(
    plugin: *const abi::Plugin,
    request: *const abi::Request,
    response: *const abi::Response,
) -> Status {
    // SAFETY: the request is lent for the call.
    let Some(request) = (unsafe { Request::new(request, P::ROUTES) }) else {
        return Status::INVALID;
    };
    let call = |plugin: &mut P| {
        let answer = match plugin.handle(&request) {
            Ok(answer) => answer,
            Err(why) => Response::from_error(&why).ok_or(why)?,
        };
        // SAFETY: the response is lent for the call.
        unsafe { answer_with(response, &answer) }
    };
    // SAFETY: called by the host on a live instance.
    unsafe { enter::<P>(plugin, call) }
}

/// Hands the answer to the host.
///
/// # Safety
/// Unless null, `response` is valid.
unsafe fn answer_with(response: *const abi::Response, answer: &Response) -> Result<(), Error> {
    let missing = || Error::Unsupported("the host's response lacks a function".to_owned());
    // SAFETY: null is handled, and else the caller vouches for it; arguments outlive each call.
    unsafe {
        let table = response.as_ref().ok_or_else(missing)?;
        let set_status = table.set_status.ok_or_else(missing)?;
        Error::check(set_status(response, answer.status), "status of the answer")?;
        let add_header = table.add_header.ok_or_else(missing)?;
        for (name, value) in &answer.headers {
            let status = add_header(response, Str::new(name), Str::new(value));
            Error::check(status, "header of the answer")?;
        }
        let write = table.write.ok_or_else(missing)?;
        Error::check(write(response, Bytes::new(&answer.body)), "body of the answer")
    }
}

unsafe extern "C" fn save<P: Plugin>(
    plugin: *const abi::Plugin,
    writer: *const abi::StateWriter,
) -> Status {
    let call = |plugin: &mut P| {
        let blob = plugin.save()?;
        // SAFETY: null is handled, and else the writer is lent for the call.
        let status = unsafe {
            match writer.as_ref().and_then(|writer| writer.write) {
                Some(write) => write(writer, Bytes::new(&blob)),
                None => Status::INVALID,
            }
        };
        Error::check(status, "save state")
    };
    // SAFETY: called by the host on a live instance.
    unsafe { enter::<P>(plugin, call) }
}

unsafe extern "C" fn restore<P: Plugin>(
    plugin: *const abi::Plugin,
    blob: Bytes,
    cursor: u64,
) -> Status {
    // SAFETY: an argument is valid for the call.
    let blob = unsafe { borrow::bytes(blob) };
    // SAFETY: called by the host on a live instance.
    unsafe { enter::<P>(plugin, |plugin| plugin.restore(blob, cursor)) }
}

/// Runs a callback of the worker and turns what comes of it into a status and an error text.
///
/// # Safety
/// `plugin` is null or from [`create`] and not destroyed, and no other callback of it runs.
unsafe fn enter<P: Plugin>(
    plugin: *const abi::Plugin,
    call: impl FnOnce(&mut P) -> Result<(), Error>,
) -> Status {
    // SAFETY: the caller vouches for the table; its data is the instance that `create` leaked, which only the one
    // callback that runs borrows.
    let instance =
        unsafe { plugin.as_ref().and_then(|table| table.data.cast::<Instance<P>>().as_mut()) };
    let Some(instance) = instance else { return Status::INVALID };
    if instance.panicked {
        instance.gate.set_error("the plugin panicked earlier and needs a restart");
        return Status::PANIC;
    }
    let plugin = &mut instance.plugin;
    match guard::catch(|| call(plugin)) {
        Ok(Ok(())) => Status::OK,
        Ok(Err(why)) => {
            instance.gate.set_error(&why.to_string());
            why.status()
        }
        Err(panic) => {
            instance.panicked = true;
            instance.gate.set_error(&panic);
            Status::PANIC
        }
    }
}

/// Whether the identifier `id` is `known`.
///
/// # Safety
/// `id` is null or ends in NUL.
unsafe fn is(id: *const c_char, known: &CStr) -> bool {
    // SAFETY: the caller vouches for it.
    !id.is_null() && unsafe { CStr::from_ptr(id) } == known
}
