//! The walls around a plugin's process: death signal, limits, capabilities, Landlock and seccomp, up before its code
//! loads.
//!
//! The rule: what a plugin may reach stands in its permissions; the rest is closed here, by the kernel.
//!
//! Seals alone are no sandbox: a child of the same user could write into the host with `process_vm_writev`. Landlock
//! confines files, TCP ports, signals and ptrace; seccomp closes what Landlock leaves open; see [`filter`].

mod filter;
mod kernel;

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, Scope,
};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use crate::config::{Limits, Permissions};

pub(crate) use kernel::lacking;

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
    // Out of the host's process group, terminal and share of the processor. Fails where that is so already.
    let _ = rustix::process::setsid();
    // When memory runs out the plugin goes before the host. Best effort: /proc need not be mounted.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    limit_resources(limits)?;
    drop_capabilities(permissions).map_err(|why| format!("capabilities: {why}"))?;
    confine_files_and_ports(library, permissions).map_err(|why| format!("landlock: {why}"))?;
    let listens = permissions.net.iter().any(|rule| rule.starts_with("listen:"));
    let net = filter::Net { sockets: !permissions.net.is_empty(), listens };
    filter::close(net).map_err(|why| format!("seccomp: {why}"))
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
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let both = |value: u64| Rlimit { current: Some(value), maximum: Some(value) };
    // RLIMIT_DATA counts private writable mappings, thread stacks included, so it leaves room above the resident
    // limit, which the host watches; it stops a single absurd allocation at once.
    let data = limits.memory_bytes.saturating_mul(4).max(1 << 30);
    for (resource, value) in [
        (Resource::Data, data),
        (Resource::Core, 0),
        (Resource::Nofile, 256),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
        (Resource::Nice, 0),
        (Resource::Rtprio, 0),
    ] {
        // The host's own limit may be lower, and only root could raise it.
        let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        setrlimit(resource, both(value.min(most)))
            .map_err(|why| format!("limit {resource:?}: {why}"))?;
    }
    Ok(())
}

/// Gives up what a host that runs as root would lend: with it the limits could be lifted again. The port of a listener
/// may be one of the first 1,024.
fn drop_capabilities(permissions: &Permissions) -> rustix::io::Result<()> {
    let listens = permissions.net.iter().any(|rule| rule.starts_with("listen:"));
    let wanted = if listens { CapabilitySet::NET_BIND_SERVICE } else { CapabilitySet::empty() };
    let kept = capabilities(None)?.permitted & wanted;
    let inheritable = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable })
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
