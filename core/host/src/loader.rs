//! Loads a library and copies its descriptor out; a library once loaded is never unloaded.
//!
//! Rust libraries leave thread-local destructors behind, so `dlclose` would pull code away from under a thread
//! that ends later. In a child the process is the unload; in the host the mapping stays.

use std::ffi::{c_char, c_void};
use std::path::Path;

use shimmer_abi as abi;

use crate::manifest::{MAX_LIST, MAX_ROUTES, Manifest, RouteAuth, RouteKind, RouteSpec};

/// A loaded library whose descriptor was read.
pub(crate) struct Library {
    factory: &'static abi::Factory,
    /// The descriptor, without routes: those are known once an instance exists.
    pub(crate) manifest: Manifest,
}

/// An instance of the plugin with its extensions looked up.
pub(crate) struct Instance {
    plugin: *const abi::Plugin,
    pub(crate) http: Option<&'static abi::HttpPlugin>,
    pub(crate) state: Option<&'static abi::StatePlugin>,
}

// SAFETY: the contract hands an instance from the [control] thread to its worker; it is never used by two at once.
unsafe impl Send for Instance {}

impl Library {
    /// Loads `path`, calls its `init` and reads its descriptor.
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        // SAFETY: loading runs the library's initialisers: that is what a plugin host is for; process isolation
        // has put the sandbox up before.
        let library = unsafe { libloading::os::unix::Library::new(path) }
            .map_err(|why| format!("cannot load {shown}: {why}"))?;
        // SAFETY: the symbol is only compared with null and read as the contract's type.
        let entry = unsafe { library.get::<*const abi::Entry>(abi::ENTRY_SYMBOL) }
            .map_err(|_| {
                format!("{shown} does not export `shimmer_entry`: is it a Shimmer plugin (crate-type cdylib with export_plugin!)?")
            })?
            .into_raw()
            .cast::<abi::Entry>();
        std::mem::forget(library);
        // SAFETY: a library that exports this symbol promises an `Entry` there for as long as it is loaded, and
        // it stays loaded.
        let entry: &'static abi::Entry =
            unsafe { entry.as_ref() }.ok_or("shimmer_entry is null")?;
        if !abi::abi_compatible(entry.abi_version) {
            return Err(format!(
                "{shown} was built for plugin ABI {}.{}, this host speaks {}.{}: rebuild the plugin",
                entry.abi_version >> 16,
                entry.abi_version & 0xffff,
                abi::ABI_VERSION >> 16,
                abi::ABI_VERSION & 0xffff
            ));
        }
        let text = path.to_string_lossy();
        let init = entry.init.ok_or("shimmer_entry.init is null")?;
        // SAFETY: first call on the control thread, with a text that outlives it.
        let status = unsafe { init(abi::Str::new(&text)) };
        if !status.is_ok() {
            return Err(format!("{shown}: init failed with status {}", status.0));
        }
        let get_factory = entry.get_factory.ok_or("shimmer_entry.get_factory is null")?;
        // SAFETY: after init, with a NUL-terminated id.
        let factory = unsafe { get_factory(abi::FACTORY_ID.as_ptr()) }.cast::<abi::Factory>();
        // SAFETY: the contract: a factory of this id or null, owned by the library, which stays loaded.
        let factory: &'static abi::Factory = unsafe { factory.as_ref() }
            .ok_or_else(|| format!("{shown} has no factory {:?}", abi::FACTORY_ID))?;
        // SAFETY: as above for the descriptor.
        let descriptor: &'static abi::Descriptor =
            unsafe { factory.descriptor.as_ref() }.ok_or("the factory's descriptor is null")?;
        let manifest = read_descriptor(descriptor)?;
        manifest.check()?;
        Ok(Self { factory, manifest })
    }

    /// Makes an instance and completes the manifest with its routes.
    ///
    /// `host` outlives the instance. `why` gives the reason that the plugin reported for a refusal.
    pub(crate) fn create(
        &mut self,
        host: *const abi::Host,
        config_json: &str,
        why: impl FnOnce() -> Option<String>,
    ) -> Result<Instance, String> {
        let create = self.factory.create.ok_or("the factory's create is null")?;
        // SAFETY: after init, on the control thread; `host` is a table that the caller keeps alive.
        let plugin = unsafe { create(host, abi::Str::new(config_json)) };
        if plugin.is_null() {
            return Err(
                why().unwrap_or_else(|| "the plugin refused to be created without a reason".into())
            );
        }
        let mut instance = Instance { plugin, http: None, state: None };
        // SAFETY: the extension tables belong to the plugin and live as long as the instance; this process keeps
        // both for its lifetime.
        unsafe {
            instance.http = instance.extension(abi::HTTP_ID).cast::<abi::HttpPlugin>().as_ref();
            instance.state = instance.extension(abi::STATE_ID).cast::<abi::StatePlugin>().as_ref();
        }
        // Without `save` there is nothing to go back to, and the ring must not wait for it.
        self.manifest.has_state = instance.state.is_some_and(|state| state.save.is_some());
        self.manifest.routes = instance.routes()?;
        self.manifest.check()?;
        Ok(instance)
    }
}

impl Instance {
    /// An instance that no library made.
    #[cfg(test)]
    pub(crate) fn over(plugin: &'static abi::Plugin) -> Self {
        Self { plugin, http: None, state: None }
    }

    /// What the calls get as their first argument.
    pub(crate) fn raw(&self) -> *const abi::Plugin {
        self.plugin
    }

    /// The vtable.
    pub(crate) fn vtable(&self) -> &abi::Plugin {
        // SAFETY: not null since `create`, alive until `destroy`, which consumes `self`.
        unsafe { &*self.plugin }
    }

    /// Frees the instance; the worker has ended.
    pub(crate) fn destroy(self) {
        if let Some(destroy) = self.vtable().destroy {
            // SAFETY: last call, after the worker's last.
            unsafe { destroy(self.plugin) }
        }
    }

    fn extension(&self, id: &std::ffi::CStr) -> *const c_void {
        let id: *const c_char = id.as_ptr();
        // SAFETY: a live instance and a NUL-terminated id.
        self.vtable().get_extension.map_or(std::ptr::null(), |get| unsafe { get(self.plugin, id) })
    }

    fn routes(&self) -> Result<Vec<RouteSpec>, String> {
        let Some(http) = self.http else { return Ok(Vec::new()) };
        let list = http.routes.ok_or("shimmer.http/1: routes is null")?;
        if http.handle.is_none() {
            return Err("shimmer.http/1: handle is null".into());
        }
        let mut len = 0usize;
        // SAFETY: a live instance and a place for the length.
        let first = unsafe { list(self.plugin, &raw mut len) };
        if len > MAX_ROUTES {
            return Err(format!("shimmer.http/1: {len} routes, at most {MAX_ROUTES} are allowed"));
        }
        // SAFETY: the plugin owns `len` routes at `first` until deinit.
        unsafe { slice(first, len) }.iter().map(read_route).collect()
    }
}

fn read_descriptor(descriptor: &abi::Descriptor) -> Result<Manifest, String> {
    if descriptor.kinds_len > MAX_LIST || descriptor.permissions_len > MAX_LIST {
        return Err(format!("descriptor: at most {MAX_LIST} kinds and permissions"));
    }
    // SAFETY: the descriptor owns its lists and texts for as long as the library is loaded.
    let (kinds, permissions) = unsafe {
        (
            slice(descriptor.kinds, descriptor.kinds_len),
            slice(descriptor.permissions, descriptor.permissions_len),
        )
    };
    let list = |list: &[abi::Str], what: &str| {
        list.iter().map(|text| owned(*text, what)).collect::<Result<Vec<_>, _>>()
    };
    Ok(Manifest {
        name: owned(descriptor.name, "name")?,
        version: owned(descriptor.version, "version")?,
        description: owned(descriptor.description, "description")?,
        kinds: list(kinds, "kinds")?,
        permissions: list(permissions, "permissions")?,
        tick_interval_ms: descriptor.tick_interval_ms,
        routes: Vec::new(),
        has_state: false,
    })
}

fn read_route(route: &abi::Route) -> Result<RouteSpec, String> {
    Ok(RouteSpec {
        method: owned(route.method, "method")?,
        pattern: owned(route.pattern, "pattern")?,
        auth: match route.auth {
            abi::Auth::NONE => RouteAuth::None,
            abi::Auth::TOKEN => RouteAuth::Token,
            abi::Auth::PLUGIN => RouteAuth::Plugin,
            other => return Err(format!("route: unknown auth {}", other.0)),
        },
        kind: match route.kind {
            abi::RouteKind::HTTP => RouteKind::Http,
            abi::RouteKind::WS => RouteKind::Ws,
            abi::RouteKind::SSE => RouteKind::Sse,
            other => return Err(format!("route: unknown kind {}", other.0)),
        },
        topic: owned(route.topic, "topic")?,
        openapi_json: owned(route.openapi_json, "openapi_json")?,
    })
}

fn owned(text: abi::Str, what: &str) -> Result<String, String> {
    if text.len > 1 << 20 {
        return Err(format!("{what}: {} bytes are too long", text.len));
    }
    // SAFETY: texts of descriptors and routes are owned by the loaded library.
    let bytes = unsafe { text.as_bytes() };
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| format!("{what} is not UTF-8"))
}

/// # Safety
/// `first` points to `len` values that live for `'a`, or `len` is 0.
unsafe fn slice<'a, T>(first: *const T, len: usize) -> &'a [T] {
    if len == 0 || first.is_null() {
        return &[];
    }
    // SAFETY: vouched for by the caller.
    unsafe { std::slice::from_raw_parts(first, len) }
}
