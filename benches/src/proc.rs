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
        assert_eq!((cpu_ns(u32::MAX, 1), threads(u32::MAX)), (0, vec![]));
    }
}
