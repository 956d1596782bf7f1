//! Debian's Alertmanager as a peer: started with a configuration of the test, asked over its API.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::http::Request;
use crate::server::wait;

/// A running Alertmanager, killed when dropped.
pub(super) struct Alertmanager {
    child: Child,
    address: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Alertmanager {
    pub(super) fn start(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.yml"), config).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.unwrap();
        let child = Command::new("prometheus-alertmanager")
            .current_dir(dir.path())
            .args(["--config.file=config.yml", "--storage.path=data", "--log.level=error"])
            .arg(format!("--web.listen-address={address}"))
            // No cluster: the test has one.
            .arg("--cluster.listen-address=")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("Alertmanager is missing: apt-get install prometheus-alertmanager");
        let peer = Self { child, address, _dir: dir };
        wait("Alertmanager", || {
            std::net::TcpStream::connect(peer.address).is_ok() && peer.get("/-/ready").is_some()
        });
        peer
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The alerts that it holds, by subject and severity.
    pub(super) fn alerts(&self) -> Vec<Value> {
        let text = self.get("/api/v2/alerts").expect("its answer");
        let mut alerts: Vec<Value> = serde_json::from_str(&text).unwrap();
        let key =
            |a: &Value| (a["labels"]["subject"].to_string(), a["labels"]["severity"].to_string());
        alerts.sort_by_key(key);
        alerts
    }

    fn get(&self, path: &str) -> Option<String> {
        let answer = Request::new("GET", path).send(self.address);
        (answer.status == 200).then(|| answer.text().to_owned())
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
