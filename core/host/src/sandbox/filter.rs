//! The system calls that are closed to a plugin: other processes' limits, priorities and affinity, new processes,
//! ownership, modes and times of files, sockets, memory that no limit counts, and the kernel's large rarely used
//! interfaces.
//!
//! The rule: everything answers EPERM, but what a newer kernel may have and `clone3` answer ENOSYS, so that libc falls
//! back to older calls, whose arguments a filter can see. A call by the numbers of another architecture ends the process.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What stays open of the network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Net {
    /// Sockets for names and TCP.
    pub(super) sockets: bool,
    /// Waiting for others to connect: Landlock bounds the ports that are bound, and not those that the kernel chooses
    /// for a socket that was never bound.
    pub(super) listens: bool,
}

/// Closes them for the calling thread and all that it starts.
pub(super) fn close(net: Net) -> Result<(), Box<dyn std::error::Error>> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    close_unknown()?;
    let mut clone3 = Rules::new();
    clone3.insert(libc::SYS_clone3, Vec::new());
    apply(clone3, libc::ENOSYS, arch)?;

    let mut rules = Rules::new();
    for call in FORBIDDEN.iter().chain(LEGACY) {
        rules.insert(*call, Vec::new());
    }
    rules.insert(libc::SYS_socket, sockets(net.sockets)?);
    rules.insert(libc::SYS_socketpair, pairs()?);
    if !net.listens {
        rules.insert(libc::SYS_listen, Vec::new());
    }
    // A message that opens its connection itself passes by the ports that Landlock bounds.
    let opens = libc::MSG_FASTOPEN as u64;
    for (call, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
        rules.insert(call, vec![rule(&[(flags, SeccompCmpOp::MaskedEq(opens), opens)])?]);
    }
    foreign_processes(&mut rules)?;
    // New processes: `clone` without CLONE_THREAD.
    let thread = libc::CLONE_THREAD as u64;
    rules.insert(libc::SYS_clone, vec![rule(&[(0, SeccompCmpOp::MaskedEq(thread), 0)])?]);
    // Shared memory without a file counts for nobody once it is mapped no more.
    let shared = (libc::MAP_SHARED | libc::MAP_ANONYMOUS) as u64;
    rules.insert(libc::SYS_mmap, vec![rule(&[(3, SeccompCmpOp::MaskedEq(shared), shared)])?]);
    // Who disarms its death signal outlives the host.
    let death = libc::PR_SET_PDEATHSIG as u64;
    rules.insert(libc::SYS_prctl, vec![rule(&[(0, SeccompCmpOp::Eq, death)])?]);
    apply(rules, libc::EPERM, arch)
}

/// What the calls do to another process; 0 is the caller itself where a pid is asked for.
fn foreign_processes(rules: &mut Rules) -> Result<(), BackendError> {
    let own = u64::from(std::process::id());
    for call in FOREIGN_BY_PID {
        let foreign = rule(&[(0, SeccompCmpOp::Ne, 0), (0, SeccompCmpOp::Ne, own)])?;
        rules.insert(*call, vec![foreign]);
    }
    for call in SIGNALS {
        rules.insert(*call, vec![rule(&[(0, SeccompCmpOp::Ne, own)])?]);
    }
    // setpriority(which, who): only the calling thread. With another `which` 0 is a group or a user, the host's too.
    let process = libc::PRIO_PROCESS as u64;
    let others = [rule(&[(0, SeccompCmpOp::Ne, process)])?, rule(&[(1, SeccompCmpOp::Ne, 0)])?];
    rules.insert(libc::SYS_setpriority, others.into());
    // fcntl(fd, command): signals on a descriptor's readiness go to whoever is named.
    let owner = |command: i32| rule(&[(1, SeccompCmpOp::Eq, command as u64)]);
    rules.insert(libc::SYS_fcntl, vec![owner(libc::F_SETOWN)?, owner(F_SETOWN_EX)?]);
    let owner = |request: u64| rule(&[(1, SeccompCmpOp::Eq, request)]);
    rules.insert(libc::SYS_ioctl, vec![owner(FIOSETOWN)?, owner(SIOCSPGRP)?]);
    Ok(())
}

/// Which sockets are closed: all, or with the permission all but the internet's and those by which libc learns the
/// machine's addresses. A unix socket would reach any service of the machine, whatever ports are permitted.
/// Landlock knows the ports of TCP and of none of the protocols that do as it does.
fn sockets(net: bool) -> Result<Vec<SeccompRule>, BackendError> {
    if !net {
        return Ok(Vec::new());
    }
    let other_than = |argument, open: [i32; 3]| {
        rule(&open.map(|value| (argument, SeccompCmpOp::Ne, value as u64)))
    };
    let netlink = libc::AF_NETLINK as u64;
    Ok(vec![
        other_than(0, [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK])?,
        other_than(2, [0, libc::IPPROTO_TCP, libc::IPPROTO_UDP])?,
        // Addresses and routes alone.
        rule(&[(0, SeccompCmpOp::Eq, netlink), (2, SeccompCmpOp::Ne, 0)])?,
        of_type(libc::SOCK_SEQPACKET)?,
        of_type(libc::SOCK_DCCP)?,
    ])
}

/// Which pairs of sockets are closed: those of datagrams, an end of which may send to any name of the machine, and those
/// of other families than the unix one.
fn pairs() -> Result<Vec<SeccompRule>, BackendError> {
    let unix = libc::AF_UNIX as u64;
    let others = rule(&[(0, SeccompCmpOp::Ne, unix)])?;
    // For a unix socket both are the same.
    Ok(vec![others, of_type(libc::SOCK_DGRAM)?, of_type(libc::SOCK_RAW)?])
}

/// A socket of this type, whatever its flags.
fn of_type(kind: i32) -> Result<SeccompRule, BackendError> {
    const TYPE_MASK: u64 = 0xf;
    rule(&[(1, SeccompCmpOp::MaskedEq(TYPE_MASK), kind as u64)])
}

/// Closes what this filter was not held against: numbers of newer kernels, and the second set of x86-64, by which every
/// other rule could be passed by.
fn close_unknown() -> Result<(), seccompiler::Error> {
    use seccompiler::sock_filter;
    let of = |code: u32, jt, jf, k| sock_filter { code: code as u16, jt, jf, k };
    let (at_least, answer) =
        (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, libc::BPF_RET | libc::BPF_K);
    let errno = |errno: i32| libc::SECCOMP_RET_ERRNO | errno.unsigned_abs();
    // The number is the first word of what a filter sees.
    let program = [
        of(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        of(at_least, 2, 0, X32_BIT),
        of(at_least, 2, 0, FIRST_UNKNOWN),
        of(answer, 0, 0, libc::SECCOMP_RET_ALLOW),
        of(answer, 0, 0, errno(libc::EPERM)),
        of(answer, 0, 0, errno(libc::ENOSYS)),
    ];
    seccompiler::apply_filter(&program)
}

fn apply(rules: Rules, errno: i32, arch: TargetArch) -> Result<(), Box<dyn std::error::Error>> {
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(errno.unsigned_abs()),
        arch,
    )?;
    let program: BpfProgram = filter.try_into()?;
    seccompiler::apply_filter(&program)?;
    Ok(())
}

/// A call all of whose named arguments are so.
fn rule(arguments: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, BackendError> {
    let conditions = arguments.iter().map(|(argument, op, value)| {
        SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, op.clone(), *value)
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

/// Marks a number of the second set of x86-64; no other architecture has numbers so high.
const X32_BIT: u32 = 0x4000_0000;
/// `setxattrat` of Linux 6.13, the same number everywhere. Each call below was looked at.
const FIRST_UNKNOWN: u32 = 463;
/// The same number everywhere; not in every libc crate.
const F_SETOWN_EX: i32 = 15;
/// `ioctl` requests that do as `F_SETOWN`.
const FIOSETOWN: u64 = 0x8901;
const SIOCSPGRP: u64 = 0x8902;

/// Calls that send a signal to a process in their first argument.
const SIGNALS: &[i64] =
    &[libc::SYS_kill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo, libc::SYS_tgkill];

/// Calls that take another process by pid in their first argument.
const FOREIGN_BY_PID: &[i64] = &[
    libc::SYS_prlimit64,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
];

/// Calls that no plugin needs, on every architecture.
const FORBIDDEN: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_fanotify_init,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    SYS_FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_finit_module,
    libc::SYS_fremovexattr,
    libc::SYS_fsconfig,
    libc::SYS_fsetxattr,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_ioprio_set,
    libc::SYS_kcmp,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lremovexattr,
    libc::SYS_lsetxattr,
    // Memory in a file without a name counts for nobody.
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // Queues, semaphores and segments outlive the process, and those of others have guessable names.
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_msgctl,
    libc::SYS_msgget,
    libc::SYS_msgrcv,
    libc::SYS_msgsnd,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_removexattr,
    libc::SYS_request_key,
    libc::SYS_semctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_setxattr,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_shmget,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    // Writing back every file of the machine holds up the host's own.
    libc::SYS_sync,
    libc::SYS_syncfs,
    libc::SYS_syslog,
    libc::SYS_tkill,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_utimensat,
    libc::SYS_vhangup,
];

/// `fchmodat2`, the same number everywhere; not in every libc crate.
const SYS_FCHMODAT2: i64 = 452;

/// Older forms that only x86-64 still has.
#[cfg(target_arch = "x86_64")]
const LEGACY: &[i64] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_fork,
    libc::SYS_futimesat,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_lchown,
    libc::SYS_modify_ldt,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_vfork,
];
#[cfg(not(target_arch = "x86_64"))]
const LEGACY: &[i64] = &[];
