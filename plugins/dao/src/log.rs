//! The file of the log, in the plugin's folder: `audit.ndjson`, or a copy of another node's.
//!
//! The rule: an entry is on the disk before it counts. What a crash leaves of one that was not is taken off at the
//! start; any other flaw keeps the plugin from running, because nobody could believe what follows.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use shimmer_governor::{BadLine, Entry, Fault, Governor, MAX_LINE_BYTES, Replay, Signatures};
use shimmer_sdk::Error;

/// The name of one's own.
pub(crate) const FILE: &str = "audit.ndjson";

/// The log on disk.
#[derive(Debug)]
pub(crate) struct Log {
    name: String,
    file: File,
    /// Where each line ends.
    ends: Vec<u64>,
    unsynced: bool,
}

impl Log {
    /// Opens the log `name` in `folder` and derives its state. Says also how many bytes of an unfinished line it took off.
    pub(crate) fn open(folder: &Path, name: &str) -> Result<(Self, Governor, u64), Error> {
        let path = folder.join(name);
        let said = |what: &str, error: &dyn std::fmt::Display| {
            Error::Failed(format!("{}: {what}: {error}", path.display()))
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| said("cannot be opened", &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(said("is in use", &"another process writes this log; end it first"));
            }
            Err(TryLockError::Error(error)) => return Err(said("cannot be locked", &error)),
        }
        let (replay, ends) = read(&file).map_err(|bad| {
            said(
                "is damaged",
                &format!("{bad}; put a good copy in its place, or move it away to begin anew"),
            )
        })?;
        let log = Self { name: name.to_owned(), file, ends, unsynced: false };
        let length = log.file.metadata().map_err(|error| said("cannot be read", &error))?.len();
        let cut = length.saturating_sub(log.end());
        log.cut().map_err(|error| said("cannot be cut", &error))?;
        Ok((log, replay.into_governor(), cut))
    }

    /// Its name in the folder.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Makes an entry durable, or leaves the log as it was.
    pub(crate) fn append(&mut self, entry: &Entry) -> io::Result<()> {
        self.write(entry)?;
        self.sync().inspect_err(|_| {
            self.ends.pop();
            // A part of the line may be there. Should this fail as well, the next entry overwrites it.
            let _ = self.cut();
        })
    }

    /// Writes an entry that can be had again from elsewhere; [`Self::sync`] makes it durable.
    pub(crate) fn write(&mut self, entry: &Entry) -> io::Result<()> {
        let mut line = entry.to_line().into_bytes();
        line.push(b'\n');
        self.file.write_all_at(&line, self.end()).inspect_err(|_| {
            let _ = self.cut();
        })?;
        self.ends.push(self.end() + line.len() as u64);
        self.unsynced = true;
        Ok(())
    }

    /// Makes durable what was written.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.unsynced {
            self.file.sync_data()?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// The lines from entry `since` on, each with its LF: at most `entries` of them, and no more than `bytes` unless
    /// already the first is longer.
    pub(crate) fn lines(&self, since: u64, entries: usize, bytes: u64) -> io::Result<Vec<u8>> {
        let since = usize::try_from(since).unwrap_or(usize::MAX).min(self.ends.len());
        let start = if since == 0 { 0 } else { self.ends[since - 1] };
        let wanted = &self.ends[since..since.saturating_add(entries).min(self.ends.len())];
        let fitting = wanted.partition_point(|end| end - start <= bytes);
        let end = wanted[..fitting.max(1).min(wanted.len())].last().copied().unwrap_or(start);
        let mut lines = vec![0; usize::try_from(end - start).unwrap_or(0)];
        self.file.read_exact_at(&mut lines, start)?;
        Ok(lines)
    }

    /// At most `most` bytes from `offset` on; none behind the end.
    pub(crate) fn bytes(&self, offset: u64, most: usize) -> io::Result<Vec<u8>> {
        let rest = usize::try_from(self.end().saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; rest.min(most)];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// Bytes of the whole.
    pub(crate) fn end(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    fn cut(&self) -> io::Result<()> {
        self.file.set_len(self.end())
    }
}

/// All whole lines and where they end.
fn read(file: &File) -> Result<(Replay, Vec<u64>), BadLine> {
    let (mut replay, mut ends, mut end) = (Replay::new(Signatures::Trusted), Vec::new(), 0);
    let (mut reader, mut buffer) = (BufReader::new(file), Vec::new());
    loop {
        let bad = |fault| BadLine { line: ends.len() as u64 + 1, fault };
        buffer.clear();
        let read = reader.by_ref().take(MAX_LINE_BYTES as u64).read_until(b'\n', &mut buffer);
        read.map_err(|error| bad(Fault::Unreadable(error.to_string())))?;
        match buffer.split_last() {
            Some((b'\n', line)) => replay.line(line).map_err(bad)?,
            Some(_) if buffer.len() == MAX_LINE_BYTES => return Err(bad(Fault::TooLong)),
            // Nothing, or what a crash cut off.
            _ => return Ok((replay, ends)),
        }
        end += buffer.len() as u64;
        ends.push(end);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use shimmer_governor::{Command, Time};

    use super::*;

    fn filled(folder: &Path) -> (Log, Governor) {
        let (mut log, mut governor, cut) = Log::open(folder, FILE).expect("a log");
        assert_eq!(cut, 0);
        let config = crate::config::Config::default().check("n").expect("good").governor;
        for (s, command) in [
            (1, Command::Configure(config)),
            (2, Command::Propose(crate::tests::proposal("a"))),
            (3, Command::Propose(crate::tests::proposal("b"))),
        ] {
            let now = Time::from_s(s).expect("a time");
            governor.submit(now, &command, |entry| log.append(entry)).expect("taken");
        }
        (log, governor)
    }

    #[test]
    fn what_was_appended_is_there_again() {
        let home = tempfile::tempdir().expect("a folder");
        let (log, governor) = filled(home.path());
        assert!(Log::open(home.path(), FILE).is_err_and(|why| why.to_string().contains("in use")));
        let all = log.lines(0, usize::MAX, u64::MAX).expect("lines");
        drop(log);
        let (again, same, cut) = Log::open(home.path(), FILE).expect("a log");
        assert_eq!((same, cut), (governor, 0));
        assert_eq!(again.lines(0, usize::MAX, u64::MAX).expect("lines"), all);
    }

    #[test]
    fn lines_are_cut_where_asked() {
        let home = tempfile::tempdir().expect("a folder");
        let (log, _) = filled(home.path());
        let count = |since, entries, bytes| {
            let lines = log.lines(since, entries, bytes).expect("lines");
            lines.iter().filter(|byte| **byte == b'\n').count()
        };
        assert_eq!(count(0, usize::MAX, u64::MAX), 3);
        assert_eq!(count(1, usize::MAX, u64::MAX), 2);
        assert_eq!((count(1, 1, u64::MAX), count(0, 0, u64::MAX)), (1, 0));
        assert_eq!((count(3, 9, 9), count(u64::MAX, 9, 9)), (0, 0));
        assert_eq!((count(0, 9, 1), count(0, 9, log.ends[1])), (1, 2));
    }

    #[test]
    fn an_unfinished_line_is_taken_off_and_any_other_flaw_is_told() {
        let home = tempfile::tempdir().expect("a folder");
        let (log, governor) = filled(home.path());
        let whole = log.end();
        drop(log);
        let path = home.path().join(FILE);
        let append = |text: &[u8]| {
            let mut file = OpenOptions::new().append(true).open(&path).expect("the file");
            file.write_all(text).expect("room");
        };
        append(b"{\"at\":\"20");
        let (log, same, cut) = Log::open(home.path(), FILE).expect("a log");
        assert_eq!((same, cut, log.end()), (governor, 9, whole));
        assert_eq!(std::fs::metadata(&path).expect("the file").len(), whole);
        drop(log);
        append(b"{\"at\":\"20\n");
        let why = Log::open(home.path(), FILE).expect_err("damaged").to_string();
        assert!(why.contains("line 4") && why.contains("good copy"), "{why}");
    }
}
