//! The program with its defaults, the plugin `series` and a free port, and a client that keeps its connection.
//!
//! The rule: it ends with the bench, however that ends, and a question costs the client next to nothing.

use shimmer_benches::{cpu_ns, threads};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const TOKEN: &str = "bench-token";
const PATIENCE: Duration = Duration::from_secs(30);

/// The running program.
pub(crate) struct Node {
    child: Child,
    pub(crate) address: SocketAddr,
    _dir: tempfile::TempDir,
}

/// A connection that is kept, and the last answer.
pub(crate) struct Client {
    stream: TcpStream,
    answer: Vec<u8>,
    body: std::ops::Range<usize>,
}

fn built(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a bench has a path");
    let path = own.ancestors().nth(2).expect("benches run from target/release/deps").join(name);
    assert!(path.exists(), "{} is missing: run `cargo xtask bench pages`", path.display());
    path
}

impl Node {
    /// Starts it and waits until it is ready.
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a free port");
        let library = built("examples/libbench_series.so");
        let config = format!(
            "[[plugin]]\nname = \"series\"\npath = {:?}\n",
            library.to_str().expect("UTF-8")
        );
        std::fs::write(dir.path().join("shimmer.toml"), config).expect("a file");
        // Another program than the one just built, to compare with.
        let program =
            std::env::var_os("PAGES_PROGRAM").map_or_else(|| built("shimmer"), PathBuf::from);
        let child = Command::new(program)
            .args(["run", "--host", "127.0.0.1", "--port", &address.port().to_string()])
            .current_dir(dir.path())
            .env("DASHBOARD_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let node = Self { child, address, _dir: dir };
        let deadline = Instant::now() + PATIENCE;
        while Client::open(address).is_none_or(|mut client| client.get("/ready", "") != 200) {
            assert!(Instant::now() < deadline, "the program is not ready");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        node
    }

    /// CPU nanoseconds of its threads so far; the plugin's process is another one.
    pub(crate) fn cpu(&self) -> u64 {
        let pid = self.child.id();
        threads(pid).iter().map(|thread| cpu_ns(pid, thread.tid)).sum()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Client {
    pub(crate) fn open(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        Some(Self { stream, answer: vec![0; 4 << 20], body: 0..0 })
    }

    /// Status of a GET with further `headers`, each with its line end.
    pub(crate) fn get(&mut self, path: &str, headers: &str) -> u16 {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n"), &[])
    }

    /// Posts NDJSON.
    pub(crate) fn post(&mut self, body: &[u8]) -> u16 {
        let head = format!(
            "POST /events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.ask(&head, body)
    }

    /// The body of the last answer.
    pub(crate) fn body(&self) -> &[u8] {
        &self.answer[self.body.clone()]
    }

    fn ask(&mut self, head: &str, body: &[u8]) -> u16 {
        self.stream.write_all(head.as_bytes()).expect("the program reads");
        self.stream.write_all(body).expect("the program reads");
        let mut read = 0;
        loop {
            let count = self.stream.read(&mut self.answer[read..]).expect("an answer");
            assert!(count > 0, "the program closed the connection, or the answer is too long");
            read += count;
            let Some(head) = self.answer[..read].windows(4).position(|four| four == b"\r\n\r\n")
            else {
                continue;
            };
            let text = std::str::from_utf8(&self.answer[..head]).expect("a head is text");
            let status = text.split(' ').nth(1).and_then(|code| code.parse().ok());
            let (status, length) = (status.expect("a status"), length(text));
            self.body = head + 4..read;
            match length {
                Some(length) => {
                    self.body.end = head + 4 + length;
                    self.stream
                        .read_exact(&mut self.answer[read..self.body.end])
                        .expect("the whole answer");
                }
                // Chunks are only counted: a page that is compressed on the way.
                None => {
                    while !self.answer[..self.body.end].ends_with(b"\r\n0\r\n\r\n") {
                        let end = self.body.end;
                        self.body.end +=
                            self.stream.read(&mut self.answer[end..]).expect("a chunk");
                    }
                }
            }
            return status;
        }
    }
}

/// `content-length` of a head.
fn length(head: &str) -> Option<usize> {
    let line = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    })?;
    line.trim().parse().ok()
}
