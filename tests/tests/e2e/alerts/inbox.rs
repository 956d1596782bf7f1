//! A receiver of webhooks: keeps what is posted, and can be away.
//!
//! The rule: everything that was answered with success is kept in its order; nothing else is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::server::wait_for;

/// A receiver with an address that stays its own.
pub(super) struct Inbox {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    kept: Mutex<Vec<(String, Value)>>,
    /// Connections are closed without an answer.
    away: AtomicBool,
    turned_away: AtomicUsize,
}

impl Inbox {
    pub(super) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&own);
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { address, shared }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on everybody is turned away, or answered again.
    pub(super) fn set_away(&self, away: bool) {
        self.shared.away.store(away, Ordering::SeqCst);
    }

    /// Attempts that met nobody.
    pub(super) fn turned_away(&self) -> usize {
        self.shared.turned_away.load(Ordering::SeqCst)
    }

    /// What was posted to this path so far.
    pub(super) fn posts(&self, path: &str) -> Vec<Value> {
        let kept = self.shared.kept.lock().unwrap();
        kept.iter().filter(|(to, _)| to == path).map(|(_, body)| body.clone()).collect()
    }

    /// Waits for a post to this path that is as wanted.
    pub(super) fn until(&self, what: &str, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || self.posts(path).into_iter().find(&done))
    }
}

impl Shared {
    /// Answers one connection to its end.
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut writer = stream;
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if !matches!(reader.read_line(&mut head), Ok(1..)) {
                    return;
                }
            }
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
            });
            let mut body = vec![0; length.expect("every client says how much it sends")];
            if reader.read_exact(&mut body).is_err() {
                return;
            }
            if self.away.load(Ordering::SeqCst) {
                self.turned_away.fetch_add(1, Ordering::SeqCst);
                return;
            }
            let path = head.split(' ').nth(1).unwrap().to_owned();
            let body = serde_json::from_slice(&body).expect("JSON");
            self.kept.lock().unwrap().push((path, body));
            if writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
                return;
            }
        }
    }
}
