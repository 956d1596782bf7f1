//! The walls around a plugin's process: death signal, limits, Landlock and seccomp, up before its code loads.
//!
//! Seals alone are no sandbox: a child of the same user could write into the host with `process_vm_writev`. Landlock
//! confines files, TCP ports, signals and ptrace; seccomp closes what Landlock leaves open: other processes'
//! limits, priorities and affinity, new processes, ownership and modes, sockets, and the kernel's large rarely used
//! interfaces. Everything answers EPERM except `clone3`, which answers ENOSYS so that libc falls back to `clone`,
//! whose flags a filter can see.

use std::collections::BTreeMap;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, Scope,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::config::{Limits, Permissions};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Puts the walls up around the calling process, which has one thread.
///
/// `library` is the one file that must stay readable. Errors are sentences.
pub(crate) fn enter(
    host_pid: u32,
    library: &Path,
    permissions: &Permissions,
    limits: &Limits,
) -> Result<(), String> {
    die_with_parent(host_pid)?;
    limit_resources(limits)?;
    confine_files_and_ports(library, permissions).map_err(|why| format!("landlock: {why}"))?;
    filter_calls(!permissions.net.is_empty()).map_err(|why| format!("seccomp: {why}"))
}

/// Ends the calling process when the host ends.
pub(crate) fn die_with_parent(host_pid: u32) -> Result<(), String> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(|why| format!("death signal: {why}"))?;
    // The host may have died before the signal was armed; the parent is then somebody else.
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if parent != i32::try_from(host_pid).ok() {
        return Err("the host is gone".into());
    }
    Ok(())
}

fn limit_resources(limits: &Limits) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let both = |value: u64| Rlimit { current: Some(value), maximum: Some(value) };
    // RLIMIT_DATA counts private writable mappings, thread stacks included, so it leaves room above the resident
    // limit, which the host watches; it stops a single absurd allocation at once.
    let data = limits.memory_bytes.saturating_mul(4).max(1 << 30);
    for (resource, value) in [
        (Resource::Data, data),
        (Resource::Core, 0),
        (Resource::Nofile, 256),
        (Resource::Memlock, 0),
    ] {
        setrlimit(resource, both(value)).map_err(|why| format!("limit {resource:?}: {why}"))?;
    }
    Ok(())
}

fn confine_files_and_ports(
    library: &Path,
    permissions: &Permissions,
) -> Result<(), Box<dyn std::error::Error>> {
    let abi = ABI::V6;
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .scope(Scope::Signal)?
        .scope(Scope::AbstractUnixSocket)?;
    let bind_any = permissions.net.iter().any(|rule| rule == "listen:*");
    let connect_any = permissions.net.iter().any(|rule| rule == "connect:*");
    if !bind_any {
        ruleset = ruleset.handle_access(AccessNet::BindTcp)?;
    }
    if !connect_any {
        ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
    }
    let mut created = ruleset.create()?;
    let read = AccessFs::from_read(abi);
    for path in
        ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache"]
    {
        created = allow(created, Path::new(path), read)?;
    }
    // Random numbers, a place to throw things away, and the process's own entries under /proc.
    created = allow(created, Path::new("/dev/urandom"), read)?;
    created = allow(created, Path::new("/dev/null"), read | AccessFs::WriteFile)?;
    created = allow(created, Path::new("/proc/self"), read)?;
    created = allow(created, library, read)?;
    if !permissions.net.is_empty() {
        for path in ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl"] {
            created = allow(created, Path::new(path), read)?;
        }
    }
    for path in &permissions.read {
        created = allow(created, path, read)?;
    }
    for path in &permissions.write {
        created = allow(created, path, AccessFs::from_all(abi))?;
    }
    for rule in &permissions.net {
        let (access, port) = match rule.split_once(':') {
            Some(("listen", port)) => (AccessNet::BindTcp, port),
            Some(("connect", port)) => (AccessNet::ConnectTcp, port),
            _ => {
                return Err(format!(
                    "permission net = {rule:?}: write listen:PORT or connect:PORT"
                )
                .into());
            }
        };
        if port != "*" {
            let port: u16 = port.parse().map_err(|_| {
                format!("permission net = {rule:?}: the port must be 1 to 65535 or *")
            })?;
            created = created.add_rule(NetPort::new(port, access))?;
        }
    }
    created.restrict_self()?;
    Ok(())
}

/// Allows `access` beneath `path`, if it is there; rights that a file cannot have are left out.
fn allow(
    created: RulesetCreated,
    path: &Path,
    access: landlock::BitFlags<AccessFs>,
) -> Result<RulesetCreated, Box<dyn std::error::Error>> {
    let Ok(file) = PathFd::new(path) else { return Ok(created) };
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(ABI::V6) };
    Ok(created.add_rule(PathBeneath::new(file, access))?)
}

fn filter_calls(net: bool) -> Result<(), Box<dyn std::error::Error>> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let mut clone3 = Rules::new();
    clone3.insert(libc::SYS_clone3, Vec::new());
    apply(clone3, libc::ENOSYS, arch)?;

    let mut rules = Rules::new();
    for call in FORBIDDEN.iter().chain(LEGACY) {
        rules.insert(*call, Vec::new());
    }
    if !net {
        rules.insert(libc::SYS_socket, Vec::new());
    }
    let own = u64::from(std::process::id());
    // New processes: `clone` without CLONE_THREAD.
    rules.insert(
        libc::SYS_clone,
        vec![rule(0, SeccompCmpOp::MaskedEq(libc::CLONE_THREAD as u64), 0)?],
    );
    // Another process named by its pid; 0 is the caller itself.
    for call in FOREIGN_BY_PID {
        let foreign = SeccompRule::new(vec![
            condition(0, SeccompCmpOp::Ne, 0)?,
            condition(0, SeccompCmpOp::Ne, own)?,
        ])?;
        rules.insert(*call, vec![foreign]);
    }
    for call in [libc::SYS_kill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo] {
        rules.insert(call, vec![rule(0, SeccompCmpOp::Ne, own)?]);
    }
    // setpriority(which, who): only oneself.
    rules.insert(libc::SYS_setpriority, vec![rule(1, SeccompCmpOp::Ne, 0)?]);
    apply(rules, libc::EPERM, arch)
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

fn condition(
    argument: u8,
    op: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value)
}

fn rule(
    argument: u8,
    op: SeccompCmpOp,
    value: u64,
) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![condition(argument, op, value)?])
}

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
    libc::SYS_fsetxattr,
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
    libc::SYS_mount,
    libc::SYS_move_mount,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_removexattr,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_setxattr,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_tkill,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
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
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_lchown,
    libc::SYS_modify_ldt,
    libc::SYS_vfork,
];
#[cfg(not(target_arch = "x86_64"))]
const LEGACY: &[i64] = &[];
