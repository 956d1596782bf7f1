//! What the kernel says of processes: CPU time and private memory.
//!
//! The rule: what is gone costs nothing and holds nothing.

use std::fs;

/// A thread of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// Its id.
    pub tid: u32,
    /// Its name, at most 15 bytes.
    pub name: String,
}

/// Private memory of a process in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident and anonymous: the heap and the stacks.
    pub anon: u64,
    /// Resident pages of mapped files, the program itself and a journal among them.
    pub file: u64,
    /// Resident shared memory: the ring.
    pub shared: u64,
}

/// The threads of a process.
#[must_use]
pub fn threads(pid: u32) -> Vec<Thread> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .filter_map(|task| {
            let tid = task.file_name().to_str()?.parse().ok()?;
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            Some(Thread { tid, name: name.trim_end().to_owned() })
        })
        .collect()
}

/// Nanoseconds that a thread ran, exact while it sleeps.
#[must_use]
pub fn cpu_ns(pid: u32, tid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat")).unwrap_or_default();
    text.split_ascii_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

/// The processor time of a process, thread by thread, at one moment.
#[derive(Debug, Clone)]
pub struct Cpu {
    pid: u32,
    threads: Vec<(u32, u64)>,
}

impl Cpu {
    /// Looks at a process.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let threads = threads(pid).into_iter().map(|thread| (thread.tid, cpu_ns(pid, thread.tid)));
        Self { pid, threads: threads.collect() }
    }

    /// Nanoseconds that its threads, those that came since included, have run since.
    #[must_use]
    pub fn ns_since(&self) -> u64 {
        let before = |tid| self.threads.iter().find(|thread| thread.0 == tid).map_or(0, |t| t.1);
        let now = Self::of(self.pid).threads;
        now.iter().map(|(tid, ns)| ns.saturating_sub(before(*tid))).sum()
    }
}

/// The children of a process: of ours, its plugins.
#[must_use]
pub fn children(pid: u32) -> Vec<u32> {
    let of = |thread: Thread| {
        fs::read_to_string(format!("/proc/{pid}/task/{}/children", thread.tid)).unwrap_or_default()
    };
    let texts: Vec<_> = threads(pid).into_iter().map(of).collect();
    texts.iter().flat_map(|text| text.split_ascii_whitespace()).flat_map(str::parse).collect()
}

/// The memory of a process.
#[must_use]
pub fn memory(pid: u32) -> Memory {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let bytes = |key: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(key));
        let value = value.and_then(|rest| rest.split_ascii_whitespace().next());
        value.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    Memory { anon: bytes("RssAnon:"), file: bytes("RssFile:"), shared: bytes("RssShmem:") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen() {
        let own = std::process::id();
        assert!(memory(own).anon > 0 && memory(own).file > 0);
        assert!(threads(own).iter().any(|thread| thread.tid == own));
        assert_eq!(memory(u32::MAX), Memory::default());
        let cpu = Cpu::of(own);
        let begun = std::time::Instant::now();
        while cpu.ns_since() == 0 {
            assert!(begun.elapsed().as_secs() < 10, "a thread that runs takes time");
        }
        assert_eq!((cpu_ns(u32::MAX, 1), threads(u32::MAX)), (0, vec![]));
    }
}
