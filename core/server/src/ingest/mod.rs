//! `POST /event` and `POST /events`: who, what kind of body, the body, and then one step into the ring.
//!
//! The rule: the token is checked before a byte of the body is read, everything is checked before
//! anything is stored, and the answer is sent when the events are readable.

mod body;
mod log;
mod media;
mod stage;
mod store;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http::request::Parts;
use hyper::body::Incoming;

use crate::app::App;
use crate::auth::Caller;
use crate::config::Config;
use crate::http::{Answer, Refused, RequestId};
use crate::listener::Peer;

pub(crate) use log::IngestLog;
pub(crate) use stage::Stage;
pub(crate) use store::{Buffers, unix_ns};

use media::Media;

/// Whether a body holds one event or many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `POST /event`.
    One,
    /// `POST /events`.
    Many,
}

/// Everything about a request that is known before its body.
pub(crate) struct Admitted {
    pub(crate) config: Arc<Config>,
    pub(crate) caller: Caller,
    pub(crate) media: Media,
}

/// Answers an ingest request.
pub(crate) async fn post(
    app: &Arc<App>,
    peer: &Arc<Peer>,
    id: &RequestId,
    form: Form,
    request: Request<Incoming>,
) -> Result<Answer, Refused> {
    let (parts, incoming) = request.into_parts();
    let admitted = match admit(app, peer, form, &parts) {
        Ok(admitted) => admitted,
        Err(refused) => {
            body::discard(incoming);
            return Err(refused);
        }
    };
    let limits = &admitted.config.limits;
    let limit = match form {
        Form::One => limits.event_body_bytes,
        Form::Many => limits.batch_bytes,
    };
    let timeout = Duration::from_millis(admitted.config.server.body_timeout_ms);
    let body = body::read(incoming, &parts.headers, limit, timeout).await?;
    if !app.stage.takes(body.len()) {
        return stored(app, peer, id, &admitted, &parts, &body);
    }
    let (app_, peer, id) = (app.clone(), peer.clone(), id.clone());
    app.stage.run(move || stored(&app_, &peer, &id, &admitted, &parts, &body)).await
}

fn admit(app: &App, peer: &Peer, form: Form, parts: &Parts) -> Result<Admitted, Refused> {
    let caller = app.auth.caller(&parts.headers)?;
    let config = app.config();
    let media = Media::of(form, &parts.headers)?;
    if form == Form::One {
        limit(app, &config, peer, &caller, 1)?;
    }
    Ok(Admitted { config, caller, media })
}

fn stored(
    app: &App,
    peer: &Peer,
    id: &RequestId,
    admitted: &Admitted,
    parts: &Parts,
    body: &Bytes,
) -> Result<Answer, Refused> {
    let outcome = match admitted.media {
        Media::One(media) => store::one(app, id, admitted, media, &parts.headers, body),
        Media::Many(media) => store::many(app, id, admitted, media, body, |events| {
            limit(app, &admitted.config, peer, &admitted.caller, events)
        }),
    };
    if let Err(refused) = &outcome {
        app.metrics.ingest.refused(refused.status());
    }
    outcome
}

fn limit(
    app: &App,
    config: &Config,
    peer: &Peer,
    caller: &Caller,
    events: usize,
) -> Result<(), Refused> {
    let rate = config.limits.events_per_second;
    if rate == 0 {
        return Ok(());
    }
    app.limiter.take(rate, &caller.name, peer.remote.ip(), events, Instant::now())
}
