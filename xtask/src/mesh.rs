//! `cargo xtask mesh`: several nodes on this machine that show each other's events.
//!
//! The rule: every node is what an operator would start: its own data, its own key, one shared key for all.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use crate::args::{MeshOptions, UpOptions};
use crate::process::{self, Background, POLL};
use crate::{demo, up};

/// Port of the first node's mesh.
const MESH_PORT: u16 = 8091;

/// Builds, starts the nodes, replays a series into each, prints the addresses, and waits for Ctrl-C.
///
/// # Errors
/// A sentence for the user.
pub(crate) fn run(options: &MeshOptions) -> Result<(), String> {
    let first = options.port;
    for number in 0..options.nodes {
        up::port_is_free(first + number)?;
        up::port_is_free(MESH_PORT + number)?;
    }
    up::preflight(first)?;
    up::build(&UpOptions { no_ui: options.no_ui, ..UpOptions::default() })?;

    let stop = process::stop_flag()?;
    let folder = process::target_dir().join("xtask-mesh");
    std::fs::create_dir_all(&folder)
        .map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    let config = config(&folder)?;
    let mut nodes = Vec::new();
    for number in 0..options.nodes {
        let mut node = start(number, first, &folder, &config)?;
        up::wait_ready(&mut node, first + number, &stop)?;
        nodes.push(node);
    }
    let mut replays = Vec::new();
    for number in 0..options.nodes {
        let series = &demo::SERIES[usize::from(number) % demo::SERIES.len()];
        let mut command = up::shimmer();
        command.env("DASHBOARD_DATA_DIR", data(&folder, number));
        series.replay(&mut command, &url(first + number));
        let log = folder.join(format!("replay-{}.log", number + 1));
        replays.push(Background::start(&format!("replay of {}", series.file), &mut command, log)?);
    }
    announce(first, options.nodes, &folder);
    // Relaxed: the flag carries no data with it.
    while !stop.load(Ordering::Relaxed) {
        nodes.iter_mut().try_for_each(Background::check)?;
        std::thread::sleep(POLL);
    }
    println!("\nStopping.");
    drop(replays);
    nodes.iter_mut().for_each(Background::stop);
    Ok(())
}

fn start(number: u16, first: u16, folder: &Path, config: &Path) -> Result<Background, String> {
    let name = format!("node-{}", number + 1);
    let port = (first + number).to_string();
    let mut command = up::shimmer();
    command.args(["run", "--demo", "--host", "127.0.0.1", "--port", &port, "--config"]);
    command
        .arg(config)
        .env("DASHBOARD_DATA_DIR", data(folder, number))
        .env("FEDERATED_ENABLE", "1")
        .env("FEDERATED_NODE_ID", &name)
        .env("FEDERATED_PORT", (MESH_PORT + number).to_string());
    // Everyone knows the first; the rest they tell each other.
    if number > 0 {
        command.env("FEDERATED_PEERS", format!("ws://127.0.0.1:{MESH_PORT}"));
    }
    Background::start(&name, &mut command, folder.join(format!("{name}.log")))
}

fn data(folder: &Path, number: u16) -> PathBuf {
    folder.join(format!("data-{}", number + 1))
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// The configuration that all nodes share, with the mesh's key beside it.
fn config(folder: &Path) -> Result<PathBuf, String> {
    let told = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
    let key = folder.join("mesh.key");
    if !key.exists() {
        let mut bytes = [0; 32];
        let random = Path::new("/dev/urandom");
        std::fs::File::open(random)
            .and_then(|mut file| file.read_exact(&mut bytes))
            .map_err(|e| told(random, e))?;
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&key)
            .and_then(|mut file| file.write_all(digits.as_bytes()))
            .map_err(|e| told(&key, e))?;
    }
    let path = folder.join("shimmer.toml");
    let text = format!(
        "[[plugin]]\nname = \"gossip\"\n[plugin.config]\nhost = \"127.0.0.1\"\npsk_file = {:?}\n",
        key.display().to_string()
    );
    std::fs::write(&path, text).map_err(|e| told(&path, e))?;
    Ok(path)
}

fn announce(first: u16, nodes: u16, folder: &Path) {
    println!("\n{nodes} nodes are running, each with a recorded series of its own.\n");
    for number in 0..nodes {
        println!("  node-{}   {}/federated/map", number + 1, url(first + number));
    }
    println!("\nLogs: {}/. Ctrl-C stops everything.", folder.display());
}
