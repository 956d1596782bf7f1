//! A client of many connections on one thread.
//!
//! The rule: an answer is read and checked before its connection sends again, and what the answers
//! said is counted, so that it can be held against what the server counted.

use crate::bodies::Shot;
use rustix::event::epoll;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Longest wait for any answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the answers said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) requests: u64,
    pub(crate) stored: u64,
    pub(crate) duplicates: u64,
    pub(crate) rejected: u64,
}

impl Told {
    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            stored: self.stored + other.stored,
            duplicates: self.duplicates + other.duplicates,
            rejected: self.rejected + other.rejected,
        }
    }
}

/// What an answer has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// What Shimmer says: every event stored.
    Stored,
    /// Status 200, as a peer says it.
    Status,
}

/// Connections that all send the same kind of request.
pub(crate) struct Generator {
    epoll: OwnedFd,
    lanes: Vec<Lane>,
    expect: Expect,
    pub(crate) told: Told,
}

struct Lane {
    stream: TcpStream,
    shot: Shot,
    /// Bytes of the shot that are sent.
    sent: usize,
    /// Answers to it that are still to come; 0 when nothing is under way.
    due: usize,
    buffer: Vec<u8>,
}

/// An answer at the front of a buffer.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) head: &'a str,
    pub(crate) body: &'a str,
    pub(crate) bytes: usize,
}

impl Generator {
    /// Opens `connections`, each of which sends `shot` again and again.
    pub(crate) fn open(
        address: SocketAddr,
        connections: usize,
        shot: &Shot,
        expect: Expect,
    ) -> Self {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
        let mut lanes = Vec::new();
        for number in 0..connections {
            let stream = connect(address).expect("the server accepts");
            let data = epoll::EventData::new_u64(number as u64);
            let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
            epoll::add(&epoll, &stream, data, flags).expect("a socket can be watched");
            lanes.push(Lane { stream, shot: shot.clone(), sent: 0, due: 0, buffer: Vec::new() });
        }
        Self { epoll, lanes, expect, told: Told::default() }
    }

    /// Sends shots until at least `requests` are under way or answered, and waits for all answers.
    pub(crate) fn run(&mut self, requests: u64) {
        let mut left = requests;
        let mut busy = 0;
        let take = |left: &mut u64, shot: &Shot| {
            let more = *left > 0;
            *left = left.saturating_sub(shot.requests as u64);
            more
        };
        for lane in &mut self.lanes {
            if take(&mut left, &lane.shot) {
                lane.begin();
                busy += 1;
            }
        }
        let mut events = Vec::with_capacity(self.lanes.len());
        let wait = rustix::event::Timespec {
            tv_sec: PATIENCE.as_secs().try_into().expect("a short time"),
            tv_nsec: 0,
        };
        while busy > 0 {
            events.clear();
            let spare = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, spare, Some(&wait)) {
                Ok(0) => panic!("no answer within {PATIENCE:?}"),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => panic!("epoll: {error}"),
            }
            for event in &events {
                let at = usize::try_from(event.data.u64()).expect("a small number");
                let lane = &mut self.lanes[at];
                lane.send();
                if lane.due > 0 && lane.receive(self.expect, &mut self.told) {
                    if take(&mut left, &lane.shot) {
                        lane.begin();
                    } else {
                        busy -= 1;
                    }
                }
            }
        }
    }
}

/// A connection that never blocks.
pub(crate) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

impl Lane {
    fn begin(&mut self) {
        self.shot.renew();
        self.sent = 0;
        self.due = self.shot.requests;
        self.send();
    }

    fn send(&mut self) {
        while self.due > 0 && self.sent < self.shot.bytes.len() {
            match self.stream.write(&self.shot.bytes[self.sent..]) {
                Ok(bytes) => self.sent += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => panic!("the server ended a connection: {error}"),
            }
        }
    }

    /// Reads what there is; `true` when the last answer has come.
    fn receive(&mut self, expect: Expect, told: &mut Told) -> bool {
        read(&mut self.stream, &mut self.buffer).expect("the server keeps the connection");
        let mut used = 0;
        while let Some(answer) = Answer::first(&self.buffer[used..]) {
            let (status, body) = (answer.status, answer.body);
            assert_eq!(status, 200, "{body}");
            told.requests += 1;
            if expect == Expect::Stored {
                count(told, body);
            }
            used += answer.bytes;
            self.due = self.due.checked_sub(1).expect("an answer for a request");
        }
        self.buffer.drain(..used);
        self.due == 0
    }
}

/// Appends what has come; an end of the stream is an error.
pub(crate) fn read(stream: &mut TcpStream, into: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = [0; 16 << 10];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => {
                into.extend_from_slice(&piece[..bytes]);
                if bytes < piece.len() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

impl<'a> Answer<'a> {
    /// The first answer in `bytes`, if all of it is there.
    pub(crate) fn first(bytes: &'a [u8]) -> Option<Self> {
        // Heads are short, so that a look at each byte is cheap enough.
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).expect("heads are ASCII");
        let status = head[9..12].parse().expect("a status");
        let (_, length) = head.split_once("content-length: ").expect("a length");
        let length: usize = length
            .split_once('\r')
            .map_or(length, |(length, _)| length)
            .parse()
            .expect("a length is a number");
        let body = bytes.get(end + 4..end + 4 + length)?;
        let body = std::str::from_utf8(body).expect("bodies are JSON");
        Some(Self { status, head, body, bytes: end + 4 + length })
    }
}

/// Adds what one answer of Shimmer says.
pub(crate) fn count(told: &mut Told, body: &str) {
    let member = |name: &str| {
        let (_, rest) = body.split_once(name)?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse::<u64>().ok()
    };
    if let Some(accepted) = member("\"accepted\":") {
        told.stored += accepted;
        told.duplicates += member("\"duplicates\":").expect("a count");
        told.rejected += body.matches("\"index\":").count() as u64;
    } else if body.ends_with("\"duplicate\":false}") {
        told.stored += 1;
    } else {
        assert!(body.ends_with("\"duplicate\":true}"), "{body}");
        told.duplicates += 1;
    }
}
