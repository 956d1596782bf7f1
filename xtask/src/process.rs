//! Starting other programs and ending them.
//!
//! The rule: whatever this module starts in the background ends with this process: by SIGTERM
//! first, by SIGKILL when that takes longer than the deadline.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// How long a stopped program may take to end by itself.
const STOP_DEADLINE: Duration = Duration::from_secs(7);
/// How often an installation is tried.
const INSTALL_ATTEMPTS: usize = 3;
/// How often a waiting loop looks again.
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// Builds the program and the plugins that come with it.
pub(crate) const BUILD_PROGRAM: &[&str] = &[
    "build",
    "--release",
    "--package",
    "shimmer",
    "--package",
    "shimmer-anomaly",
    "--package",
    "shimmer-dao",
    "--package",
    "shimmer-gossip",
];

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    // As `cargo run` says, not as the compiler was told: clones that share a target directory share
    // this program too.
    let here = std::env::var_os("CARGO_MANIFEST_DIR");
    let here = here.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map_or_else(|| here.clone(), Path::to_path_buf)
}

/// Cargo's target directory: the place that this very program was built into.
pub(crate) fn target_dir() -> PathBuf {
    let own = std::env::current_exe().ok();
    own.as_deref()
        .and_then(Path::parent)
        .and_then(Path::parent)
        .map_or_else(|| root().join("target"), Path::to_path_buf)
}

/// A cargo command in the root of the checkout, by the cargo that started us.
pub(crate) fn cargo_command(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Runs cargo in the foreground, its progress visible.
///
/// # Errors
/// See [`run`].
pub(crate) fn cargo(arguments: &[&str]) -> Result<(), String> {
    println!("$ cargo {}", arguments.join(" "));
    run(&mut cargo_command(arguments))
}

/// Runs a program in the foreground.
///
/// # Errors
/// A sentence when it cannot be started or does not succeed.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).display().to_string();
    let status = command.status().map_err(|e| format!("cannot start {name}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name}: {status}")) }
}

/// Tries an installation again a few times: mirrors and registries are not always in a good mood.
///
/// # Errors
/// That of the last attempt.
pub(crate) fn tried_again(install: impl Fn() -> Result<(), String>) -> Result<(), String> {
    for attempt in 1..INSTALL_ATTEMPTS {
        match install() {
            Ok(()) => return Ok(()),
            Err(e) => eprintln!("attempt {attempt} of {INSTALL_ATTEMPTS}: {e}"),
        }
    }
    install()
}

/// What a program prints on stdout, or nothing when it cannot be run.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A flag that SIGINT, SIGTERM and SIGHUP raise, so that background programs can be ended.
///
/// # Errors
/// A sentence when the handlers cannot be installed.
pub(crate) fn stop_flag() -> Result<Arc<AtomicBool>, String> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&flag))
            .map_err(|e| format!("cannot handle signal {signal}: {e}"))?;
    }
    Ok(flag)
}

/// A program in the background with its output in a file.
pub(crate) struct Background {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Background {
    /// Starts `command` with everything it prints in `log`, in a process group of its own: a
    /// Ctrl-C in the terminal reaches this process alone, which then ends the others in order.
    ///
    /// # Errors
    /// A sentence when the log cannot be written or the program cannot be started.
    pub(crate) fn start(name: &str, command: &mut Command, log: PathBuf) -> Result<Self, String> {
        let describe = |e| format!("cannot write {}: {e}", log.display());
        let out = File::create(&log).map_err(describe)?;
        let err = out.try_clone().map_err(describe)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .map_err(|e| format!("cannot start {name}: {e}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// An error with the log's last lines if the program has ended, whatever its status.
    ///
    /// # Errors
    /// As said.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!(
                "{} ended ({status}); the end of {}:\n{}",
                self.name,
                self.log.display(),
                tail(&self.log, 12)
            )),
            Err(e) => Err(format!("cannot watch {}: {e}", self.name)),
        }
    }

    /// Asks the program to end and waits for it, at most [`STOP_DEADLINE`].
    pub(crate) fn stop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let deadline = Instant::now() + STOP_DEADLINE;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                eprintln!("{} did not end by itself and was killed", self.name);
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
    }
}

fn tail(path: &Path, lines: usize) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].iter().map(|l| format!("    {l}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("xtask-{}-{name}.log", std::process::id()))
    }

    #[test]
    fn a_dropped_background_program_is_gone() {
        let path = log("drop");
        let mut sleeper =
            Background::start("sleeper", Command::new("sleep").arg("600"), path.clone())
                .expect("sleep starts");
        assert_eq!(sleeper.check(), Ok(()));
        sleeper.stop();
        assert!(sleeper.check().is_err());
        let _ = std::fs::remove_file(path);
    }

    #[test]
    fn an_ended_program_shows_the_end_of_its_log() {
        let path = log("end");
        let mut shell = Background::start(
            "shell",
            Command::new("sh").args(["-c", "echo the last words; exit 3"]),
            path.clone(),
        )
        .expect("sh starts");
        let _ = shell.child.wait();
        let message = shell.check().expect_err("it has ended");
        assert!(message.contains("the last words") && message.contains('3'), "{message}");
        let _ = std::fs::remove_file(path);
    }
}
