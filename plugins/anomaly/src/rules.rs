//! The file of the rules, read at start and whenever it changes.
//!
//! The rule: a file with an error changes nothing; each error is told with line, column and remedy.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use shimmer_alerts::{MAX_RULES_TEXT, Rules};

/// Where the rules come from, and which version of them was read last.
#[derive(Debug)]
pub(crate) struct RulesFile {
    path: PathBuf,
    seen: Option<Stamp>,
}

/// Tells one version of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl RulesFile {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path, seen: None }
    }

    /// Reads the file as it is now.
    pub(crate) fn load(&mut self) -> Result<Rules, String> {
        self.seen = stamp(&self.path).ok();
        let text = read(&self.path)?;
        let name = self.path.display();
        Rules::parse(&text).map_err(|refused| {
            let lines: Vec<_> = refused.errors.iter().map(|e| format!("{name}: {e}")).collect();
            lines.join("\n")
        })
    }

    /// Reads the file if it is another than the one read last; `None` when it is the same.
    pub(crate) fn changed(&mut self) -> Option<Result<Rules, String>> {
        // A file that is gone for a moment is being replaced; what holds goes on.
        let now = stamp(&self.path).ok()?;
        (self.seen != Some(now)).then(|| self.load())
    }
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let found = fs::metadata(path)?;
    Ok(Stamp {
        inode: found.ino(),
        bytes: found.len(),
        changed: (found.mtime(), found.mtime_nsec()),
    })
}

fn read(path: &Path) -> Result<String, String> {
    let name = path.display();
    let why = |why: io::Error| match why.kind() {
        io::ErrorKind::PermissionDenied => {
            let folder = path.parent().unwrap_or(path).display();
            format!(
                "rules: {name}: {why}; let the plugin read it: permissions = {{ read = [\"{folder}\"] }} \
                 in its table, and let the node's user read the file"
            )
        }
        _ => format!("rules: {name}: {why}; correct the path"),
    };
    let file = fs::File::open(path).map_err(why)?;
    let mut text = String::new();
    file.take(MAX_RULES_TEXT as u64 + 1).read_to_string(&mut text).map_err(why)?;
    if text.len() > MAX_RULES_TEXT {
        return Err(format!("rules: {name}: longer than {MAX_RULES_TEXT} bytes; say less"));
    }
    Ok(text)
}
