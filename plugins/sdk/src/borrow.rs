//! Turns lent pointers into slices and text; what breaks the contract reads as empty instead of as anything.

#![allow(unsafe_code, reason = "reads memory that the other side lends for a call")]

use shimmer_abi::{Bytes, Str};

/// `len` values at `ptr`, none when `ptr` is null.
///
/// # Safety
/// Unless null, `ptr` is aligned and valid for reads of `len` values for `'a`, which nobody writes meanwhile.
pub(crate) unsafe fn slice<'a, T>(ptr: *const T, len: usize) -> &'a [T] {
    if ptr.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: not null, and the caller vouches for the rest.
    unsafe { std::slice::from_raw_parts(ptr, len) }
}

/// The text, empty when it is not UTF-8.
///
/// # Safety
/// As [`slice`] for the text's bytes.
pub(crate) unsafe fn text<'a>(text: Str) -> &'a str {
    // SAFETY: the caller's promise is the one asked for.
    std::str::from_utf8(unsafe { slice(text.ptr, text.len) }).unwrap_or_default()
}

/// The bytes.
///
/// # Safety
/// As [`slice`].
pub(crate) unsafe fn bytes<'a>(bytes: Bytes) -> &'a [u8] {
    // SAFETY: the caller's promise is the one asked for.
    unsafe { slice(bytes.ptr, bytes.len) }
}
