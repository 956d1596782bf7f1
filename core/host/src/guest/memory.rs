//! How much freed memory a plugin's process keeps before the kernel gets it back.

/// Bytes that an arena keeps at its end, and grows by at least. By default it is a page or so: a plugin that takes and gives
/// back some KiB for each event on several threads then spends a twentieth of its time in `mprotect` and page faults.
#[cfg(target_env = "gnu")]
const KEPT: libc::c_int = 1 << 20;
#[cfg(target_env = "gnu")]
const GROWTH: libc::c_int = 256 << 10;

/// Sets it, before there is a second thread. Other C libraries than glibc are left as they are.
pub(super) fn keep_freed() {
    #[cfg(target_env = "gnu")]
    for (setting, bytes) in [
        (libc::M_TRIM_THRESHOLD, KEPT),
        (libc::M_TOP_PAD, GROWTH),
        // It would be found by trial, but no more once another setting was made.
        (libc::M_MMAP_THRESHOLD, KEPT),
    ] {
        // SAFETY: two numbers are passed; a setting that is refused changes nothing.
        unsafe { libc::mallopt(setting, bytes) };
    }
}
