//! How messages reach a plugin: a child process with its socket and pipes, or a thread of the host with a queue.

use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use shimmer_ring::{ControlPage, ReadMapping};

use super::inbox::Inbox;
use super::outbox::Outbox;
use crate::guest::{Desk, Events, Link, prepare};
use crate::log_tail::LineCutter;
use crate::process::{Usage, usage_of_process, usage_of_thread};
use crate::wire::{Decoder, FromGuest, Hello, ToGuest, WireError, encode};

/// Most bytes that wait for a child to read them; beyond, requests are refused.
const MAX_OUT_BYTES: usize = 32 << 20;
/// Bytes taken from a pipe or socket in one look.
const CHUNK: usize = 64 << 10;

/// How a guest ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// For people.
    pub(crate) how: String,
    /// Whether a signal ended it that only comes from outside: nobody's event is to blame.
    pub(crate) from_outside: bool,
}

/// A running guest.
pub(crate) enum Guest {
    Process(Box<Process>),
    Thread(Thread),
}

/// A child process.
pub(crate) struct Process {
    child: Child,
    socket: UnixStream,
    decoder: Decoder,
    /// When it said that nothing more comes.
    closed: Option<Instant>,
    out: Outbox,
    stdout: (Option<ChildStdout>, LineCutter),
    stderr: (Option<ChildStderr>, LineCutter),
}

/// A thread of the host.
pub(crate) struct Thread {
    handle: JoinHandle<()>,
    tid: Arc<AtomicU32>,
    desk: Arc<OnceLock<Arc<Desk>>>,
    waiting: Vec<ToGuest>,
}

/// What a guest said since the last look.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) messages: Vec<FromGuest>,
    /// Stream and text of lines on its outputs.
    pub(crate) lines: Vec<(&'static str, String)>,
    /// It broke the protocol.
    pub(crate) broken: Option<WireError>,
}

impl Guest {
    /// Starts a child and sends it `hello` with the two descriptors.
    pub(crate) fn spawn_process(
        executable: &Path,
        hello: &Hello,
        ring: BorrowedFd<'_>,
        control: BorrowedFd<'_>,
    ) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut child = Command::new(executable)
            .arg("plugin-host")
            .arg(&hello.name)
            // The host's environment holds tokens.
            .env_clear()
            .envs(std::env::var("RUST_BACKTRACE").map(|value| ("RUST_BACKTRACE", value)))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut process = Process {
            child,
            socket: ours,
            decoder: Decoder::default(),
            closed: None,
            out: Outbox::default(),
            stdout: (stdout, LineCutter::default()),
            stderr: (stderr, LineCutter::default()),
        };
        let prepared = process.greet(hello, ring, control);
        if let Err(why) = prepared {
            drop(process.child.kill());
            drop(process.child.wait());
            return Err(why);
        }
        Ok(Self::Process(Box::new(process)))
    }

    /// Starts a thread of the host.
    pub(crate) fn spawn_thread(
        hello: Hello,
        ring: OwnedFd,
        control: Arc<ControlPage>,
        inbox: Arc<Inbox>,
        launch: u64,
    ) -> io::Result<Self> {
        let tid = Arc::new(AtomicU32::new(0));
        let desk = Arc::new(OnceLock::new());
        let (own_tid, own_desk) = (Arc::clone(&tid), Arc::clone(&desk));
        let body = move || {
            // Release: pairs with the Acquire in `usage`; only a figure for people.
            own_tid.store(
                rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs(),
                Ordering::Release,
            );
            let link = QueueLink(Arc::clone(&inbox), launch);
            let mapped = ReadMapping::from_fd(ring).map_err(|why| why.to_string());
            let prepared = mapped.and_then(|mapping| {
                let events = Events { mapping: Arc::new(mapping), control, borrow: false };
                prepare(&hello, events, Box::new(QueueLink(Arc::clone(&inbox), launch)))
            });
            match prepared {
                Ok(runner) => {
                    drop(own_desk.set(Arc::clone(&runner.desk)));
                    inbox.wake();
                    runner.run();
                }
                Err(reason) => link.send(FromGuest::Refused { reason }),
            }
            inbox.wake();
        };
        let handle = std::thread::Builder::new().name("plugin".into()).spawn(body)?;
        Ok(Self::Thread(Thread { handle, tid, desk, waiting: Vec::new() }))
    }

    /// Process id, for a thread the host's.
    pub(crate) fn pid(&self) -> u32 {
        match self {
            Self::Process(process) => process.child.id(),
            Self::Thread(_) => std::process::id(),
        }
    }

    /// Reads its CPU time, memory and threads.
    pub(crate) fn usage(&self) -> Option<Usage> {
        match self {
            Self::Process(process) => usage_of_process(process.child.id()),
            // Acquire: pairs with the Release in `spawn_thread`.
            Self::Thread(thread) => usage_of_thread(thread.tid.load(Ordering::Acquire)),
        }
    }

    /// Sends, or refuses when too much waits.
    pub(crate) fn send(&mut self, message: ToGuest) -> Result<(), ToGuest> {
        match self {
            Self::Process(process) => {
                if process.out.waiting() > MAX_OUT_BYTES || process.out.add(&message).is_err() {
                    return Err(message);
                }
                process.out.flush(&process.socket);
                Ok(())
            }
            Self::Thread(thread) => {
                thread.waiting.push(message);
                thread.deliver();
                Ok(())
            }
        }
    }

    /// Takes what came without waiting. `own` are the messages that a thread put into the supervisor's inbox.
    pub(crate) fn listen(&mut self, own: Vec<FromGuest>) -> Heard {
        let mut heard = Heard { messages: own, ..Heard::default() };
        match self {
            Self::Process(process) => process.listen(&mut heard),
            Self::Thread(thread) => thread.deliver(),
        }
        heard
    }

    /// Takes all that a guest which has ended left to be heard.
    pub(crate) fn hear_out(&mut self, heard: &mut Heard) {
        while heard.broken.is_none() {
            let more = self.listen(Vec::new());
            if more.messages.is_empty() && more.lines.is_empty() && more.broken.is_none() {
                break;
            }
            heard.messages.extend(more.messages);
            heard.lines.extend(more.lines);
            heard.broken = more.broken;
        }
    }

    /// Whether it has ended, and how.
    pub(crate) fn ending(&mut self) -> Option<Ending> {
        match self {
            Self::Process(process) => process.ending(),
            Self::Thread(thread) => thread
                .handle
                .is_finished()
                .then(|| Ending { how: "its thread ended".into(), from_outside: false }),
        }
    }

    /// Ends it now: a process is killed, a thread is left alone, with nothing it can reach any more.
    pub(crate) fn kill(&mut self) {
        match self {
            // The child may be gone already; `ending` tells.
            Self::Process(process) => drop(process.child.kill()),
            Self::Thread(thread) => {
                if let Some(desk) = thread.desk.get() {
                    desk.close();
                }
            }
        }
    }

    /// Whether `kill` does not make it end.
    pub(crate) fn is_thread(&self) -> bool {
        matches!(self, Self::Thread(_))
    }

    /// When it closed its side of the connection, if it did.
    pub(crate) fn closed_at(&self) -> Option<Instant> {
        match self {
            Self::Process(process) => process.closed,
            Self::Thread(_) => None,
        }
    }

    /// The descriptors to poll, with whether it also waits to write.
    pub(crate) fn fds(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        let process = match self {
            Self::Process(process) => Some(process),
            Self::Thread(_) => None,
        };
        process.into_iter().flat_map(|process| {
            let pipes = [
                process.stdout.0.as_ref().map(|pipe| (pipe.as_fd(), false)),
                process.stderr.0.as_ref().map(|pipe| (pipe.as_fd(), false)),
            ];
            // A socket at its end is always ready.
            let socket = (process.socket.as_fd(), process.out.waiting() > 0);
            let socket = process.closed.is_none().then_some(socket);
            socket.into_iter().chain(pipes.into_iter().flatten())
        })
    }
}

impl Process {
    /// Sends the first message with the descriptors, and turns to non-blocking work.
    fn greet(
        &mut self,
        hello: &Hello,
        ring: BorrowedFd<'_>,
        control: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let mut frame = Vec::new();
        encode(&ToGuest::Hello(Box::new(hello.clone())), &mut frame).map_err(io::Error::other)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        // The child takes them from the end: the control page first.
        let fds = [ring, control];
        if !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
            return Err(io::Error::other("no room for two descriptors"));
        }
        let sent =
            sendmsg(&self.socket, &[IoSlice::new(&frame)], &mut ancillary, SendFlags::NOSIGNAL)?;
        self.socket.set_nonblocking(true)?;
        self.out = Outbox::from(frame.split_off(sent));
        for fd in [self.stdout.0.as_ref().map(AsFd::as_fd), self.stderr.0.as_ref().map(AsFd::as_fd)]
            .into_iter()
            .flatten()
        {
            rustix::io::ioctl_fionbio(fd, true)?;
        }
        self.out.flush(&self.socket);
        Ok(())
    }

    fn listen(&mut self, heard: &mut Heard) {
        self.out.flush(&self.socket);
        let mut bytes = [0; CHUNK];
        // One chunk a look: a child that floods cannot keep its supervisor from looking at the clock.
        match (&self.socket).read(&mut bytes) {
            Ok(count @ 1..) => self.decoder.push(&bytes[..count]),
            Err(why)
                if matches!(why.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            }
            Ok(0) | Err(_) => {
                self.closed.get_or_insert_with(Instant::now);
            }
        }
        loop {
            match self.decoder.take::<FromGuest>() {
                Ok(Some(message)) => heard.messages.push(message),
                Ok(None) => break,
                Err(error) => {
                    heard.broken = Some(error);
                    break;
                }
            }
        }
        drain(&mut self.stdout.0, &mut self.stdout.1, "stdout", &mut bytes, heard);
        drain(&mut self.stderr.0, &mut self.stderr.1, "stderr", &mut bytes, heard);
    }

    fn ending(&mut self) -> Option<Ending> {
        let status = self.child.try_wait().ok()??;
        let outside = [libc::SIGKILL, libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT];
        Some(match (status.signal(), status.code()) {
            (Some(signal), _) => Ending {
                how: format!("killed by signal {signal}{}", signal_name(signal)),
                from_outside: outside.contains(&signal),
            },
            (None, code) => Ending {
                how: format!("exited with status {}", code.unwrap_or(-1)),
                from_outside: false,
            },
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Never leave a zombie or an orphan behind; both calls fail harmlessly when it is gone.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Thread {
    fn deliver(&mut self) {
        if let Some(desk) = self.desk.get() {
            for message in self.waiting.drain(..) {
                desk.deliver(message);
            }
        }
    }
}

/// From a thread of the host to its supervisor.
struct QueueLink(Arc<Inbox>, u64);

impl Link for QueueLink {
    fn send(&self, message: FromGuest) {
        self.0.hear(self.1, message);
    }
}

fn drain<R: Read>(
    pipe: &mut Option<R>,
    cutter: &mut LineCutter,
    stream: &'static str,
    bytes: &mut [u8],
    heard: &mut Heard,
) {
    let Some(open) = pipe else { return };
    match open.read(bytes) {
        Ok(0) => {
            cutter.finish(|line| heard.lines.push((stream, line.to_owned())));
            *pipe = None;
        }
        Ok(count) => {
            cutter.push(&bytes[..count], |line| heard.lines.push((stream, line.to_owned())))
        }
        Err(why)
            if matches!(why.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
        Err(_) => *pipe = None,
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGSEGV => " (segmentation fault)",
        libc::SIGABRT => " (abort)",
        libc::SIGBUS => " (bus error)",
        libc::SIGILL => " (illegal instruction)",
        libc::SIGFPE => " (arithmetic fault)",
        libc::SIGKILL => " (kill: by somebody, or by the kernel when memory ran out)",
        libc::SIGTERM => " (terminate)",
        libc::SIGSYS => " (forbidden system call)",
        _ => "",
    }
}
