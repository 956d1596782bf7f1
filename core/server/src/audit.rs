//! Who changed something through the node's routes: a line of JSON for each such request, in the data folder.
//!
//! Events are not among them: the ring's journal has those. The rule: the line is in the file before the
//! answer leaves. A file that takes none keeps nobody from working: lines wait within a bound, `/ready`
//! and `/metrics` say so, and they are written as soon as it goes again. Who has no token may not push out
//! what others did: such lines are few a second, have a share of the file, and wait for nothing.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

/// The newest lines, and those before.
const FILE: &str = "audit.ndjson";
const OLDER: &str = "audit.1.ndjson";
/// Lines that wait for a file that can be written.
const WAITING: usize = 1024;
/// Lines a second about callers without a token.
const STRANGERS: u32 = 10;
/// Their part of a file: one in so many bytes.
const STRANGERS_SHARE: u64 = 2;
/// What tells their lines.
const STRANGERS_MARK: &str = r#","token":null,"#;
/// Longest path that is kept, in bytes.
const PATH_BYTES: usize = 512;

/// A request that would change something, and what came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Entry<'a> {
    /// When it was answered, RFC 3339 in UTC.
    pub(crate) time: String,
    pub(crate) request_id: &'a str,
    /// Who asked, behind trusted proxies too.
    pub(crate) client: IpAddr,
    /// Name of the token; none where none that is known was sent.
    pub(crate) token: Option<&'a str>,
    pub(crate) method: &'a str,
    /// Without what follows a `?`.
    pub(crate) path: &'a str,
    /// None where the client had gone before it was answered.
    pub(crate) status: Option<u16>,
}

/// The file.
#[derive(Debug)]
pub(crate) struct Audit {
    dir: PathBuf,
    inner: Mutex<Inner>,
}

/// How the file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AuditState {
    /// Lines that wait to be written.
    pub(crate) waiting: usize,
    /// Lines for which there was no room to wait.
    pub(crate) lost: u64,
    /// Lines about callers without a token that were left out.
    pub(crate) omitted: u64,
}

#[derive(Debug, Default)]
struct Inner {
    file: Option<File>,
    bytes: u64,
    /// Of these, those about strangers.
    strangers_bytes: u64,
    waiting: VecDeque<Vec<u8>>,
    lost: u64,
    omitted: u64,
    /// Something was written that may not be on the disk yet.
    dirty: bool,
    /// It was said that the file cannot be written.
    told: bool,
    strangers: Strangers,
}

/// Who was left out of this second.
#[derive(Debug, Default)]
struct Strangers {
    since: Option<Instant>,
    seen: u32,
}

impl Audit {
    /// The file in `dir`, which is opened with the first line.
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), inner: Mutex::default() }
    }

    /// Writes a line; both files together stay below `max_bytes`, 0 for none at all.
    pub(crate) fn record(&self, entry: Entry<'_>, max_bytes: u64) {
        if max_bytes == 0 {
            return;
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if entry.token.is_none() && !inner.admits_stranger(&self.dir, max_bytes) {
            inner.omitted += 1;
            return;
        }
        let entry = Entry { path: cut(entry.path), ..entry };
        let Ok(mut line) = serde_json::to_vec(&entry) else { return };
        line.push(b'\n');
        if inner.waiting.len() == WAITING {
            inner.lost += 1;
            return;
        }
        inner.waiting.push_back(line);
        inner.write(&self.dir, max_bytes);
    }

    /// Writes what waits, and brings what was written to the disk.
    pub(crate) fn settle(&self, max_bytes: u64) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.write(&self.dir, max_bytes);
        if std::mem::take(&mut inner.dirty)
            && let Some(file) = &inner.file
            && let Err(error) = file.sync_data()
        {
            tracing::warn!(%error, "the audit log was not synchronised");
        }
    }

    /// Whether it keeps up.
    pub(crate) fn state(&self) -> AuditState {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        AuditState { waiting: inner.waiting.len(), lost: inner.lost, omitted: inner.omitted }
    }
}

impl Inner {
    fn admits_stranger(&mut self, dir: &Path, max_bytes: u64) -> bool {
        // What stands in the file is known once it is open; why it is not is told where it is written.
        if self.open(&dir.join(FILE)).is_err() {
            return false;
        }
        let has_share = self.strangers_bytes < max_bytes / 2 / STRANGERS_SHARE;
        has_share && self.waiting.is_empty() && self.strangers.has_room(Instant::now())
    }

    /// Writes what waits until the file takes no more.
    fn write(&mut self, dir: &Path, max_bytes: u64) {
        while let Some(line) = self.waiting.front() {
            let (length, of_strangers) = (line.len() as u64, strangers_bytes(line));
            if let Err(error) = self.append(dir, length, max_bytes) {
                if !std::mem::replace(&mut self.told, true) {
                    let path = dir.join(FILE);
                    tracing::error!(path = %path.display(), %error, "the audit log cannot be written; lines wait");
                }
                return;
            }
            self.bytes += length;
            self.strangers_bytes += of_strangers;
            self.waiting.pop_front();
            self.dirty = true;
        }
        if std::mem::take(&mut self.told) {
            tracing::info!(lost = self.lost, "the audit log is written again");
        }
    }

    /// Writes the first line that waits, or nothing.
    fn append(&mut self, dir: &Path, length: u64, max_bytes: u64) -> io::Result<()> {
        let path = dir.join(FILE);
        self.open(&path)?;
        if self.bytes > 0 && self.bytes + length > max_bytes / 2 {
            fs::rename(&path, dir.join(OLDER))?;
            self.file = None;
            self.open(&path)?;
        }
        let (Some(file), Some(line)) = (&mut self.file, self.waiting.front()) else {
            return Ok(());
        };
        file.write_all(line).inspect_err(|_| {
            // A part of a line would spoil the next one. If this fails, too, so will the next write.
            drop(file.set_len(self.bytes));
        })
    }

    fn open(&mut self, path: &Path) -> io::Result<()> {
        if self.file.is_none() {
            let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
            self.bytes = file.metadata()?.len();
            self.strangers_bytes = 0;
            for line in BufReader::new(File::open(path)?).split(b'\n') {
                self.strangers_bytes += strangers_bytes(&line?);
            }
            self.file = Some(file);
        }
        Ok(())
    }
}

impl Strangers {
    fn has_room(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.duration_since(since) >= Duration::from_secs(1)) {
            (self.since, self.seen) = (Some(now), 0);
        }
        self.seen += 1;
        self.seen <= STRANGERS
    }
}

/// The bytes of a line, if it is about a caller without a token.
fn strangers_bytes(line: &[u8]) -> u64 {
    let is_strangers = String::from_utf8_lossy(line).contains(STRANGERS_MARK);
    if is_strangers { line.len() as u64 } else { 0 }
}

fn cut(path: &str) -> &str {
    &path[..path.floor_char_boundary(PATH_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn entry(token: Option<&'static str>, status: u16) -> Entry<'static> {
        let client = IpAddr::from([10, 0, 0, 1]);
        let time = "2026-01-01T00:00:00Z".to_owned();
        let (request_id, method, path) = ("id", "POST", "/api/reload");
        Entry { time, request_id, client, token, method, path, status: Some(status) }
    }

    fn lines(dir: &Path, file: &str) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(dir.join(file)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_says_who_did_what() {
        let dir = tempfile::tempdir().unwrap();
        let audit = Audit::new(dir.path());
        audit.record(entry(Some("default"), 200), 1 << 20);
        let path = "/é".repeat(PATH_BYTES);
        audit.record(Entry { path: &path, ..entry(None, 401) }, 1 << 20);
        let lines = lines(dir.path(), FILE);
        assert_eq!(
            lines[0],
            serde_json::json!({
                "time": "2026-01-01T00:00:00Z", "request_id": "id", "client": "10.0.0.1",
                "token": "default", "method": "POST", "path": "/api/reload", "status": 200,
            })
        );
        assert!(lines[1]["path"].as_str().unwrap().len() <= PATH_BYTES);
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        audit.record(entry(Some("default"), 200), 0);
        assert_eq!(self::lines(dir.path(), FILE).len(), 2, "it is off");
    }

    #[test]
    fn both_files_together_are_bounded_and_the_newest_lines_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        for status in 200..400 {
            // Opened again each time, as by a node that is started again.
            Audit::new(dir.path()).record(entry(Some("default"), status), 2_000);
        }
        let audit = Audit::new(dir.path());
        for status in 400..500 {
            audit.record(entry(Some("default"), status), 2_000);
        }
        let sizes = [FILE, OLDER].map(|file| fs::metadata(dir.path().join(file)).unwrap().len());
        assert!(sizes[0] <= 1_000 && sizes[0] + sizes[1] <= 2_000, "{sizes:?}");
        let kept = [lines(dir.path(), OLDER), lines(dir.path(), FILE)].concat();
        let statuses: Vec<_> = kept.iter().map(|line| line["status"].as_u64().unwrap()).collect();
        let newest: Vec<_> = (500 - statuses.len() as u64..500).collect();
        assert_eq!(statuses, newest);
    }

    #[test]
    fn lines_wait_for_a_file_and_are_then_written_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("later");
        let audit = Audit::new(&missing);
        for n in 0..WAITING + 3 {
            audit.record(entry(Some("default"), n as u16), 1 << 20);
        }
        audit.record(entry(None, 401), 1 << 20);
        assert_eq!(audit.state(), AuditState { waiting: WAITING, lost: 3, omitted: 1 });
        fs::create_dir(&missing).unwrap();
        audit.settle(1 << 20);
        assert_eq!(audit.state(), AuditState { waiting: 0, lost: 3, omitted: 1 });
        let written = lines(&missing, FILE);
        assert_eq!(written.len(), WAITING);
        assert!(written.iter().enumerate().all(|(n, line)| line["status"] == n));
    }

    #[test]
    fn strangers_are_few_a_second_whatever_they_are_answered() {
        let dir = tempfile::tempdir().unwrap();
        let audit = Audit::new(dir.path());
        for n in 0..10 * STRANGERS {
            audit.record(entry(None, if n % 2 == 0 { 200 } else { 500 }), 1 << 20);
        }
        audit.record(entry(Some("default"), 200), 1 << 20);
        let written = lines(dir.path(), FILE);
        // A second may have ended in between.
        assert!((11..=21).contains(&written.len()), "{}", written.len());
        assert_eq!(written.last().unwrap()["token"], "default");
        assert_eq!(audit.state().omitted, 101 - written.len() as u64);
    }

    #[test]
    fn strangers_have_a_share_of_the_file_and_push_nobody_out() {
        let dir = tempfile::tempdir().unwrap();
        Audit::new(dir.path()).record(entry(Some("default"), 200), 4_000);
        for _ in 0..10 {
            // Opened again each time, so that a second's bound is none.
            let audit = Audit::new(dir.path());
            (0..STRANGERS).for_each(|_| audit.record(entry(None, 401), 4_000));
        }
        let written = lines(dir.path(), FILE);
        assert_eq!(written[0]["token"], "default");
        let bytes = fs::metadata(dir.path().join(FILE)).unwrap().len();
        assert!((1_000..1_500).contains(&bytes) && !dir.path().join(OLDER).exists(), "{bytes}");
    }
}
