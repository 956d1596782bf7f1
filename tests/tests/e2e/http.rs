//! A small HTTP client that hides nothing: what is sent and what came back, byte for byte.
//!
//! The server's own tests use this file too, so it knows nothing of its neighbours.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Longest wait for anything: the machine may be busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A request that is put together by hand.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    head: String,
    body: Option<Vec<u8>>,
    host: bool,
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A connection that is kept.
#[derive(Debug)]
pub(crate) struct Wire {
    reader: BufReader<TcpStream>,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self { head: format!("{method} {path} HTTP/1.1\r\n"), body: None, host: true }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.host &= !name.eq_ignore_ascii_case("host");
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone();
        if self.host {
            bytes.push_str("host: localhost\r\n");
        }
        if let Some(body) = &self.body {
            bytes.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        bytes.push_str("\r\n");
        let mut bytes = bytes.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }

    /// Sends on a connection of its own.
    pub(crate) fn send(&self, address: SocketAddr) -> Answer {
        let mut wire = Wire::open(address);
        wire.write(&self.bytes());
        if self.head.starts_with("HEAD ") { wire.head_answer() } else { wire.answer() }
    }
}

impl Answer {
    /// A header's value; header names are compared in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// Asserts a problem document of this status and gives it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()));
        let document = self.json();
        assert_eq!(document["status"], status);
        for member in ["type", "title", "detail"] {
            assert!(document[member].is_string(), "{member} in {document}");
        }
        document
    }

    /// The fields that a problem document of status 400 complains of, in its order.
    #[track_caller]
    pub(crate) fn bad_fields(&self) -> Vec<String> {
        let document = self.problem(400);
        let errors = document["errors"].as_array().expect("errors").clone();
        let field = |error: Value| {
            assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
            assert_eq!(error.as_object().map(|members| members.len()), Some(2), "{error}");
            error["field"].as_str().expect("a field").to_owned()
        };
        errors.into_iter().map(field).collect()
    }
}

impl Wire {
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self { reader: BufReader::new(connect(address)) }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).expect("the server reads");
    }

    /// Sends what the server may refuse to read.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) {
        // Whether it was read shows in the answer.
        let _ = self.reader.get_mut().write_all(bytes);
    }

    /// Sends the same again and again until the server takes no more, however long one waits.
    pub(crate) fn fill(&mut self, bytes: &[u8]) {
        let socket = self.reader.get_mut();
        socket.set_write_timeout(Some(Duration::from_millis(300))).expect("a socket");
        let ended = std::iter::repeat_with(|| socket.write_all(bytes)).find_map(Result::err);
        assert_eq!(ended.map(|error| error.kind()), Some(std::io::ErrorKind::WouldBlock));
    }

    /// Says that nothing more will come.
    pub(crate) fn done(&mut self) {
        // The server may have closed already.
        let _ = self.reader.get_mut().shutdown(std::net::Shutdown::Write);
    }

    /// The first line of an answer; empty when the connection ended before it.
    pub(crate) fn first_line(&mut self) -> String {
        let mut line = String::new();
        let _ = self.reader.read_line(&mut line);
        line
    }

    /// Sends a request and reads its answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Answer {
        self.write(&request.bytes());
        self.answer()
    }

    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = self.head_answer();
        if matches!(answer.status, 100..200 | 204 | 304) {
            return answer;
        }
        if let Some(length) = answer.header("content-length") {
            answer.body.resize(length.parse().expect("a length"), 0);
            self.reader.read_exact(&mut answer.body).expect("the whole body");
        } else if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk() {
                answer.body.extend_from_slice(&chunk);
            }
        } else {
            self.reader.read_to_end(&mut answer.body).expect("the body until the end");
        }
        answer
    }

    /// Reads a head, with nothing after it.
    pub(crate) fn head_answer(&mut self) -> Answer {
        let status = self.line();
        let code = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = code.unwrap_or_else(|| panic!("no status line: {status:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Answer { status, headers, body: Vec::new() }
    }

    /// Reads one chunk of a chunked body; `None` at its end.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = usize::from_str_radix(self.line().trim(), 16).expect("a chunk size");
        let mut chunk = vec![0; size + 2];
        self.reader.read_exact(&mut chunk).expect("the whole chunk");
        chunk.truncate(size);
        (size > 0).then_some(chunk)
    }

    /// Reads whatever still comes until the server closes; a reset counts as closing.
    pub(crate) fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        loop {
            match self.reader.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => bytes.extend_from_slice(&piece[..n]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(error) => panic!("the server neither answers nor closes: {error}"),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("a line");
        line
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("the server accepts");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket.set_nodelay(true).expect("a socket");
    socket
}
