//! The peers: the same program again, started with an argument, so that each has a process of its own.
//!
//! The rule: a peer has the runtime, the flags, the headers and the length of the answers of Shimmer;
//! what it leaves out is the work.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use salvo::conn::SocketAddr as SalvoAddress;
use salvo::{Depot, FlowCtrl, Handler, Router, Service};
use serde::Deserialize;
use std::borrow::Cow;
use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::net::TcpListener;

const ARGUMENT: &str = "--peer";
/// As long as Shimmer's answers in the middle of a run.
const ONE: &[u8] =
    b"{\"status\":\"ok\",\"event_id\":\"0123456789abcdef\",\"seq\":1234567,\"duplicate\":false}";
const MANY: &[u8] = b"{\"accepted\":1000,\"duplicates\":0,\"rejected\":[]}";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ID: HeaderValue = HeaderValue::from_static("0123456789abcdef0123");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// hyper alone: reads the body, answers.
    Hyper,
    /// A salvo handler that does the same.
    Salvo,
    /// hyper that receives batches.
    Receive,
    /// hyper that receives batches, parses them with sonic-rs and checks every field.
    Parse,
}

/// A peer's process.
pub(crate) struct Peer {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Kind {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Hyper, "hyper"),
        (Self::Salvo, "salvo"),
        (Self::Receive, "receive"),
        (Self::Parse, "parse"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// Which peer this process is, if it is one.
    pub(crate) fn of_arguments() -> Option<Self> {
        let wanted = std::env::args().skip_while(|argument| argument != ARGUMENT).nth(1)?;
        Self::ALL.iter().find(|(_, name)| *name == wanted).map(|(kind, _)| *kind)
    }
}

impl Peer {
    pub(crate) fn start(kind: Kind) -> Self {
        let own = std::env::current_exe().expect("a bench has a path");
        let mut child = Command::new(own)
            .args([ARGUMENT, kind.name()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a peer starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("a peer says its address");
        let address = line.trim().parse().expect("an address");
        Self { child, address }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Is a peer until it is killed.
pub(crate) fn serve(kind: Kind) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        println!("{address}");
        match kind {
            Kind::Salvo => accept_salvo(listener).await,
            kind => accept(listener, kind).await,
        }
    });
}

/// The flags of `core/server/src/listener`.
fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .keep_alive(true)
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(30))
        .max_headers(100)
        .max_buf_size(64 << 10)
        .max_header_size(64 << 10);
    builder
}

async fn accept(listener: TcpListener, kind: Kind) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(kind, request));
            // The bench ends its connections whenever it likes.
            let _ = builder().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
        });
    }
}

async fn answer(
    kind: Kind,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let Ok(body) = request.into_body().collect().await else {
        return Ok(Response::new(Full::new(Bytes::new())));
    };
    let body = body.to_bytes();
    let text = match kind {
        Kind::Parse => {
            assert_eq!(parse(&body), 1_000, "every event is good");
            MANY
        }
        Kind::Receive => MANY,
        Kind::Hyper | Kind::Salvo => ONE,
    };
    let mut response = Response::new(Full::new(Bytes::from_static(text)));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response.headers_mut().insert(REQUEST_ID, ID);
    Ok(response)
}

#[derive(Deserialize)]
struct Posted<'a> {
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    subject: Cow<'a, str>,
    value: f64,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    data: sonic_rs::LazyValue<'a>,
}

/// How many lines are good events.
fn parse(body: &[u8]) -> usize {
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.filter(|line| sonic_rs::from_slice(line).is_ok_and(|posted| is_good(&posted))).count()
}

fn is_good(posted: &Posted<'_>) -> bool {
    let name = |text: &str| text.chars().count() <= 128 && !text.chars().any(char::is_control);
    let kind = posted.kind.as_bytes();
    name(&posted.event_id)
        && !posted.event_id.is_empty()
        && name(&posted.subject)
        && name(&posted.source)
        && (1..=64).contains(&kind.len())
        && kind.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(b))
        && posted.value.is_finite()
        && shimmer_event::rfc3339::parse(&posted.timestamp).is_ok()
        && posted.data.as_raw_str().starts_with('{')
}

struct Answering;

#[salvo::async_trait]
impl Handler for Answering {
    async fn handle(
        &self,
        req: &mut salvo::Request,
        _: &mut Depot,
        res: &mut salvo::Response,
        _: &mut FlowCtrl,
    ) {
        if req.payload().await.is_err() {
            return;
        }
        res.headers_mut().insert(CONTENT_TYPE, JSON);
        res.headers_mut().insert(REQUEST_ID, ID);
        res.body(salvo::http::ResBody::Once(Bytes::from_static(ONE)));
    }
}

async fn accept_salvo(listener: TcpListener) {
    let local: SalvoAddress = listener.local_addr().expect("an address").into();
    let service = Service::new(Router::with_path("event").post(Answering));
    loop {
        let (stream, remote) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        let handler = service.hyper_handler(
            local.clone(),
            remote.into(),
            salvo::http::uri::Scheme::HTTP,
            None,
            salvo::ConnCtrl::new(),
            None,
        );
        tokio::spawn(async move {
            // As above.
            let _ = builder().serve_connection(TokioIo::new(stream), handler).with_upgrades().await;
        });
    }
}
