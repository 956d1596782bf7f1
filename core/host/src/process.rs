//! What the kernel says of a process or thread: CPU time, private memory, threads; read from /proc.

use std::fs;

/// One reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// User and system time in seconds since the start.
    pub cpu_seconds: f64,
    /// Resident memory without shared mappings in bytes, so that the ring counts for nobody; 0 for a thread.
    pub memory_bytes: u64,
    /// Threads.
    pub threads: u32,
}

/// Reads a process; `None` when it is gone.
#[must_use]
pub fn usage_of_process(pid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mut usage = Usage { cpu_seconds: cpu_seconds(&stat)?, ..Usage::default() };
    for line in status.lines() {
        match line.split_once(':') {
            Some(("RssAnon" | "RssFile", value)) => usage.memory_bytes += kibibytes(value) * 1024,
            Some(("Threads", value)) => usage.threads = value.trim().parse().unwrap_or(0),
            _ => {}
        }
    }
    Some(usage)
}

/// Reads a thread of this process; its memory cannot be told apart and is 0.
#[must_use]
pub(crate) fn usage_of_thread(tid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/self/task/{tid}/stat")).ok()?;
    Some(Usage { cpu_seconds: cpu_seconds(&stat)?, memory_bytes: 0, threads: 1 })
}

/// Fields 14 and 15 of `stat`, counted after the command name, which may hold spaces and parentheses.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn kibibytes(value: &str) -> u64 {
    value.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 1 1 1";
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(cpu_seconds(stat), Some(300.0 / ticks));
    }

    #[test]
    fn this_process_has_memory_and_a_thread() {
        let usage = usage_of_process(std::process::id()).unwrap();
        assert!(usage.memory_bytes > 0 && usage.threads >= 1);
        assert_eq!(usage_of_process(u32::MAX), None);
    }
}
