//! The servers: the release `shimmer`, `nats-server` and `mosquitto`, each started alone for one case.
//!
//! The rule: a server ends with its case, however that ends, and a peer that is not installed is named
//! with the line that installs it.

use crate::dialect::Dialect;
use shimmer_benches::{Server, built};
use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Shimmer,
    Nats,
    Mosquitto,
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

    /// Where it is installed; ours is at hand.
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
        if self == Peer::Shimmer {
            return Server::start(config);
        }
        let program = self.program().expect("the caller has looked");
        let listens = |address| TcpStream::connect(address).is_ok();
        Server::launch(&program, |dir, address| self.arguments(dir, address), listens)
    }

    /// Writes a peer's configuration and gives the arguments that point to it.
    fn arguments(self, dir: &Path, address: SocketAddr) -> Vec<String> {
        let port = address.port();
        let text = match self {
            Peer::Shimmer => String::new(),
            Peer::Nats => format!(
                "host: 127.0.0.1\nport: -1\n\
                 websocket {{ host: 127.0.0.1, port: {port}, no_tls: true }}\n"
            ),
            // It does not start with WebSocket alone, and as root it would become somebody without rights here.
            Peer::Mosquitto => format!(
                "user root\nlistener 0 {}\nlistener {port} 127.0.0.1\nsocket_domain ipv4\n\
                 protocol websockets\nallow_anonymous true\npersistence false\n\
                 set_tcp_nodelay true\nlog_type error\n",
                dir.join("socket").display()
            ),
        };
        let path = dir.join("peer.conf");
        std::fs::write(&path, text).expect("a file");
        vec!["-c".to_owned(), path.to_str().expect("the path is UTF-8").to_owned()]
    }
}
