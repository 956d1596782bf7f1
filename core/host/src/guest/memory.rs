//! How much freed memory a plugin's process keeps before the kernel gets it back.

/// Bytes at the end of an arena beyond which they are given back, and from which on a piece is mapped by itself. By default
/// both are 128 KiB, and an arena that is not the first grows by pages: a plugin that takes and gives back more than that
/// with every batch, on several threads, then spends a twentieth of its time in `mprotect` and page faults.
#[cfg(target_env = "gnu")]
const KEPT: libc::c_int = 1 << 20;
/// Bytes that stay when some are given back.
#[cfg(target_env = "gnu")]
const ROOM: libc::c_int = 256 << 10;

/// Sets it, before there is a second thread. Other C libraries than glibc are left as they are.
pub(super) fn keep_freed() {
    #[cfg(target_env = "gnu")]
    for (setting, bytes) in [
        (libc::M_TRIM_THRESHOLD, KEPT),
        (libc::M_TOP_PAD, ROOM),
        // It would be found by trial, but no more once another setting was made.
        (libc::M_MMAP_THRESHOLD, KEPT),
    ] {
        // SAFETY: two numbers are passed; a setting that is refused changes nothing.
        unsafe { libc::mallopt(setting, bytes) };
    }
}
