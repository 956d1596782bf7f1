//! Borrowed text and bytes, and the status every call returns; nothing here owns memory.

/// UTF-8 text, not NUL-terminated, borrowed for the time that the carrying structure states.
///
/// `ptr` may be null only when `len` is 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Str {
    /// First byte.
    pub ptr: *const u8,
    /// Length in bytes.
    pub len: usize,
}

/// Bytes, borrowed for the time that the carrying structure states.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    /// First byte; may be null only when `len` is 0.
    pub ptr: *const u8,
    /// Length in bytes.
    pub len: usize,
}

impl Str {
    /// The empty text.
    pub const EMPTY: Self = Self { ptr: core::ptr::null(), len: 0 };

    /// Borrows `text`; the caller keeps it alive for as long as the structure that carries the result.
    #[must_use]
    pub const fn new(text: &str) -> Self {
        Self { ptr: text.as_ptr(), len: text.len() }
    }

    /// The bytes, unchecked for UTF-8: what comes from the other side may be anything.
    ///
    /// # Safety
    /// `ptr` is valid for reads of `len` bytes for the lifetime `'a`, or `len` is 0.
    #[must_use]
    pub const unsafe fn as_bytes<'a>(self) -> &'a [u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the caller vouches for `ptr` and `len`, and the length is not 0.
        unsafe { core::slice::from_raw_parts(self.ptr, self.len) }
    }
}

impl Bytes {
    /// No bytes.
    pub const EMPTY: Self = Self { ptr: core::ptr::null(), len: 0 };

    /// Borrows `bytes`; the caller keeps it alive for as long as the structure that carries the result.
    #[must_use]
    pub const fn new(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len() }
    }

    /// The bytes.
    ///
    /// # Safety
    /// `ptr` is valid for reads of `len` bytes for the lifetime `'a`, or `len` is 0.
    #[must_use]
    pub const unsafe fn as_slice<'a>(self) -> &'a [u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the caller vouches for `ptr` and `len`, and the length is not 0.
        unsafe { core::slice::from_raw_parts(self.ptr, self.len) }
    }
}

/// What a call came to: 0 is success, everything negative a failure.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub i32);

impl Status {
    /// Done; inside `process` and `tick`: accepted into the transaction.
    pub const OK: Self = Self(0);
    /// An argument is malformed: a limit of the event format, a text that is not UTF-8, a null pointer.
    pub const INVALID: Self = Self(-1);
    /// The descriptor or the configuration does not permit this.
    pub const DENIED: Self = Self(-2);
    /// A bound is reached: effects of one call, declared metrics, message size.
    pub const LIMIT: Self = Self(-3);
    /// Not now: the ring is full or the host is stopping; the caller may try again.
    pub const BUSY: Self = Self(-4);
    /// The plugin failed; the host counts it and applies its restart policy.
    pub const FAILED: Self = Self(-5);
    /// A panic or exception was stopped at the boundary.
    pub const PANIC: Self = Self(-6);
    /// The other side does not know this function, route or identifier.
    pub const UNSUPPORTED: Self = Self(-7);

    /// Whether the call succeeded.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        self.0 >= 0
    }
}
