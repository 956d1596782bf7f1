//! `/stream` and `/stream/sse`: the handshakes; what follows belongs to the stream shards.
//!
//! The rule: everything that can be refused is refused before the answer's head is sent.

use std::net::TcpStream as StdStream;
use std::sync::Arc;
use std::time::Duration;

use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use salvo::http::ResBody;
use salvo::{Depot, FlowCtrl, Handler, Request, Response, async_trait};
use tokio::net::TcpStream;
use tungstenite::handshake::derive_accept_key;

use super::page::context;
use crate::app::App;
use crate::http::{Problem, Query, Refused};
use crate::listener::{Conn, Context, Slot, check_origin};
use crate::stream::{
    Agreement, AttachError, ClientId, Filter, Protocol, Subscription, TopicSeat, TopicSubscription,
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx and its like not to gather a stream's bytes.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A stream of events.
pub(crate) struct Events {
    app: Arc<App>,
    transport: Transport,
}

/// How a stream travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// WebSocket.
    Ws,
    /// Server-Sent Events.
    Sse,
}

/// What a client is connected to.
pub(crate) enum Attachment {
    /// Events of the ring.
    Events(Subscription),
    /// Messages of a plugin.
    Topic(TopicSeat, TopicSubscription),
}

impl Events {
    /// `/stream`.
    pub(crate) fn ws(app: &Arc<App>) -> Self {
        Self { app: app.clone(), transport: Transport::Ws }
    }

    /// `/stream/sse`.
    pub(crate) fn sse(app: &Arc<App>) -> Self {
        Self { app: app.clone(), transport: Transport::Sse }
    }

    fn open(&self, req: &mut Request, res: &mut Response) -> Result<(), Refused> {
        let query = Query::parse(req.uri().query())?;
        let attachment = Attachment::Events(Subscription {
            protocol: self.transport.protocol(req.version()),
            filter: Filter {
                kind: query.text("kind").map(str::to_owned),
                subject: query.text("subject").map(str::to_owned),
                source: query.text("source").map(str::to_owned),
            },
            // What is published now is the last that the client does not get: whatever comes while the
            // handshake is under way belongs to the stream.
            since_seq: since(&query, req.headers())?.or(Some(self.app.ring.published())),
            heartbeat: heartbeat(&self.app, &query)?,
            request_id: context(req)?.id.as_str().to_owned(),
            slot: None,
        });
        connect(&self.app, self.transport, attachment, req, res)
    }
}

#[async_trait]
impl Handler for Events {
    async fn handle(&self, req: &mut Request, _: &mut Depot, res: &mut Response, _: &mut FlowCtrl) {
        if let Err(refused) = self.open(req, res) {
            refused.into_answer().into_salvo(res);
        }
    }
}

impl Transport {
    /// How the shard has to write: HTTP/1.0 knows no chunks, there the end of the connection ends the body.
    pub(crate) fn protocol(self, version: Version) -> Protocol {
        match self {
            Self::Ws => Protocol::Ws,
            Self::Sse => Protocol::Sse { chunked: version >= Version::HTTP_11 },
        }
    }
}

/// Answers the head of a stream and sees to it that the socket then goes to the shards.
pub(crate) fn connect(
    app: &Arc<App>,
    transport: Transport,
    attachment: Attachment,
    req: &mut Request,
    res: &mut Response,
) -> Result<(), Refused> {
    check_origin(&app.config().server, req.uri(), req.headers())?;
    if app.is_draining() {
        return Err(Problem::busy("the node is stopping"));
    }
    if !app.streams.has_room() {
        return Err(Problem::busy("as many streams as stream.max_clients are open"));
    }
    match transport {
        Transport::Ws => upgrade(app, attachment, req, res),
        Transport::Sse => hand_over(app, attachment, req, res),
    }
}

fn upgrade(
    app: &Arc<App>,
    mut attachment: Attachment,
    req: &mut Request,
    res: &mut Response,
) -> Result<(), Refused> {
    let accept = accept_key(req.headers())?;
    let agreement = agreement(&mut attachment, req.headers());
    let slot = context(req)?.peer.slot.clone();
    let upgrade = req.extensions_mut().remove::<OnUpgrade>().ok_or_else(not_a_handshake)?;
    let app = app.clone();
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => take_upgraded(&app, upgraded, attachment, slot),
            Err(error) => tracing::debug!(%error, "a WebSocket ended in its handshake"),
        }
    });
    res.status_code(StatusCode::SWITCHING_PROTOCOLS);
    let headers = res.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(agreement) = agreement.and_then(|it| HeaderValue::from_str(&it.answer()).ok()) {
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, agreement);
    }
    Ok(())
}

/// Takes up compression where the client offers it. A plugin's messages go as they are.
fn agreement(attachment: &mut Attachment, headers: &HeaderMap) -> Option<Agreement> {
    let Attachment::Events(subscription) = attachment else { return None };
    let offers = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
    let agreement = Agreement::of(offers.filter_map(|value| value.to_str().ok()))?;
    subscription.protocol = Protocol::Deflate { chained: agreement.takeover };
    Some(agreement)
}

fn take_upgraded(app: &App, upgraded: Upgraded, attachment: Attachment, slot: Arc<Slot>) {
    // A failed downcast would mean that the listener serves another kind of connection than ours.
    let Ok(parts) = upgraded.downcast::<TokioIo<Conn>>() else {
        tracing::error!("an upgraded connection is not of the listener");
        return;
    };
    if let Some(stream) = parts.io.into_inner().into_stream() {
        attach(app, stream, parts.read_buf.to_vec(), attachment, slot);
    }
}

fn hand_over(
    app: &Arc<App>,
    attachment: Attachment,
    req: &Request,
    res: &mut Response,
) -> Result<(), Refused> {
    let Context { peer, .. } = context(req)?;
    let (app, slot) = (app.clone(), peer.slot.clone());
    let body = peer.takeover.body(Box::new(move |stream| {
        attach(&app, stream, Vec::new(), attachment, slot);
    }));
    res.status_code(StatusCode::OK);
    let headers = res.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    res.body(ResBody::Boxed(Box::pin(body)));
    Ok(())
}

fn attach(app: &App, stream: TcpStream, read: Vec<u8>, attachment: Attachment, slot: Arc<Slot>) {
    slot.leave_to_stream(&stream, Duration::from_secs(app.config().stream.stall_seconds));
    let attached =
        stream.into_std().map_err(AttachError::from).and_then(
            |socket: StdStream| match attachment {
                Attachment::Events(mut subscription) => {
                    subscription.slot = Some(slot);
                    app.streams.attach(socket, read, subscription)
                }
                Attachment::Topic(seat, mut subscription) => {
                    subscription.slot = Some(slot);
                    app.streams.attach_seated(socket, read, seat, subscription)
                }
            },
        );
    if let Err(error) = attached.map(|_: ClientId| ()) {
        tracing::debug!(%error, "a stream client was turned away");
    }
}

/// The answer to the handshake of RFC 6455, 4.2.1.
fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, Refused> {
    let has = |name: HeaderName, token: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|item| item.trim().eq_ignore_ascii_case(token)))
    };
    if !has(CONNECTION, "upgrade") || !has(UPGRADE, "websocket") {
        return Err(not_a_handshake());
    }
    let is_version = headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    if !is_version {
        return Err(not_a_handshake().header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
    if !is_key(key) {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "Sec-WebSocket-Key is not 16 bytes of base64",
        ));
    }
    HeaderValue::from_str(&derive_accept_key(key)).map_err(|_| not_a_handshake())
}

fn is_key(key: &[u8]) -> bool {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

fn not_a_handshake() -> Refused {
    Problem::new(StatusCode::UPGRADE_REQUIRED, "this path speaks WebSocket, version 13")
        .header(UPGRADE, HeaderValue::from_static("websocket"))
        .header(CONNECTION, HeaderValue::from_static("Upgrade"))
}

/// `Last-Event-ID` is what a browser knows; it is newer than the query, which a reconnect repeats.
fn since(query: &Query<'_>, headers: &HeaderMap) -> Result<Option<u64>, Refused> {
    let expected = "a sequence, a whole number of 0 or more";
    let asked = query.parsed("since_seq", expected)?;
    match headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) {
        None => Ok(asked),
        Some(value) => value
            .to_str()
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .map(Some)
            .ok_or_else(|| Problem::field("Last-Event-ID", format!("must be {expected}"))),
    }
}

/// `?heartbeat=` in seconds, or what is configured.
pub(crate) fn heartbeat(app: &App, query: &Query<'_>) -> Result<Duration, Refused> {
    let seconds = asked_heartbeat(query)?.unwrap_or(app.config().stream.heartbeat_seconds);
    Ok(Duration::from_secs(seconds))
}

fn asked_heartbeat(query: &Query<'_>) -> Result<Option<u64>, Refused> {
    let expected = "a whole number of seconds from 1 to 60";
    let asked = query.parsed("heartbeat", expected)?;
    if asked.is_some_and(|seconds| !(1..=60).contains(&seconds)) {
        return Err(Problem::field("heartbeat", format!("must be {expected}")));
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handshake_is_that_of_the_rfc() {
        let mut headers = HeaderMap::new();
        assert_eq!(accept_key(&headers).unwrap_err().status(), 426);
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        assert_eq!(accept_key(&headers).unwrap_err().status(), 426);
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("c2hvcnQ="));
        assert_eq!(accept_key(&headers).unwrap_err().status(), 400);
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        assert_eq!(accept_key(&headers).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_browser_that_reconnects_goes_on_where_it_was() {
        let query = Query::parse(Some("since_seq=3&heartbeat=60")).unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(since(&query, &headers).unwrap(), Some(3));
        headers.insert(LAST_EVENT_ID, HeaderValue::from_static("7"));
        assert_eq!(since(&query, &headers).unwrap(), Some(7));
        headers.insert(LAST_EVENT_ID, HeaderValue::from_static("x"));
        assert!(since(&query, &headers).is_err());
        assert_eq!(asked_heartbeat(&query).unwrap(), Some(60));
        for bad in ["heartbeat=0", "heartbeat=61", "heartbeat=x"] {
            assert!(asked_heartbeat(&Query::parse(Some(bad)).unwrap()).is_err(), "{bad}");
        }
    }
}
