//! A connection to another gateway, dialled again whenever it ends.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;

use super::{HANDSHAKE, Shared, talk, websocket};
use crate::config::Token;
use crate::dial::GatewayAddress;

/// First and last pause between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// Keeps a connection to `peer` for as long as the task lives.
pub(super) async fn keep(shared: Arc<Shared>, peer: GatewayAddress, token: Token) {
    let mut pause = PAUSES.0;
    let mut told = false;
    loop {
        let begun = Instant::now();
        let why = attempt(&shared, &peer, &token).await;
        if begun.elapsed() > PAUSES.1 {
            (pause, told) = (PAUSES.0, false);
        }
        if let (Some(why), false) = (why, told) {
            (shared.porter.warn)(&format!(
                "the gateway {peer:?} is not reached: {why}; trying again"
            ));
            told = true;
        }
        let jitter = rand::rng().random_range(0.5..1.0);
        sleep(pause.mul_f64(jitter)).await;
        pause = (2 * pause).min(PAUSES.1);
    }
}

/// One connection from dialling to its end; why there was none.
async fn attempt(shared: &Shared, peer: &GatewayAddress, token: &Token) -> Option<String> {
    let Ok(_room) = shared.room.acquire().await else { return None };
    let mut request = match peer.url().into_client_request() {
        Ok(request) => request,
        Err(why) => return Some(why.to_string()),
    };
    match HeaderValue::from_str(&format!("Bearer {}", token.0)) {
        Ok(mut value) => {
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Err(_) => return Some("json_token holds what no header may".to_owned()),
    }
    match timeout(HANDSHAKE, connect_async_with_config(request, Some(websocket()), true)).await {
        Ok(Ok((socket, _))) => {
            talk::run(shared, socket).await;
            None
        }
        Ok(Err(why)) => Some(why.to_string()),
        Err(_) => Some(format!("no answer within {} s", HANDSHAKE.as_secs())),
    }
}
