//! `POST /event` and `POST /events`: who, what kind of body, the body, and then one step into the ring.
//!
//! The rule: the token is checked before a byte of the body is read, everything is checked before
//! anything is stored, and the answer is sent when the events are readable.

mod bodies;
mod body;
mod intake;
mod log;
mod media;
mod stage;
mod store;
mod together;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{HeaderMap, Request, StatusCode};
use hyper::body::Incoming;

use crate::app::App;
use crate::auth::Caller;
use crate::config::Config;
use crate::http::{Answer, Refused, RequestId};
use crate::listener::Peer;

pub(crate) use bodies::{Bodies, Buffer};
pub(crate) use body::{read as read_body, timeout_passed};
pub(crate) use intake::{FREE_BYTES, Intake, Room};
pub(crate) use log::IngestLog;
pub(crate) use stage::Stage;
pub(crate) use store::{Buffers, unix_ns};
pub(crate) use together::{Post, post_together};

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
    config: Arc<Config>,
    peer: &Arc<Peer>,
    id: &RequestId,
    form: Form,
    request: Request<Incoming>,
) -> Result<Answer, Refused> {
    let (parts, incoming) = request.into_parts();
    let admitted = match admit(app, config, peer, form, &parts) {
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
    let stated = body::stated(&parts.headers);
    if app.stage.takes(stated.unwrap_or(limit))
        && let Err(refused) = app.stage.check()
    {
        body::discard(incoming);
        count_busy(app, &refused);
        return Err(refused);
    }
    let mut room = app.intake.room(limits.waiting_bytes);
    let read = body::read(incoming, &parts.headers, limit, timeout, &mut room).await;
    let body = read.inspect_err(|refused| count_busy(app, refused))?;
    if !app.stage.takes(body.len()) {
        return stored(app, peer, id, &admitted, &parts.headers, &body);
    }
    let (app_, peer, id) = (app.clone(), peer.clone(), id.clone());
    let work = move || {
        let _room = room;
        stored(&app_, &peer, &id, &admitted, &parts.headers, &body)
    };
    match app.stage.run(work).await {
        Ok(outcome) => outcome,
        Err(refused) => {
            count_busy(app, &refused);
            Err(refused)
        }
    }
}

/// Counts who was refused, before there was anything to store, because the node has too much to do.
fn count_busy(app: &App, refused: &Refused) {
    if refused.status() == StatusCode::SERVICE_UNAVAILABLE {
        app.metrics.ingest.refused(refused.status());
    }
}

/// Who posts and as what, for a request without headers that would say more.
pub(crate) fn admit_plain(
    app: &App,
    config: &Arc<Config>,
    form: Form,
    authorization: Option<&[u8]>,
    content_type: Option<&[u8]>,
) -> Result<Admitted, Refused> {
    let caller = app.auth.caller_by(authorization)?;
    let media = Media::plain(form, content_type)?;
    Ok(Admitted { config: config.clone(), caller, media })
}

/// Stores the events of such a request; appends what its client is told.
pub(crate) fn post_plain(
    app: &App,
    address: IpAddr,
    id: &RequestId,
    admitted: &Admitted,
    body: &[u8],
    told: &mut Vec<u8>,
) -> Result<(), Refused> {
    if let Media::One(_) = admitted.media {
        limit(app, &admitted.config, address, &admitted.caller, 1)?;
    }
    store(app, address, id, admitted, &HeaderMap::new(), body, told)
}

fn admit(
    app: &App,
    config: Arc<Config>,
    peer: &Peer,
    form: Form,
    parts: &Parts,
) -> Result<Admitted, Refused> {
    let caller = app.auth.caller(&parts.headers)?;
    let media = Media::of(form, &parts.headers)?;
    if form == Form::One {
        let client = peer.client(&config.server, &parts.headers);
        limit(app, &config, client, &caller, 1)?;
    }
    Ok(Admitted { config, caller, media })
}

fn stored(
    app: &App,
    peer: &Peer,
    id: &RequestId,
    admitted: &Admitted,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Answer, Refused> {
    let mut told = Vec::new();
    let client = peer.client(&admitted.config.server, headers);
    store(app, client, id, admitted, headers, body, &mut told)?;
    Ok(Answer::json(told))
}

fn store(
    app: &App,
    address: IpAddr,
    id: &RequestId,
    admitted: &Admitted,
    headers: &HeaderMap,
    body: &[u8],
    told: &mut Vec<u8>,
) -> Result<(), Refused> {
    let stored = match admitted.media {
        Media::One(media) => store::one(app, id, admitted, media, headers, body, told),
        Media::Many(media) => {
            let charge = |events| limit(app, &admitted.config, address, &admitted.caller, events);
            store::many(app, id, admitted, media, body, told, charge)
        }
    };
    stored.inspect_err(|refused| app.metrics.ingest.refused(refused.status()))
}

fn limit(
    app: &App,
    config: &Config,
    address: IpAddr,
    caller: &Caller,
    events: usize,
) -> Result<(), Refused> {
    let rate = config.limits.events_per_second;
    if rate == 0 {
        return Ok(());
    }
    app.limiter.take(rate, &caller.name, address, events, Instant::now())
}
