//! The servers: the release `shimmer`, `nats-server` and `mosquitto`, each started alone for one case.
//!
//! The rule: a server ends with its case, however that ends, and a peer that is not installed is named
//! with the line that installs it.

use crate::dialect::Dialect;
use shimmer_benches::{cpu_ns, threads};
use std::fmt;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const TOKEN: &str = "bench-token";
const PATIENCE: Duration = Duration::from_secs(30);

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Shimmer,
    Nats,
    Mosquitto,
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    dir: tempfile::TempDir,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Peer::Shimmer => "shimmer",
            Peer::Nats => "nats-server",
            Peer::Mosquitto => "mosquitto",
        })
    }
}

impl Peer {
    pub(crate) fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Ws | Dialect::Deflate | Dialect::Sse => Peer::Shimmer,
            Dialect::Nats => Peer::Nats,
            Dialect::Mqtt => Peer::Mosquitto,
        }
    }

    /// Where it is installed.
    pub(crate) fn program(self) -> Option<PathBuf> {
        if self == Peer::Shimmer {
            return Some(built("shimmer"));
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        // Debian keeps daemons where only root's PATH leads.
        std::env::split_paths(&path)
            .chain([PathBuf::from("/usr/sbin")])
            .map(|folder| folder.join(self.to_string()))
            .find(|program| program.is_file())
    }

    /// Starts it; `config` is added to our own configuration.
    pub(crate) fn start(self, config: &str) -> Server {
        let program = self.program().expect("the caller has looked");
        let dir = tempfile::tempdir().expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a free port");
        let mut command = Command::new(program);
        command.current_dir(dir.path()).args(self.arguments(dir.path(), address, config));
        let log = std::fs::File::create(dir.path().join("log")).expect("a file");
        let child = command
            .env("DASHBOARD_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let server = Server { child, address, dir };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "{self} does not listen: {}", server.log());
            // Poll: the program opens its port when it is ready.
            std::thread::park_timeout(Duration::from_millis(20));
        }
        server
    }

    /// Writes its configuration and gives the arguments that point to it.
    fn arguments(self, dir: &Path, address: SocketAddr, config: &str) -> Vec<String> {
        let port = address.port();
        let (name, text) = match self {
            Peer::Shimmer => ("shimmer.toml", config.to_owned()),
            Peer::Nats => (
                "nats.conf",
                format!(
                    "host: 127.0.0.1\nport: -1\n\
                     websocket {{ host: 127.0.0.1, port: {port}, no_tls: true }}\n"
                ),
            ),
            Peer::Mosquitto => (
                "mosquitto.conf",
                // It does not start with WebSocket alone, and as root it would become somebody without rights here.
                format!(
                    "user root\nlistener 0 {}\nlistener {port} 127.0.0.1\nsocket_domain ipv4\n\
                     protocol websockets\nallow_anonymous true\npersistence false\n\
                     set_tcp_nodelay true\nlog_type error\n",
                    dir.join("socket").display()
                ),
            ),
        };
        let path = dir.join(name);
        std::fs::write(&path, text).expect("a file");
        let path = path.to_str().expect("the path is UTF-8").to_owned();
        match self {
            Peer::Shimmer => ["run", "--host", "127.0.0.1", "--port", &port.to_string()]
                .map(str::to_owned)
                .into(),
            Peer::Nats | Peer::Mosquitto => vec!["-c".to_owned(), path],
        }
    }
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Nanoseconds that all its threads ran.
    pub(crate) fn cpu_ns(&self) -> u64 {
        threads(self.pid()).iter().map(|thread| cpu_ns(self.pid(), thread.tid)).sum()
    }

    /// The end of what it logged.
    pub(crate) fn log(&self) -> String {
        let text = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn built(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a bench has a path");
    let path = own.ancestors().nth(2).expect("benches run from target/release/deps").join(name);
    assert!(path.exists(), "{} is missing: run `cargo xtask bench streams`", path.display());
    path
}
