//! Which of the walls this kernel can build.
//!
//! The rule: a part that is missing is named with the version of Linux that has it, so that an operator knows the remedy.

/// What the kernel lacks of the sandbox, a phrase each; empty where it has all of it. Asked of the kernel itself, since
/// a version says nothing of how it was built and booted.
#[must_use]
pub(crate) fn lacking() -> Vec<&'static str> {
    missing(landlock_abi(), has_seccomp())
}

/// The parts that a kernel with this version of Landlock lacks, 0 for none.
fn missing(landlock: i64, seccomp: bool) -> Vec<&'static str> {
    let parts = [
        (landlock >= 1, "files and folders (Landlock, Linux 5.13)"),
        (landlock >= 3, "truncation of files (Landlock 3, Linux 6.2)"),
        (landlock >= 4, "TCP ports (Landlock 4, Linux 6.7)"),
        (landlock >= 5, "commands to devices (Landlock 5, Linux 6.10)"),
        (landlock >= 6, "signals and abstract sockets (Landlock 6, Linux 6.12)"),
        (seccomp, "system calls (seccomp)"),
    ];
    parts.into_iter().filter_map(|(there, part)| (!there).then_some(part)).collect()
}

/// The version of Landlock that is in force; 0 where it is not built or not switched on.
fn landlock_abi() -> i64 {
    const VERSION: libc::c_uint = 1;
    let nothing = std::ptr::null::<libc::c_void>();
    // SAFETY: the call that asks for the version takes no memory.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0_usize, VERSION) }.max(0)
}

/// Whether a filter can refuse a call with an error.
fn has_seccomp() -> bool {
    let action = libc::SECCOMP_RET_ERRNO;
    // SAFETY: reads the one number that it is given.
    let answer = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action)
    };
    answer == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_that_is_missing_is_named() {
        assert!(missing(6, true).is_empty() && missing(9, true).is_empty());
        assert_eq!(missing(5, true), ["signals and abstract sockets (Landlock 6, Linux 6.12)"]);
        assert_eq!(missing(6, false), ["system calls (seccomp)"]);
        assert_eq!(missing(3, true).len(), 3, "the oldest with its ports still open");
        assert_eq!(missing(0, true).len(), 5);
    }
}
