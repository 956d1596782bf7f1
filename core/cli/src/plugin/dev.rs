//! `shimmer plugin dev`: build, reload, watch, again.
//!
//! The rule: a build that fails changes nothing in the running node; the next change is waited
//! for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, anyhow, bail};
use serde_json::Value;

use crate::args::{DevArgs, RemoteArgs};
use crate::client::{Base, Client};
use crate::failure::Outcome;
use crate::signals::Stop;
use crate::terminal::Paint;

/// How often the sources are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Most files that are watched.
const FILES: usize = 10_000;

/// Longest time that a private node may take to answer.
const START: Duration = Duration::from_secs(15);

/// Runs `shimmer plugin dev`.
pub(super) fn dev(args: &DevArgs) -> Outcome {
    let stop = Stop::watch()?;
    let paint = Paint::stderr();
    let mut node: Option<PrivateNode> = None;
    let mut seen = BTreeMap::new();
    while !stop.is_set() {
        let now = sources(&args.dir)?;
        if now != seen {
            seen = now;
            match build_and_load(args, &mut node, &stop) {
                Ok(done) => eprintln!("{} {done}", paint.good("ok:")),
                Err(error) => eprintln!("{} {error:#}", paint.error("error:")),
            }
            eprintln!("{}", paint.dim("waiting for changes; Ctrl-C ends"));
        }
        if let Some(status) = node.as_mut().and_then(|node| node.child.try_wait().ok().flatten()) {
            return Err(anyhow!("the private node ended: {status}").into());
        }
        stop.wait(LOOK);
    }
    Ok(())
}

fn build_and_load(
    args: &DevArgs,
    node: &mut Option<PrivateNode>,
    stop: &Stop,
) -> anyhow::Result<String> {
    let library = build(&args.dir, args.release)?;
    let name = args.name.clone().unwrap_or(library.package);
    super::check_name(&name).map_err(|_| anyhow!("`{name}` is no plugin's name: give --name"))?;
    if args.serve && node.is_none() {
        *node = Some(PrivateNode::start(args, &name, &library.path, stop)?);
        return Ok(format!("{name} runs on {}", args.remote.url));
    }
    let remote = match node {
        Some(node) => &node.remote,
        None => &args.remote,
    };
    let answer = Client::with_token(remote)?.post(&format!("/api/plugin/{name}/reload"))?;
    if answer.status == 404 {
        bail!(
            "the node has no plugin `{name}`: give it a [[plugin]] table with path = \"{}\", or \
             use --serve",
            library.path.display()
        );
    }
    answer.ok()?;
    Ok(format!("{name} reloaded"))
}

/// What a build made.
#[derive(Debug, PartialEq, Eq)]
struct Library {
    package: String,
    path: PathBuf,
}

fn build(dir: &Path, release: bool) -> anyhow::Result<Library> {
    let mut command = Command::new("cargo");
    command.args(["build", "--lib", "--message-format=json-render-diagnostics"]);
    if release {
        command.arg("--release");
    }
    let output = command
        .current_dir(dir)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be run; install Rust from https://rustup.rs")?;
    if !output.status.success() {
        bail!("the build failed");
    }
    let manifest = dir.join("Cargo.toml").canonicalize()?;
    library_of(&String::from_utf8_lossy(&output.stdout), &manifest)
        .with_context(|| format!("{} builds no cdylib", manifest.display()))
}

/// The cdylib of the package with this manifest, in what cargo tells of a build.
fn library_of(messages: &str, manifest: &Path) -> Option<Library> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["manifest_path"].as_str().map(Path::new) == Some(manifest))
        .find_map(|message| {
            let kinds = message["target"]["crate_types"].as_array()?;
            if !kinds.iter().any(|kind| kind == "cdylib") {
                return None;
            }
            let files = message["filenames"].as_array()?.iter().filter_map(Value::as_str);
            let path =
                files.map(PathBuf::from).find(|path| path.extension() == Some("so".as_ref()))?;
            let name = message["target"]["name"].as_str()?.replace('_', "-");
            Some(Library { package: name, path })
        })
}

/// Times of change of everything that a build reads.
fn sources(dir: &Path) -> anyhow::Result<BTreeMap<PathBuf, SystemTime>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("{} cannot be read", folder.display()))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let hidden = name.to_string_lossy().starts_with('.');
            let Ok(data) = entry.metadata() else { continue };
            if hidden || name == "target" {
                continue;
            }
            if data.is_dir() {
                folders.push(entry.path());
            } else if name != "Cargo.lock" {
                found.insert(entry.path(), data.modified().unwrap_or(SystemTime::UNIX_EPOCH));
            }
            if found.len() > FILES {
                bail!(
                    "{} holds more than {FILES} files; give the plugin's own folder",
                    dir.display()
                );
            }
        }
    }
    Ok(found)
}

/// A node that runs for this plugin alone, with its data below the plugin's target folder.
#[derive(Debug)]
struct PrivateNode {
    child: Child,
    remote: RemoteArgs,
}

impl PrivateNode {
    fn start(args: &DevArgs, name: &str, library: &Path, stop: &Stop) -> anyhow::Result<Self> {
        let home = args.dir.join("target/shimmer-dev");
        let data_dir = home.join("data");
        std::fs::create_dir_all(&data_dir)
            .with_context(|| format!("{} cannot be made", data_dir.display()))?;
        let (host, port) = Base::parse(&args.remote.url)?.address();
        let own = args.dir.join("shimmer.toml");
        let config = if own.is_file() { own } else { home.join("shimmer.toml") };
        if config.starts_with(&home) {
            let path = toml::Value::from(library.display().to_string());
            std::fs::write(&config, format!("[[plugin]]\nname = \"{name}\"\npath = {path}\n"))?;
        }
        let child = Command::new(std::env::current_exe()?)
            .args(["run", "--demo", "--host", &host, "--port", &port.to_string()])
            .arg("--data-dir")
            .arg(data_dir.canonicalize()?)
            .arg("--config")
            .arg(config.canonicalize()?)
            .current_dir(&args.dir)
            .stdin(Stdio::null())
            .spawn()
            .context("the private node cannot be started")?;
        let remote = RemoteArgs { url: args.remote.url.clone(), ca: None, data_dir };
        let mut node = Self { child, remote };
        node.wait_until_it_answers(stop)?;
        Ok(node)
    }

    fn wait_until_it_answers(&mut self, stop: &Stop) -> anyhow::Result<()> {
        let client = Client::open(&self.remote)?;
        let end = Instant::now() + START;
        while client.get("/health").is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the private node ended: {status}");
            }
            if Instant::now() > end || !stop.wait(Duration::from_millis(50)) {
                bail!("the private node does not answer");
            }
        }
        Ok(())
    }
}

impl Drop for PrivateNode {
    /// Ends the node. Ctrl-C reaches it too, as it shares the terminal; this is for the other
    /// ways to end.
    fn drop(&mut self) {
        let end = Instant::now() + Duration::from_secs(1);
        while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_found_in_what_cargo_tells() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","manifest_path":"/dep/Cargo.toml","target":{"name":"dep","crate_types":["cdylib"]},"filenames":["/t/libdep.so"]}"#,
            "\nnoise\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/p/Cargo.toml","target":{"name":"my_plugin","crate_types":["cdylib"]},"filenames":["/t/x.d","/t/libmy_plugin.so"]}"#,
        );
        assert_eq!(
            library_of(messages, Path::new("/p/Cargo.toml")),
            Some(Library { package: "my-plugin".into(), path: "/t/libmy_plugin.so".into() })
        );
        assert_eq!(library_of(messages, Path::new("/q/Cargo.toml")), None);
    }

    #[test]
    fn sources_leave_out_what_a_build_writes() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["src/lib.rs", "Cargo.toml", "Cargo.lock", "target/x", ".git/y"] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = sources(dir.path()).unwrap();
        let names: Vec<_> =
            found.keys().map(|path| path.strip_prefix(dir.path()).unwrap().to_owned()).collect();
        assert_eq!(names, [PathBuf::from("Cargo.toml"), PathBuf::from("src/lib.rs")]);
    }
}
