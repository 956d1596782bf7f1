//! A small HTTP client that hides nothing: what is sent and what came back, byte for byte.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Request {
    head: String,
    body: Option<Vec<u8>>,
    host: bool,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
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

    pub(crate) fn send(&self, address: SocketAddr) -> Answer {
        let mut socket = connect(address);
        socket.write_all(&self.bytes()).expect("the server reads");
        let is_head = self.head.starts_with("HEAD ");
        Answer::read(&mut BufReader::new(socket), is_head)
    }
}

impl Answer {
    pub(crate) fn read(socket: &mut impl BufRead, is_head: bool) -> Self {
        let (status, headers) = read_head(socket);
        let mut answer = Self { status, headers, body: Vec::new() };
        if is_head || status == 204 || status == 304 || status == 101 {
            return answer;
        }
        if let Some(length) = answer.header("content-length") {
            answer.body.resize(length.parse().expect("a length"), 0);
            socket.read_exact(&mut answer.body).expect("the whole body");
        } else if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = read_chunk(socket) {
                answer.body.extend_from_slice(&chunk);
            }
        } else {
            socket.read_to_end(&mut answer.body).expect("the body until the end");
        }
        answer
    }

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
    pub(crate) fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()));
        let document = self.json();
        assert_eq!(document["status"], status);
        document
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("the server accepts");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket.set_nodelay(true).expect("a socket");
    socket
}

/// Reads one chunk of a chunked body; `None` at its end.
pub(crate) fn read_chunk(socket: &mut impl BufRead) -> Option<Vec<u8>> {
    let size = usize::from_str_radix(line(socket).trim(), 16).expect("a chunk size");
    let mut chunk = vec![0; size + 2];
    socket.read_exact(&mut chunk).expect("the whole chunk");
    chunk.truncate(size);
    (size > 0).then_some(chunk)
}

pub(crate) fn read_head(socket: &mut impl BufRead) -> (u16, Vec<(String, String)>) {
    let status = line(socket);
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
    let mut headers = Vec::new();
    loop {
        let line = line(socket);
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    (status.expect("a status line"), headers)
}

fn line(socket: &mut impl BufRead) -> String {
    let mut line = String::new();
    socket.read_line(&mut line).expect("a line");
    line
}
