//! The program as a child process, in a folder of its own.
//!
//! The rule: whatever a test waits for has a deadline, and no server ends its life with a panic in its log.

use std::ffi::OsString;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

pub(crate) use crate::http::PATIENCE;
use crate::http::{Answer, Request};

/// The token of every test server.
pub(crate) const TOKEN: &str = "e2e-token";

/// Waits for a condition with a deadline.
pub(crate) fn wait(what: &str, mut done: impl FnMut() -> bool) {
    wait_for(what, || done().then_some(()));
}

/// Waits for a value with a deadline.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "{what}: waited {PATIENCE:?}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// Folder of the program and its libraries.
pub(crate) fn target_dir() -> PathBuf {
    let own = std::env::current_exe().expect("a running test has a path");
    own.ancestors().nth(2).expect("tests run from target/PROFILE/deps").to_owned()
}

fn built(path: PathBuf) -> PathBuf {
    let shown = path.display();
    assert!(
        path.exists(),
        "{shown} is missing: run `cargo build --workspace --examples`, or `cargo xtask test`"
    );
    path
}

/// The program.
pub(crate) fn shimmer() -> PathBuf {
    built(target_dir().join("shimmer"))
}

/// The library of a fixture.
pub(crate) fn fixture(name: &str) -> PathBuf {
    built(target_dir().join(format!("examples/libfixture_{}.so", name.replace('-', "_"))))
}

/// The table of a fixture, to which a test may add further lines.
pub(crate) fn plugin_table(name: &str) -> String {
    format!("[[plugin]]\nname = {name:?}\npath = {:?}\n", fixture(name))
}

/// A folder with a configuration and a data directory, for one server after another.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    dir: Arc<tempfile::TempDir>,
    env: Vec<(String, String)>,
    /// Program and arguments that run the program.
    under: Vec<OsString>,
}

impl Home {
    /// A folder with this configuration; data folder, address and token are given by the environment.
    pub(crate) fn new(toml: &str) -> Self {
        let home = Self {
            dir: Arc::new(tempfile::tempdir().unwrap()),
            env: Vec::new(),
            under: Vec::new(),
        };
        home.configure(toml);
        home.env("DASHBOARD_TOKEN", TOKEN)
    }

    /// A folder whose token is not in the environment.
    pub(crate) fn without_token(toml: &str) -> Self {
        let mut home = Self::new(toml);
        home.env.clear();
        home
    }

    /// Sets a variable of the program's environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs the program as a kernel without Landlock would.
    pub(crate) fn on_an_old_kernel(mut self) -> Self {
        self.under = vec![built(target_dir().join("examples/fixture_old_kernel")).into()];
        self
    }

    /// Runs the program by a shell script, in which it is `"$@"`.
    pub(crate) fn by_script(mut self, script: &str) -> Self {
        self.under = ["sh", "-euc", script, "sh"].map(OsString::from).into();
        self
    }

    /// Likewise in a namespace of its own, where anybody may mount.
    pub(crate) fn by_mounting_script(self, script: &str) -> Self {
        let mut home = self.by_script(script);
        home.under.splice(0..0, ["unshare", "--map-root-user", "--mount"].map(OsString::from));
        let mut probe = Command::new("unshare");
        probe.args(["--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]);
        let probed = finish(probe, "");
        assert_eq!(
            probed.code,
            Some(0),
            "user namespaces with mounts are needed: apt-get install util-linux mount, sysctl \
             kernel.apparmor_restrict_unprivileged_userns=0, or run as root: {probed:?}"
        );
        home
    }

    /// Writes another configuration. The bundled plugins run only where it speaks of them.
    pub(crate) fn configure(&self, toml: &str) {
        let rest = if toml.contains("plugins") { "" } else { "\n[plugins]\nbundled = []\n" };
        std::fs::write(self.config(), format!("{toml}{rest}")).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("shimmer.toml")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// What the servers of this folder have logged so far.
    pub(crate) fn log(&self) -> String {
        let bytes = std::fs::read(self.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The program with these arguments, in this folder and with nothing of the outer environment but PATH and HOME,
    /// which the tools that it may start need.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut words = self.under.iter().cloned().chain([shimmer().into_os_string()]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words);
        command.args(args).current_dir(self.path()).env_clear();
        for name in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the program to its end, within the deadline.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        finish(self.command(args), "")
    }

    /// Likewise with this input.
    pub(crate) fn feed(&self, args: &[&str], input: &str) -> Said {
        finish(self.command(args), input)
    }

    /// The arguments of a node on a free port.
    pub(crate) fn node_args(&self) -> [String; 7] {
        let path = |path: PathBuf| path.into_os_string().into_string().unwrap();
        let (config, data) = (path(self.config()), path(self.data()));
        [
            "run".into(),
            "--config".into(),
            config,
            "--data-dir".into(),
            data,
            "--port".into(),
            "0".into(),
        ]
    }

    /// Starts a node and waits until it is ready.
    pub(crate) fn start(&self) -> TestServer {
        let server = self.spawn();
        wait("ready", || server.get("/ready").status == 200);
        server
    }

    /// Starts a node and waits until it listens.
    pub(crate) fn spawn(&self) -> TestServer {
        let args = self.node_args();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.spawn_with(&args)
    }

    /// Likewise with these arguments.
    pub(crate) fn spawn_with(&self, args: &[&str]) -> TestServer {
        let out = self.path().join("out");
        let log = File::options().create(true).append(true).open(self.path().join("log")).unwrap();
        let child = self
            .command(args)
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server =
            TestServer { child, address: ([127, 0, 0, 1], 0).into(), home: self.clone() };
        server.address = wait_for("the address", || {
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!("the node ended with {status}: {}", self.log());
            }
            let said = std::fs::read_to_string(&out).unwrap();
            let (line, _) = said.split_once('\n')?;
            let (_, address) = line.split_once("://").expect(line);
            Some(address.parse().expect(line))
        });
        server
    }
}

/// What a program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command to its end; one that does not end is killed and fails the test.
pub(crate) fn finish(mut command: Command, input: &str) -> Said {
    let temp = tempfile::tempdir().unwrap();
    let path = |name: &str| temp.path().join(name);
    std::fs::write(path("in"), input).unwrap();
    let mut child = command
        .stdin(File::open(path("in")).unwrap())
        .stdout(File::create(path("out")).unwrap())
        .stderr(File::create(path("err")).unwrap())
        .spawn()
        .unwrap();
    let until = Instant::now() + PATIENCE * 4;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        std::thread::park_timeout(Duration::from_millis(2));
    };
    let text = |name| String::from_utf8_lossy(&std::fs::read(path(name)).unwrap()).into_owned();
    let said = Said { code: status.and_then(|s| s.code()), out: text("out"), err: text("err") };
    assert!(status.is_some(), "{command:?} does not end: {said:?}");
    said
}

/// A running node, killed when dropped.
#[derive(Debug)]
pub(crate) struct TestServer {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) home: Home,
}

impl TestServer {
    /// A node with the defaults.
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    /// A node with this configuration.
    pub(crate) fn with(toml: &str) -> Self {
        Home::new(toml).start()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        Request::new("GET", path).send(self.address)
    }

    /// The JSON of a path that must answer 200.
    pub(crate) fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Posts with the token.
    pub(crate) fn post(&self, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
        let request = Request::new("POST", path).token(TOKEN).header("content-type", content_type);
        request.body(body).send(self.address)
    }

    /// Posts one JSON event with the token.
    pub(crate) fn event(&self, event: &Value) -> Answer {
        self.post("/event", "application/json", event.to_string())
    }

    /// Posts a general event that must be new; its sequence.
    pub(crate) fn general(&self, id: &str, kind: &str, value: f64) -> u64 {
        let answer = self.event(&general(id, kind, value));
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["duplicate"], false);
        answer.json()["seq"].as_u64().unwrap()
    }

    /// Posts NDJSON events that must all be new.
    pub(crate) fn ndjson(&self, events: impl IntoIterator<Item = Value>) {
        let lines: Vec<String> = events.into_iter().map(|event| event.to_string()).collect();
        let answer = self.post("/events", "application/x-ndjson", lines.join("\n"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(
            answer.json(),
            json!({"accepted": lines.len(), "duplicates": 0, "rejected": []})
        );
    }

    /// An operator's POST without a body.
    pub(crate) fn operate(&self, path: &str) -> Answer {
        Request::new("POST", path).token(TOKEN).body("").send(self.address)
    }

    /// The card of a plugin.
    pub(crate) fn card(&self, name: &str) -> Value {
        self.json(&format!("/api/plugin/{name}"))
    }

    /// Waits until the card is as wanted, and gives it.
    pub(crate) fn until(&self, name: &str, done: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            last = self.card(name);
            if done(&last) {
                return last;
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        panic!("{name} stays as {last:#}\n{}", self.home.log());
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for the end of the process; its exit code, `None` after a signal.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let child = &mut self.child;
        wait_for("the node's end", || child.try_wait().unwrap()).code()
    }

    /// Kills the node as a loss of power would, as far as the process is concerned.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let log = self.home.log();
            let ours = |line: &&str| line.contains("panicked") && !line.contains("fixtures/");
            let panics: Vec<&str> = log.lines().filter(ours).collect();
            assert!(panics.is_empty(), "{panics:#?}");
        }
    }
}

/// A general event as posted.
pub(crate) fn general(id: &str, kind: &str, value: f64) -> Value {
    json!({"event_id": id, "timestamp": "2025-10-21T04:30:00Z", "kind": kind, "value": value})
}

/// A beauty event as posted.
pub(crate) fn beauty(id: &str, score: f64) -> Value {
    json!({"event_id": id, "timestamp": "2025-10-21T04:30:00Z", "beauty_score": score})
}

/// Signals any process, which may have ended by itself.
pub(crate) fn kill_pid(pid: &Value) {
    let pid = i32::try_from(pid.as_i64().expect("a running plugin has a pid")).unwrap();
    let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
}
