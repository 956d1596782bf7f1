//! Files of secret keys: 64 hex digits and LF, for their owner's eyes alone.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use shimmer_governor::{Bytes, MemberKey, Secret};

/// Longest file that is looked at.
const MOST_BYTES: u64 = 1024;

/// Makes a key and gives its public half.
pub(super) fn generate(file: &Path) -> anyhow::Result<MemberKey> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).and_then(
            |mut file| writeln!(file, "{}", Bytes(secret)).and_then(|()| file.sync_all()),
        );
    written.with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(Secret::from_bytes(&secret).key())
}

/// Reads a key that nobody else can read.
pub(super) fn read(file: &Path) -> anyhow::Result<Secret> {
    let shown = file.display();
    let opened = File::open(file).with_context(|| format!("{shown} cannot be opened"))?;
    let mode =
        opened.metadata().with_context(|| format!("{shown} cannot be read"))?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!(
            "{shown} can be read by others, so it is no secret: chmod 600 {shown}, if nobody did"
        );
    }
    let mut text = String::new();
    let read = opened.take(MOST_BYTES).read_to_string(&mut text);
    read.with_context(|| format!("{shown} cannot be read"))?;
    match text.trim().parse::<Bytes<32>>() {
        Ok(secret) => Ok(Secret::from_bytes(&secret.0)),
        Err(_) => bail!("{shown} is no key: 64 hex digits, as `shimmer dao keygen` writes them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_again_and_never_overwritten() {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join("a.key");
        let key = generate(&file).expect("a key");
        assert_eq!(read(&file).expect("the same").key(), key);
        assert_eq!(file.metadata().expect("the file").permissions().mode() & 0o777, 0o600);
        assert!(generate(&file).is_err());
        assert_eq!(read(&file).expect("the same").key(), key);
    }

    #[test]
    fn what_others_can_read_or_is_no_key_is_refused() {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join("a.key");
        generate(&file).expect("a key");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).expect("ours");
        let why = read(&file).expect_err("readable").to_string();
        assert!(why.contains("chmod 600"), "{why}");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("ours");
        std::fs::write(&file, "no key").expect("ours");
        let why = read(&file).expect_err("no key").to_string();
        assert!(why.contains("keygen") && !why.contains("no key\n"), "{why}");
    }
}
