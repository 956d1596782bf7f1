//! The program under load, or a peer's: started with a free port and a folder of its own.
//!
//! The rule: it ends with the bench, however that ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The token of every server.
pub const TOKEN: &str = "bench-token";
const PATIENCE: Duration = Duration::from_secs(30);
/// Lines of a log that are shown.
const LOG_LINES: usize = 100;
/// Largest answer that is read.
const ANSWER_BYTES: u64 = 16 << 20;

/// A running program.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    dir: tempfile::TempDir,
}

/// A connection that is kept.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

/// A file of the build folder.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a bench has a path");
    let path = own.ancestors().nth(2).expect("benches run from target/release/deps").join(name);
    assert!(path.exists(), "{} is missing: run `cargo xtask bench`", path.display());
    path
}

impl Server {
    /// Starts ours with the defaults and `config`, and waits until it is ready. `BENCH_PROGRAM` names
    /// another build of it than the one at hand, to compare with.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(config: &str) -> Self {
        let program =
            std::env::var_os("BENCH_PROGRAM").map_or_else(|| built("shimmer"), PathBuf::from);
        Self::start_as(&program, config)
    }

    /// The same of the build at `program`.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_as(program: &Path, config: &str) -> Self {
        let arguments = |dir: &Path, address: SocketAddr| {
            // What a plugin costs is measured by itself.
            let config = match config.contains("[plugins]") {
                true => config.to_owned(),
                false => format!("{config}\n[plugins]\nbundled = []\n"),
            };
            std::fs::write(dir.join("shimmer.toml"), config).expect("a file");
            let port = address.port().to_string();
            ["run", "--host", "127.0.0.1", "--port", &port].map(str::to_owned).into()
        };
        let is_ready =
            |address| Client::open(address).is_some_and(|mut client| client.get("/ready").0 == 200);
        Self::launch(program, arguments, is_ready)
    }

    /// Starts any program: `arguments` puts its files into the folder where it runs and tells it the
    /// address. Waits until it `is_ready`.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn launch(
        program: &Path,
        arguments: impl FnOnce(&Path, SocketAddr) -> Vec<String>,
        is_ready: impl Fn(SocketAddr) -> bool,
    ) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a free port");
        let log = std::fs::File::create(dir.path().join("log")).expect("a file");
        let child = Command::new(program)
            .args(arguments(dir.path(), address))
            .current_dir(dir.path())
            .env("DASHBOARD_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let server = Self { child, address, dir };
        let deadline = Instant::now() + PATIENCE;
        while !is_ready(address) {
            let late = Instant::now() >= deadline;
            assert!(!late, "{} is not ready: {}", program.display(), server.log());
            // Poll: it opens its port when it is ready.
            std::thread::park_timeout(Duration::from_millis(20));
        }
        server
    }

    /// A `[[plugin]]` table for the bench plugin `name`.
    #[must_use]
    pub fn plugin(name: &str) -> String {
        let library = built(&format!("examples/libbench_{name}.so"));
        let path = library.to_str().expect("the path is UTF-8");
        format!("[[plugin]]\nname = \"{name}\"\npath = \"{path}\"\n")
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The end of what it logged.
    #[must_use]
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Client {
    /// Connects; `None` when nobody listens.
    #[must_use]
    pub fn open(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        Some(Self { stream: BufReader::new(stream) })
    }

    /// Status and body of a GET.
    ///
    /// # Panics
    /// When the connection breaks.
    pub fn get(&mut self, path: &str) -> (u16, Vec<u8>) {
        self.get_with(path, "")
    }

    /// The same with further `headers`, each with its line end.
    ///
    /// # Panics
    /// When the connection breaks.
    pub fn get_with(&mut self, path: &str, headers: &str) -> (u16, Vec<u8>) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n"), &[])
    }

    /// Status of a POST of NDJSON.
    ///
    /// # Panics
    /// When the connection breaks.
    pub fn post(&mut self, body: &[u8]) -> u16 {
        let head = format!(
            "POST /events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.ask(&head, body).0
    }

    fn ask(&mut self, head: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes()).expect("the program reads");
        stream.write_all(body).expect("the program reads");
        self.answer()
    }

    fn answer(&mut self) -> (u16, Vec<u8>) {
        let status = self.line();
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line().to_ascii_lowercase();
            let Some((name, value)) = line.split_once(':') else { break };
            match name {
                "content-length" => length = value.trim().parse().expect("a length"),
                "transfer-encoding" => chunked = value.contains("chunked"),
                _ => {}
            }
        }
        let mut body = Vec::new();
        while chunked {
            length = u64::from_str_radix(self.line().trim(), 16).expect("a chunk's size");
            self.read(length, &mut body);
            self.line();
            chunked = length > 0;
            length = 0;
        }
        self.read(length, &mut body);
        (status.expect("a status"), body)
    }

    fn read(&mut self, length: u64, into: &mut Vec<u8>) {
        assert!(length <= ANSWER_BYTES, "an answer of {length} bytes");
        (&mut self.stream).take(length).read_to_end(into).expect("the whole answer");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }
}
