//! The child process of one plugin: takes its descriptors, raises the walls, loads the library, runs the worker.
//!
//! Order is everything: the sandbox is up before the first thread and before any foreign code.

use std::io::{IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use shimmer_ring::{ControlPage, ReadMapping};

use super::api::Table;
use super::desk::{Desk, Link};
use super::memory;
use super::selection::Selection;
use super::worker::{Events, Runner};
use crate::config::Isolation;
use crate::effects::EmitRules;
use crate::loader::Library;
use crate::sandbox;
use crate::wire::{Decoder, FromGuest, Hello, ToGuest, encode};

/// Runs the child; its standard input is the socket to the host.
///
/// Call it first in `main`, before any thread exists: it raises the sandbox for the whole process.
#[must_use]
pub fn plugin_host_main() -> ExitCode {
    close_inherited();
    memory::keep_freed();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ending::Told) => ExitCode::FAILURE,
        Err(Ending::Untold(reason)) => {
            eprintln!("plugin-host: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Closes what whoever started the host left open in it, but for the three standard streams: sockets, logs, locks.
fn close_inherited() {
    // SAFETY: nothing in this process has opened or taken a descriptor yet.
    unsafe {
        if libc::close_range(3, u32::MAX, 0) != 0 {
            // Before Linux 5.9: those that a usual limit allows.
            for fd in 3..1024 {
                libc::close(fd);
            }
        }
    }
}

/// Why a child ends before its worker runs.
enum Ending {
    /// The host knows.
    Told,
    /// The host cannot be told but through standard error.
    Untold(String),
}

impl From<String> for Ending {
    fn from(reason: String) -> Self {
        Self::Untold(reason)
    }
}

fn run() -> Result<(), Ending> {
    let stdin =
        std::io::stdin().as_fd().try_clone_to_owned().map_err(|why| format!("stdin: {why}"))?;
    let mut socket = UnixStream::from(stdin);
    let mut decoder = Decoder::default();
    let (hello, mut fds) = receive_hello(&mut socket, &mut decoder)?;
    let link = SocketLink { writer: Mutex::new(clone(&socket)?) };
    let refuse = |reason: String| {
        link.send(FromGuest::Refused { reason });
        Ending::Told
    };
    let mut next_fd = || fds.pop().ok_or("a descriptor is missing".to_owned());
    let control = ControlPage::from_fd(next_fd()?).map_err(|why| format!("control page: {why}"))?;
    let mapping = ReadMapping::from_fd(next_fd()?).map_err(|why| format!("ring: {why}"))?;
    let library = Path::new(&hello.library);
    match hello.isolation {
        Isolation::Process => {
            sandbox::enter(hello.host_pid, library, &hello.permissions, &hello.limits)
        }
        Isolation::Thread => sandbox::die_with_parent(hello.host_pid),
    }
    .map_err(|why| refuse(format!("sandbox: {why}")))?;

    let events =
        Events { mapping: Arc::new(mapping), control: Arc::new(control), borrow: hello.gating };
    let reader_socket = clone(&socket)?;
    let runner = prepare(&hello, events, Box::new(SocketLink { writer: Mutex::new(socket) }))
        .map_err(refuse)?;
    let desk = Arc::clone(&runner.desk);
    std::thread::Builder::new()
        .name("socket".into())
        .spawn(move || read_socket(reader_socket, decoder, &desk))
        .map_err(|why| format!("reader thread: {why}"))?;
    runner.run();
    Ok(())
}

/// Loads the library and makes its worker; also how a plugin on a thread of the host begins.
pub(crate) fn prepare(
    hello: &Hello,
    events: Events,
    link: Box<dyn Link>,
) -> Result<Runner, String> {
    let control = Arc::clone(&events.control);
    let desk = Arc::new(Desk::new(link, Box::new(move || control.wake())));
    let rules = EmitRules {
        plugin: hello.name.clone(),
        node: hello.node.clone(),
        permissions: hello.permissions.clone(),
        limits: hello.event_limits,
        emitter: hello.emitter,
    };
    let ring = Arc::clone(&events.mapping);
    let lookup = Box::new(move |seq| ring.flags(seq));
    let table = Arc::new(Table::new(Arc::clone(&desk), rules, hello.folder.clone(), lookup));
    let host = Arc::clone(&table).leak();
    let mut library = Library::load(Path::new(&hello.library))?;
    let instance = library.create(host, &hello.config_json, || table.take_error())?;
    desk.open();
    let manifest = library.manifest;
    let kinds = if hello.kinds.is_empty() { manifest.kinds.clone() } else { hello.kinds.clone() };
    let tick = Duration::from_millis(u64::from(manifest.tick_interval_ms));
    desk.tell(FromGuest::Loaded(Box::new(manifest)));
    Ok(Runner {
        instance,
        table,
        desk,
        events,
        selection: Selection::new(kinds, hello.emitter),
        tick_interval: (!tick.is_zero()).then_some(tick),
        state_interval: Duration::from_millis(hello.state_interval_ms),
        copy_buffer: Default::default(),
        name: Vec::new(),
    })
}

struct SocketLink {
    writer: Mutex<UnixStream>,
}

impl Link for SocketLink {
    fn send(&self, message: FromGuest) {
        let mut frame = Vec::new();
        if encode(&message, &mut frame).is_err() {
            return;
        }
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // A host that is gone ends this process through the reader.
        drop(std::io::Write::write_all(&mut *writer, &frame));
    }
}

fn read_socket(mut socket: UnixStream, mut decoder: Decoder, desk: &Desk) {
    let mut bytes = [0; 16 << 10];
    loop {
        loop {
            match decoder.take::<ToGuest>() {
                Ok(Some(message)) => desk.deliver(message),
                Ok(None) => break,
                Err(_) => return desk.close(),
            }
        }
        match socket.read(&mut bytes) {
            Ok(0) | Err(_) => return desk.close(),
            Ok(len) => decoder.push(&bytes[..len]),
        }
    }
}

/// The first message, and the descriptors that came with its first byte, last first.
fn receive_hello(
    socket: &mut UnixStream,
    decoder: &mut Decoder,
) -> Result<(Hello, Vec<OwnedFd>), String> {
    let mut fds = Vec::new();
    let mut bytes = [0; 16 << 10];
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            &*socket,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )
        .map_err(|why| format!("receiving from the host: {why}"))?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        if received.bytes == 0 {
            return Err("run by the host, not by hand: standard input is not its socket".into());
        }
        decoder.push(&bytes[..received.bytes]);
        match decoder.take::<ToGuest>().map_err(|why| why.to_string())? {
            Some(ToGuest::Hello(hello)) => {
                return Ok((*hello, fds));
            }
            Some(_) => return Err("the host did not say hello".into()),
            None => {}
        }
    }
}

fn clone(socket: &UnixStream) -> Result<UnixStream, String> {
    socket.try_clone().map_err(|why| format!("socket: {why}"))
}
