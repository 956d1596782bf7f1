//! The fast lane: plain posts, from the socket to the ring without hyper.
//!
//! A connection begins here. Each read is answered as a whole, so requests that came together are
//! answered in one write. The rule: with the first bytes that are not a plain post, or that nobody is
//! let in with, the connection is hyper's for good, and those bytes with it; the lane itself only ever
//! answers what hyper's way would answer in the same words.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::BUFFER_BYTES;
use super::front::{is_forbidden, panicked};
use super::guard::is_own_host;
use super::patience::Patience;
use super::plain::{Asks, Begin, Head};
use super::upload::Upload;
use super::wire::{self, Top};
use crate::app::App;
use crate::audit::Entry;
use crate::config::Config;
use crate::http::{Refused, RequestId};
use crate::ingest::{self, Admitted, FREE_BYTES, Form, Post};
use crate::metrics::RouteLabel;
use crate::stream::now_rfc3339;

/// Memory that an idle connection keeps for what comes next.
const KEPT_BYTES: usize = 1 << 10;

/// Most requests that are stored in one step.
const TOGETHER: usize = 64;

thread_local! {
    /// What was just read, and the answer under way. Of a connection only what is left over stays.
    static ROOM: RefCell<(Vec<u8>, Vec<u8>)> = RefCell::new((vec![0; BUFFER_BYTES], Vec::new()));
    /// Memory for answers, from one connection to the next.
    static ANSWERS: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A connection in the lane.
pub(super) struct Lane {
    app: Arc<App>,
    stream: TcpStream,
    remote: SocketAddr,
    /// The beginning of a request whose end is still to come.
    begun: Vec<u8>,
    /// A longer body whose end is still to come.
    upload: Option<Upload>,
    /// Which route that is, or the last one was.
    form: Form,
    answers: Vec<u8>,
    written: usize,
    patience: Patience,
    /// Longest wait for a head.
    head_timeout: Duration,
    /// When the client is given up.
    deadline: Instant,
    /// What the deadline is for.
    due: Due,
    was_asked: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Head,
    Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The node stops: what has begun is answered, then it ends.
    Stopping,
    /// It is hyper's when the last answer is written.
    Leaving,
    /// It ends when the last answer is written.
    Ending,
}

/// How a connection leaves the lane.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It is over.
    Ended,
    /// hyper goes on, beginning with these bytes.
    ToHyper(Vec<u8>),
}

impl Lane {
    pub(super) fn new(
        app: Arc<App>,
        stream: TcpStream,
        remote: SocketAddr,
        head_timeout: Duration,
    ) -> Self {
        let deadline = Instant::now() + head_timeout;
        Self {
            app,
            stream,
            remote,
            begun: Vec::new(),
            upload: None,
            form: Form::One,
            answers: Vec::new(),
            written: 0,
            patience: Patience::until(deadline),
            head_timeout,
            deadline,
            due: Due::Head,
            was_asked: false,
            state: State::Open,
        }
    }

    /// Whether there ever was a whole request.
    pub(super) fn was_asked(&self) -> bool {
        self.was_asked
    }

    /// Ends the connection when what has begun is answered.
    pub(super) fn stop(&mut self) {
        if self.state == State::Open {
            self.state = State::Stopping;
        }
    }

    /// The socket, once the connection has left.
    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Answers until the connection leaves the lane.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Left>> {
        loop {
            ready!(self.poll_drain(cx))?;
            match self.state {
                State::Leaving => {
                    return Poll::Ready(Ok(Left::ToHyper(std::mem::take(&mut self.begun))));
                }
                State::Stopping if self.begun.is_empty() && self.upload.is_none() => {
                    self.state = State::Ending;
                }
                State::Open | State::Stopping | State::Ending => {}
            }
            if self.state == State::Ending {
                ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
                return Poll::Ready(Ok(Left::Ended));
            }
            match self.poll_requests(cx) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => return Poll::Ready(Ok(Left::Ended)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    ready!(self.patience.poll(cx, self.deadline));
                    self.give_up();
                }
            }
        }
    }

    /// Writes what is answered; nothing more is read before that.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.answers.len() {
            let left = &self.answers[self.written..];
            match ready!(Pin::new(&mut self.stream).poll_write(cx, left))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        self.written = 0;
        self.answers.clear();
        if self.answers.capacity() > KEPT_BYTES {
            let room = std::mem::take(&mut self.answers);
            if room.capacity() <= BUFFER_BYTES {
                ANSWERS.set(room);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once and answers what is whole; `false` at the end of the stream.
    fn poll_requests(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if let Some(upload) = &mut self.upload {
            let is_whole = ready!(upload.poll_receive(&mut self.stream, cx))?;
            if let Some(upload) = self.upload.take_if(|_| is_whole) {
                self.answer_upload(&upload);
            }
            return Poll::Ready(Ok(is_whole));
        }
        ROOM.with_borrow_mut(|(room, told)| {
            let begun = self.begun.len();
            room[..begun].copy_from_slice(&self.begun);
            let mut rest = ReadBuf::new(&mut room[begun..]);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut rest))?;
            let read = rest.filled().len();
            if read == 0 {
                return Poll::Ready(Ok(false));
            }
            let bytes = &room[..begun + read];
            let done = self.answer_all(bytes, told);
            self.begun.clear();
            self.begun.extend_from_slice(&bytes[done..]);
            if self.begun.is_empty() && self.begun.capacity() > KEPT_BYTES {
                self.begun = Vec::new();
            }
            Poll::Ready(Ok(true))
        })
    }

    /// Answers the requests in `bytes`; gives how many bytes they were.
    fn answer_all(&mut self, bytes: &[u8], told: &mut Vec<u8>) -> usize {
        let app = self.app.clone();
        if self.answers.capacity() == 0 {
            self.answers = ANSWERS.take();
        }
        let config = app.config();
        let date = wire::date(SystemTime::now());
        let varies = !config.server.origins.is_empty();
        let mut known: Option<(Asks<'_>, Admitted)> = None;
        let mut started = Instant::now();
        let mut done = 0;
        while done < bytes.len() {
            let rest = &bytes[done..];
            let head = match Begin::of(rest) {
                Begin::Plain(head) => head,
                Begin::Unknown => {
                    // The wait for a head begins with the answer before it.
                    if done > 0 || self.due == Due::Body {
                        self.wait_for(Due::Head, started + self.head_timeout);
                    }
                    return done;
                }
                Begin::Other => {
                    self.state = State::Leaving;
                    return done;
                }
            };
            if known.as_ref().is_none_or(|(asks, _)| *asks != head.asks) {
                known = self.admit(&config, head.asks).map(|admitted| (head.asks, admitted));
            }
            let Some((_, admitted)) = known.as_ref().filter(|_| self.fits(&config, &head)) else {
                self.state = State::Leaving;
                return done;
            };
            self.form = head.asks.form;
            let Some(body) = head.body(rest) else {
                let begun = known.map(|(_, admitted)| admitted);
                return self.begin_body(bytes, done, &head, begun, started);
            };
            let together = self.answer_together(admitted, &head, rest, (&date, varies), told);
            done += together;
            if together == 0 {
                done += head.bytes + head.length;
                let closing = done == bytes.len() && self.state == State::Stopping;
                let id = app.request_ids.of_value(head.request_id);
                let top = Top { id: &id, date: &date, varies, closing };
                let status = self.answer(admitted, top, body, told);
                app.metrics.http.answered(&route(self.form), status, started.elapsed());
            }
            started = Instant::now();
        }
        self.wait_for(Due::Head, started + self.head_timeout);
        done
    }

    /// Begins to wait for the body of a request that is let in; gives how many of the bytes are done with.
    fn begin_body(
        &mut self,
        bytes: &[u8],
        mut done: usize,
        head: &Head<'_>,
        admitted: Option<Admitted>,
        started: Instant,
    ) -> usize {
        let app = self.app.clone();
        if head.length > FREE_BYTES {
            let id = app.request_ids.of_value(head.request_id);
            let first = &bytes[done + head.bytes..];
            self.upload = admitted.and_then(|admitted| {
                Upload::begin(&app, admitted, id, started, head.length, first)
            });
            if self.upload.is_none() {
                self.state = State::Leaving;
                return done;
            }
            done = bytes.len();
        }
        if done > 0 || self.due == Due::Head {
            let patience = Duration::from_millis(app.config().server.body_timeout_ms);
            self.wait_for(Due::Body, started + patience);
        }
        done
    }

    /// Answers the posts of single events at the beginning of `bytes` that can be stored in one step, if there are
    /// several; gives how many bytes they were. The first has `first` as its head.
    fn answer_together<'b>(
        &mut self,
        admitted: &Admitted,
        first: &Head<'b>,
        bytes: &'b [u8],
        (date, varies): (&wire::Date, bool),
        told: &mut Vec<u8>,
    ) -> usize {
        if first.asks.form != Form::One || bytes.len() == first.bytes + first.length {
            return 0;
        }
        let app = self.app.clone();
        let likely = (bytes.len() / (first.bytes + first.length) + 1).min(TOGETHER);
        let (mut posts, mut ends) = (Vec::with_capacity(likely), Vec::with_capacity(likely));
        let mut end = 0;
        while posts.len() < TOGETHER
            && let Begin::Plain(head) = Begin::after(first, bytes, &bytes[end..])
            && head.asks == first.asks
            && self.fits(&admitted.config, &head)
            && let Some(body) = head.body(&bytes[end..])
        {
            end += head.bytes + head.length;
            ends.push(end);
            posts.push(Post { id: app.request_ids.of_value(head.request_id), body });
        }
        if posts.len() < 2 {
            return 0;
        }
        let started = Instant::now();
        let (is_stopping, before) = (self.state == State::Stopping, self.answers.len());
        let stored = catch_unwind(AssertUnwindSafe(|| {
            let (mut statuses, mut at) = (Vec::with_capacity(posts.len()), 0);
            ingest::post_together(&app, admitted, &posts, told, |post, settled| {
                let closing = is_stopping && ends[at] == bytes.len();
                at += 1;
                let top = Top { id: &post.id, date, varies, closing };
                statuses.push(put(&mut self.answers, top, settled));
            });
            statuses
        }));
        let statuses = stored.unwrap_or_else(|_| {
            // Each is then stored, and fails, alone.
            self.answers.truncate(before);
            Vec::new()
        });
        let took = started.elapsed();
        for (post, status) in posts.iter().zip(&statuses) {
            self.note(admitted, &post.id, *status);
            app.metrics.http.answered(&route(Form::One), *status, took);
        }
        self.was_asked |= !statuses.is_empty();
        statuses.len().checked_sub(1).map_or(0, |last| ends[last])
    }

    /// Whether, and as what, a body may come in here; who is refused is refused by hyper's way.
    fn admit(&self, config: &Arc<Config>, asks: Asks<'_>) -> Option<Admitted> {
        let Asks { form, host, authorization, content_type } = asks;
        if !is_own_host(&config.server, host) {
            return None;
        }
        ingest::admit_plain(&self.app, config, form, authorization, content_type).ok()
    }

    /// Whether the request fits the lane's room and limits, and is short work.
    fn fits(&self, config: &Config, head: &Head<'_>) -> bool {
        let limit = match head.asks.form {
            Form::One => config.limits.event_body_bytes,
            Form::Many => config.limits.batch_bytes,
        };
        head.length <= limit && !self.app.stage.takes(head.length)
    }

    fn answer_upload(&mut self, upload: &Upload) {
        let app = self.app.clone();
        let date = wire::date(SystemTime::now());
        let varies = !app.config().server.origins.is_empty();
        let closing = self.state == State::Stopping;
        let top = Top { id: &upload.id, date: &date, varies, closing };
        let status = ROOM
            .with_borrow_mut(|(_, told)| self.answer(&upload.admitted, top, upload.body(), told));
        let now = Instant::now();
        app.metrics.http.answered(&route(self.form), status, now - upload.started);
        self.wait_for(Due::Head, now + self.head_timeout);
    }

    /// Answers one request.
    fn answer(
        &mut self,
        admitted: &Admitted,
        top: Top<'_>,
        body: &[u8],
        told: &mut Vec<u8>,
    ) -> StatusCode {
        self.was_asked = true;
        told.clear();
        let ip = self.remote.ip();
        let stored = catch_unwind(AssertUnwindSafe(|| {
            ingest::post_plain(&self.app, ip, top.id, admitted, body, told)
        }));
        let settled = stored.unwrap_or_else(|panic| Err(panicked(top.id, panic.as_ref())));
        let status = put(&mut self.answers, top, settled.map(|()| &told[..]));
        self.note(admitted, top.id, status);
        status
    }

    /// Has it written down where somebody may not post what he posts. Who has no token at all is hyper's.
    fn note(&self, admitted: &Admitted, id: &RequestId, status: StatusCode) {
        if !is_forbidden(status) {
            return;
        }
        let entry = Entry {
            time: now_rfc3339(),
            request_id: id.as_str(),
            client: self.remote.ip().to_canonical(),
            token: Some(&admitted.caller.name),
            method: "POST",
            path: path(self.form),
            status: Some(status.as_u16()),
        };
        self.app.audit.record(entry, admitted.config.audit.max_bytes);
    }

    fn wait_for(&mut self, due: Due, deadline: Instant) {
        (self.due, self.deadline) = (due, deadline);
        if due == Due::Body {
            self.patience.hurry(deadline);
        }
    }

    /// The client did not go on in time.
    fn give_up(&mut self) {
        self.state = State::Ending;
        self.begun = Vec::new();
        self.upload = None;
        if self.due == Due::Head {
            tracing::debug!(peer = %self.remote, "no request came in time");
            return;
        }
        let app = self.app.clone();
        let id = app.request_ids.of_value(None);
        let date = wire::date(SystemTime::now());
        let varies = !app.config().server.origins.is_empty();
        let answer = ingest::timeout_passed().into_answer();
        let top = Top { id: &id, date: &date, varies, closing: true };
        wire::put(&mut self.answers, top, &answer);
        let took = Duration::from_millis(app.config().server.body_timeout_ms);
        app.metrics.http.answered(&route(self.form), answer.status, took);
    }
}

/// Appends what a client is told.
fn put(answers: &mut Vec<u8>, top: Top<'_>, settled: Result<&[u8], Refused>) -> StatusCode {
    match settled {
        Ok(told) => {
            wire::put_json(answers, top, told);
            StatusCode::OK
        }
        Err(refused) => {
            let answer = refused.into_answer();
            wire::put(answers, top, &answer);
            answer.status
        }
    }
}

fn route(form: Form) -> RouteLabel {
    RouteLabel::of_path(path(form))
}

fn path(form: Form) -> &'static str {
    match form {
        Form::One => "/event",
        Form::Many => "/events",
    }
}
