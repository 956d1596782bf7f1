//! The door: a WebSocket handshake that shows a token of the node.

#![expect(clippy::result_large_err, reason = "the handshake's own type")]

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use shimmer_mesh::Reason;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::{
    AUTHORIZATION, CONTENT_TYPE, SEC_WEBSOCKET_PROTOCOL, WWW_AUTHENTICATE,
};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, StatusCode};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::{HANDSHAKE, Porter, Shared, websocket};

/// The subprotocol that a browser asks for beside its token.
const PROTOCOL: &str = "shimmer";
/// What stands before a browser's token.
const BEARER: &str = "bearer.";

/// A connection whose token is good, with its place among the others; why there is none.
pub(super) async fn shake_hands(
    shared: Arc<Shared>,
    socket: TcpStream,
) -> Result<(WebSocketStream<TcpStream>, OwnedSemaphorePermit), Reason> {
    drop(socket.set_nodelay(true));
    let (mut refused, mut place) = (None, None);
    let door = |request: &Request, response: Response| {
        let admitted = admit(&shared.porter, request.headers(), response).and_then(|response| {
            place = Arc::clone(&shared.room).try_acquire_owned().ok();
            let full = (Reason::Transport, refusal(StatusCode::SERVICE_UNAVAILABLE));
            place.is_some().then_some(response).ok_or(full)
        });
        admitted.map_err(|(reason, response)| {
            refused = Some(reason);
            response
        })
    };
    let handshake = accept_hdr_async_with_config(socket, door, Some(websocket()));
    match (tokio::time::timeout(HANDSHAKE, handshake).await, place) {
        (Ok(Ok(socket)), Some(place)) => Ok((socket, place)),
        _ => Err(refused.unwrap_or(Reason::Transport)),
    }
}

fn admit(
    porter: &Porter,
    headers: &HeaderMap,
    mut response: Response,
) -> Result<Response, (Reason, ErrorResponse)> {
    let Some(authorization) = authorization(headers) else {
        return Err((Reason::Auth, refusal(StatusCode::UNAUTHORIZED)));
    };
    match (porter.authorize)(&authorization) {
        Some(true) => {}
        Some(false) => return Err((Reason::Auth, refusal(StatusCode::UNAUTHORIZED))),
        None => return Err((Reason::Transport, refusal(StatusCode::SERVICE_UNAVAILABLE))),
    }
    if offers(headers).any(|name| name == PROTOCOL) {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    Ok(response)
}

/// The value of `Authorization`, or what a browser says instead, which may set no such header.
fn authorization(headers: &HeaderMap) -> Option<String> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        return value.to_str().ok().map(str::to_owned);
    }
    let token = offers(headers).find_map(|name| name.strip_prefix(BEARER))?;
    let token = BASE64_URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).ok()?;
    Some(format!("Bearer {}", String::from_utf8(token).ok()?))
}

fn offers(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(',')).map(str::trim)
}

fn refusal(status: StatusCode) -> ErrorResponse {
    let detail = match status {
        StatusCode::UNAUTHORIZED => {
            "send a token of this node as Authorization: Bearer TOKEN, or from a browser as the subprotocols shimmer and bearer.TOKEN in base64url"
        }
        _ => "the node cannot look at tokens now, or has no room for one more; come again",
    };
    let body = format!(
        r#"{{"type":"about:blank","title":"{}","status":{},"detail":"{detail}"}}"#,
        status.canonical_reason().unwrap_or_default(),
        status.as_u16()
    );
    let mut response = ErrorResponse::new(Some(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            Some((name.parse().ok()?, HeaderValue::from_str(value).ok()?))
        };
        pairs.iter().filter_map(pair).collect()
    }

    #[test]
    fn a_token_stands_in_the_header_or_among_the_subprotocols() {
        let told = |pairs| authorization(&headers(pairs));
        assert_eq!(told(&[("authorization", "Bearer abc")]).as_deref(), Some("Bearer abc"));
        let browser = [("sec-websocket-protocol", "shimmer, bearer.c2VjcmV0Pw")];
        assert_eq!(told(&browser).as_deref(), Some("Bearer secret?"));
        let padded = [("sec-websocket-protocol", "bearer.c2VjcmV0Pw==, shimmer")];
        assert_eq!(told(&padded).as_deref(), Some("Bearer secret?"));
        assert_eq!(told(&[("sec-websocket-protocol", "shimmer, bearer.%%%")]), None);
        assert_eq!(told(&[]), None);
    }
}
