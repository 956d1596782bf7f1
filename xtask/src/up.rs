//! `cargo xtask up`: from a checkout to a living dashboard.
//!
//! The rule: what can fail cheaply is checked before the long build begins, and whatever was
//! started is stopped again, whichever way this ends.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::args::{self, UpOptions};
use crate::process::{self, Background, POLL};
use crate::{demo, tools, web};

/// How long the started host may take until it is ready.
const READY_DEADLINE: Duration = Duration::from_secs(30);
/// Core minutes of a release build from nothing.
const BUILD_CORE_MINUTES: usize = 16;
const CONFIG: &str = "config/demo/shimmer.toml";
/// Where cargo puts the example plugin unless told otherwise; the demo's config names it so.
const USUAL_TARGET: &str = "target";

/// Builds, starts, replays, prints the addresses, and waits for Ctrl-C.
///
/// # Errors
/// A sentence for the user.
pub(crate) fn run(options: &UpOptions) -> Result<(), String> {
    let port = port(options)?;
    preflight(port)?;
    build(options)?;

    let stop = process::stop_flag()?;
    let directory = process::target_dir().join("xtask-up");
    std::fs::create_dir_all(&directory)
        .map_err(|e| format!("cannot make {}: {e}", directory.display()))?;
    let config = config(&directory)?;

    let mut host = Background::start(
        "shimmer run",
        shimmer().args(["run", "--demo", "--config"]).arg(&config).args([
            "--host",
            "127.0.0.1",
            "--port",
            &port.to_string(),
        ]),
        directory.join("shimmer.log"),
    )?;
    wait_ready(&mut host, port, &stop)?;

    let url = format!("http://127.0.0.1:{port}");
    let mut replays = Vec::new();
    for series in demo::SERIES.iter().filter(|_| !options.no_replay) {
        let log = directory.join(format!("replay-{}.log", series.subject));
        let mut command = shimmer();
        series.replay(&mut command, &url);
        replays.push(Background::start(&format!("replay of {}", series.file), &mut command, log)?);
    }
    announce(&url, &directory, replays.len());

    let mut replay_error_shown = false;
    // Relaxed: the flag carries no data with it.
    while !stop.load(Ordering::Relaxed) {
        host.check()?;
        for replay in &mut replays {
            if let (Err(message), false) = (replay.check(), replay_error_shown) {
                eprintln!("warning: {message}");
                replay_error_shown = true;
            }
        }
        std::thread::sleep(POLL);
    }
    println!("\nStopping.");
    drop(replays);
    host.stop();
    Ok(())
}

pub(crate) fn shimmer() -> Command {
    let mut command = Command::new(process::target_dir().join("release/shimmer"));
    command.current_dir(process::root());
    command
}

/// Flag, then environment, then 8080: the order in which the host reads them.
fn port(options: &UpOptions) -> Result<u16, String> {
    match (options.port, std::env::var("DASHBOARD_PORT")) {
        (Some(port), _) => Ok(port),
        (None, Ok(text)) => args::parse_port(&text).map_err(|e| format!("DASHBOARD_PORT: {e}")),
        (None, Err(_)) => Ok(8080),
    }
}

pub(crate) fn preflight(port: u16) -> Result<(), String> {
    port_is_free(port)?;
    tools::check_rust()?;
    tools::check_linker()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if process::target_dir().join("release/shimmer").exists() {
        println!("Building what has changed since the last time.");
    } else {
        let minutes = BUILD_CORE_MINUTES.div_ceil(cores);
        println!("Building from nothing: expect about {minutes} min on {cores} core(s).");
    }
    Ok(())
}

pub(crate) fn port_is_free(port: u16) -> Result<(), String> {
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => Ok(()),
        Err(e) => Err(format!(
            "port {port} cannot be used ({e}). Another program, perhaps another `cargo xtask \
             up`, listens there. Choose another with `--port N`."
        )),
    }
}

pub(crate) fn build(options: &UpOptions) -> Result<(), String> {
    build_ui(options)?;
    process::cargo(process::BUILD_PROGRAM)?;
    process::cargo(&["build", "--release", "--package", "shimmer-sdk", "--example", "threshold"])
}

/// The dashboard needs Node.js; without it the host serves a page that says so.
fn build_ui(options: &UpOptions) -> Result<(), String> {
    if options.no_ui {
        return Ok(());
    }
    if !tools::has_node() {
        println!(
            "Node.js 20.19 or newer is not installed: going on without the dashboard. To get it \
             install Node.js (https://nodejs.org) and run this again."
        );
        return Ok(());
    }
    web::install()?;
    web::build()
}

/// The demo's configuration; where cargo builds elsewhere, a copy that says so.
fn config(directory: &Path) -> Result<PathBuf, String> {
    let original = process::root().join(CONFIG);
    let target = process::target_dir();
    if target == process::root().join(USUAL_TARGET) {
        return Ok(PathBuf::from(CONFIG));
    }
    let text = std::fs::read_to_string(&original).map_err(|e| format!("{CONFIG}: {e}"))?;
    let copy = directory.join("shimmer.toml");
    let there = format!("\"{}/release/", target.display());
    std::fs::write(&copy, text.replace("\"target/release/", &there))
        .map_err(|e| format!("{}: {e}", copy.display()))?;
    Ok(copy)
}

pub(crate) fn wait_ready(
    host: &mut Background,
    port: u16,
    stop: &AtomicBool,
) -> Result<(), String> {
    let deadline = Instant::now() + READY_DEADLINE;
    while !is_ready(port) {
        host.check()?;
        // Relaxed: the flag carries no data with it.
        if stop.load(Ordering::Relaxed) {
            return Err("stopped before it was ready".to_owned());
        }
        if Instant::now() > deadline {
            return Err(format!("not ready after {} s", READY_DEADLINE.as_secs()));
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

fn is_ready(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        let request =
            format!("GET /ready HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(&head == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

/// The shell word that stands for the token, without showing it.
fn token_word(data_dir: &Path) -> String {
    if std::env::var_os("DASHBOARD_TOKEN").is_some() {
        return "$DASHBOARD_TOKEN".to_owned();
    }
    let file = std::env::var_os("DASHBOARD_TOKEN_FILE")
        .map_or_else(|| data_dir.join("token"), PathBuf::from);
    format!("$(cat '{}')", file.display())
}

fn announce(url: &str, logs: &Path, replays: usize) {
    let data_dir =
        std::env::var_os("DASHBOARD_DATA_DIR").map_or_else(|| PathBuf::from("data"), PathBuf::from);
    let token = token_word(&process::root().join(data_dir));
    let logs = logs.display();
    println!(
        r#"
Shimmer is running, {replays} recorded series are being replayed into it.

  dashboard   {url}/
  API docs    {url}/docs
  metrics     {url}/metrics
  logs        {logs}/

Post an event of your own (paste it into another terminal):

  {}

Ctrl-C stops everything."#,
        curl_line(url, &token)
    );
}

fn curl_line(url: &str, token: &str) -> String {
    format!(
        r#"curl -sS {url}/event -H "Authorization: Bearer {token}" -H 'Content-Type: application/json' -d '{{"event_id":"hello-'$(date +%s%N)'","timestamp":"'$(date -u +%FT%TZ)'","beauty_score":1.2,"wisdom":"Trust the process"}}'"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_refused_with_the_way_out() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = taken.local_addr().expect("an address").port();
        let message = port_is_free(port).expect_err("taken");
        assert!(message.contains("--port"), "{message}");
        drop(taken);
        assert_eq!(port_is_free(port), Ok(()));
    }

    #[test]
    fn the_flag_beats_the_default() {
        let options = UpOptions { port: Some(9), ..UpOptions::default() };
        assert_eq!(port(&options), Ok(9));
    }

    #[test]
    fn the_curl_line_is_one_line_of_valid_shell_with_valid_json() {
        let line = curl_line("http://127.0.0.1:1", "$(echo secret)");
        assert!(!line.contains('\n'));
        let shown = process::output(
            Command::new("sh").args(["-c", &line.replace("curl -sS", "printf '%s\\n'")]),
        )
        .expect("sh runs");
        let shown: Vec<&str> = shown.lines().collect();
        assert!(shown.contains(&"Authorization: Bearer secret"), "{shown:?}");
        let body = shown.last().expect("a body");
        assert!(body.starts_with(r#"{"event_id":"hello-"#) && body.ends_with("\"}"), "{body}");
    }
}
