//! `shimmer run`: one node, from its configuration to its orderly end.
//!
//! The rule: everything that can be refused is refused before a port is opened or a file is
//! touched, apart from the token of a demo.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use anyhow::{Context, anyhow};
use shimmer_server::config::{Config, Loaded, Place, Problem};
use shimmer_server::{Reloads, Running, Server, ServerError};

use crate::args::{RunArgs, When};
use crate::failure::{Failure, Outcome};
use crate::log;
use crate::signals::{self, Wish};
use crate::terminal::Paint;

/// Runs `shimmer run`.
pub(crate) fn run(args: &RunArgs) -> Outcome {
    let mut sources = crate::config::sources(&args.config);
    sources.demo = args.demo;
    let loaded = sources.load()?;
    if !loaded.config.auth.is_given() {
        return Err(no_token().into());
    }
    if args.demo {
        make_demo_token(&loaded)?;
    }
    loaded.config.auth.read_tokens()?;
    let level = log::begin(&loaded.config.log)?;
    let wishes = signals::wishes()?;
    let reloads = Reloads::new(sources, move |config| {
        if let Err(error) = level.set(&config.log) {
            tracing::error!("the log keeps its level: {error:#}");
        }
    });
    let running = Server::start(loaded.config.clone(), Some(reloads)).map_err(failed)?;
    greet(&running, &loaded.config, args.demo);
    serve(running, &wishes)
}

/// Waits for signals until one asks to end; an end waits for no reload.
fn serve(running: Running, wishes: &Receiver<Wish>) -> Outcome {
    let (reload, asked) = sync_channel(1);
    let reloading = running.reloading();
    std::thread::Builder::new().name("reload".into()).spawn(move || {
        while asked.recv() == Ok(()) {
            reloading();
        }
    })?;
    loop {
        match wishes.recv() {
            // One that waits already will read what is there by then.
            Ok(Wish::Reload) => drop(reload.try_send(())),
            Ok(Wish::Stop) => {
                running.shutdown();
                return Ok(());
            }
            Err(_) => return Err(anyhow!("signals are no longer received").into()),
        }
    }
}

fn no_token() -> Problem {
    Problem::new(Place::Defaults, "no token is set, so nobody could write").hint(
        "set DASHBOARD_TOKEN, or auth.token_file in the configuration, or try `shimmer run --demo`",
    )
}

fn failed(error: ServerError) -> Failure {
    match error {
        ServerError::Configuration(problems) => problems.into(),
        ServerError::NoToken => no_token().into(),
        other => Failure::Failed(other.into()),
    }
}

/// Makes the token of a demo, unless there is one or the configuration names another.
fn make_demo_token(loaded: &Loaded) -> anyhow::Result<()> {
    let path = &loaded.config.auth.token_file;
    if *path != loaded.config.data_dir.join("token") || path.exists() {
        return Ok(());
    }
    write_token(path).with_context(|| format!("the token cannot be kept in {}", path.display()))
}

/// Writes a new token of 256 random bits, for the owner's eyes only. It appears whole or not at
/// all, and never replaces one.
fn write_token(path: &Path) -> anyhow::Result<()> {
    let mut bits = [0u8; 32];
    getrandom::fill(&mut bits).map_err(|error| anyhow!("no random numbers: {error}"))?;
    let text: String = bits.iter().map(|byte| format!("{byte:02x}")).collect();
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = writeln!(file, "{text}").and_then(|()| file.sync_all());
    let linked = written.and_then(|()| std::fs::hard_link(&draft, path));
    std::fs::remove_file(&draft)?;
    match linked {
        // Another process was quicker: its token is as good.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        result => Ok(result?),
    }
}

/// Says where the node listens: on stdout, so that a script that took port 0 can read it.
fn greet(running: &Running, config: &Config, demo: bool) {
    let url = running.url();
    // Nobody may be reading; the node runs all the same.
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "listening on {url}");
    if demo && !config.auth.token_file.as_os_str().is_empty() {
        let token = config.auth.token_file.display();
        let paint = Paint::stdout(When::Auto);
        let _ = writeln!(
            out,
            "{}",
            paint.dim(format!("the token is in {token}; in another terminal try:"))
        );
        let _ = writeln!(out, "  shimmer tail --url {url}");
    }
    let _ = out.flush();
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_demo_token_is_private_random_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data/token");
        write_token(&path).unwrap();
        let first = std::fs::read_to_string(&path).unwrap();
        assert_eq!(first.trim().len(), 64);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        write_token(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
        assert_eq!(std::fs::read_dir(dir.path().join("data")).unwrap().count(), 1);

        let other = dir.path().join("other/token");
        write_token(&other).unwrap();
        assert_ne!(std::fs::read_to_string(other).unwrap(), first);
    }
}
