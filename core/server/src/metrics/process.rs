//! What the kernel says of this process, read from /proc when asked for.

use std::fs;

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
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The command's name may hold blanks and parentheses; everything after the last one is numbers.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        Some(Self {
            cpu_seconds: (number(14)? + number(15)?) as f64 / ticks,
            resident_bytes: number(24)? * rustix::param::page_size() as u64,
            // The descriptor that lists them is one of them.
            open_fds: fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1),
            threads: number(20)?,
        })
    }
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
}
