//! What the kernel says of this process, read from /proc when asked for.

use std::fs;
use std::os::unix::fs::MetadataExt;

use rustix::time::{ClockId, clock_gettime};

/// One reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Process {
    /// User and system time.
    pub(crate) cpu_seconds: f64,
    /// Resident memory, shared mappings included.
    pub(crate) resident_bytes: u64,
    /// Open descriptors.
    pub(crate) open_fds: usize,
    /// Threads.
    pub(crate) threads: u64,
}

impl Process {
    /// Reads; `None` where /proc is not as it should be.
    pub(crate) fn read() -> Option<Self> {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let memory = fs::read("/proc/self/statm").ok()?;
        let resident = std::str::from_utf8(&memory).ok()?.split(' ').nth(1)?;
        // One link for each thread, and two as every directory has.
        let links = fs::metadata("/proc/self/task").ok()?.nlink();
        Some(Self {
            cpu_seconds: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            resident_bytes: resident.parse::<u64>().ok()? * rustix::param::page_size() as u64,
            open_fds: open_fds()?,
            threads: links.checked_sub(2)?,
        })
    }
}

/// How many descriptors are open. Since Linux 6.2 the directory's size says so; to list thousands of them would
/// cost more than all the rest of the page.
fn open_fds() -> Option<usize> {
    match fs::metadata("/proc/self/fd").ok()?.len() {
        0 => listed_fds(),
        count => usize::try_from(count).ok(),
    }
}

/// The same for older kernels.
fn listed_fds() -> Option<usize> {
    // The descriptor that lists them is one of them.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_threads_and_descriptors() {
        let process = Process::read().unwrap();
        assert!(process.resident_bytes > 1 << 20, "{process:?}");
        assert!(process.threads >= 1 && process.open_fds >= 3, "{process:?}");
        assert!((0.0..1e6).contains(&process.cpu_seconds), "{process:?}");
    }

    #[test]
    fn the_short_ways_say_what_the_long_ones_do() {
        let listed = || fs::read_dir("/proc/self/task").unwrap().count() as u64;
        // Other tests come and go meanwhile.
        let agree = |short: &dyn Fn() -> u64, long: &dyn Fn() -> u64| {
            (0..1_000).any(|_| {
                let before = long();
                let said = short();
                before == said && before == long()
            })
        };
        assert!(agree(&|| Process::read().unwrap().threads, &listed));
        assert!(agree(&|| open_fds().unwrap() as u64, &|| listed_fds().unwrap() as u64));
        let files: Vec<_> = (0..20).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        assert!(open_fds().unwrap() > files.len());
    }
}
