//! What every request meets first: its id, the Host and Origin checks, and the way to its handler.
//!
//! Ingest is answered here without salvo, which costs a fifth of a small request; everything else is
//! salvo's. The rule: every answer leaves with its id and is counted, panics included.

use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::Service;
use salvo::http::ResBody;

use super::cors::Cors;
use super::{Slot, Takeover, check_coding, check_host, check_named_once, check_origin};
use super::{policy, proxy};
use crate::app::App;
use crate::audit::Entry;
use crate::config::{Config, ServerSection};
use crate::http::request_id;
use crate::http::{Problem, Refused, RequestId};
use crate::ingest;
use crate::metrics::RouteLabel;
use crate::stream::now_rfc3339;

/// The other end of a connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) remote: SocketAddr,
    pub(crate) takeover: Arc<Takeover>,
    pub(crate) slot: Arc<Slot>,
}

impl Peer {
    /// Who asks with these headers: the other end, or whom a trusted proxy there names.
    pub(crate) fn client(&self, section: &ServerSection, headers: &HeaderMap) -> IpAddr {
        proxy::client(section, self.remote.ip(), headers)
    }
}

/// What handlers behind salvo find among a request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) id: RequestId,
    pub(crate) peer: Arc<Peer>,
}

/// Answers one request. `routes` is salvo, whose handler type has no public name.
///
/// Its line of the audit log begins with the call: the future of a request that comes together with the
/// end of its connection is never polled.
pub(crate) fn serve<S>(
    app: Arc<App>,
    peer: Arc<Peer>,
    routes: S,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<ResBody>, hyper::Error>>
where
    S: Service<Request<Incoming>, Response = Response<ResBody>, Error = hyper::Error>,
{
    let started = Instant::now();
    let id = app.request_ids.of(request.headers());
    let path = request.uri().path();
    let fast = match path {
        "/event" if request.method() == Method::POST => Some(ingest::Form::One),
        "/events" if request.method() == Method::POST => Some(ingest::Form::Many),
        _ => None,
    };
    let label = RouteLabel::of_path(path);
    let config = app.config();
    let deed = Deed::of(&app, &config, &peer, &id, &request, fast.is_some());
    async move {
        let cors = Cors::of(&config.server, request.headers());
        let checked = checked(&config.server, &request);
        let mut response = match (checked, cors.preflight(&request), fast) {
            (Err(refused), ..) | (_, Some(Err(refused)), _) => {
                refused.into_answer().into_response()
            }
            (_, Some(Ok(preflight)), _) => preflight,
            (Ok(()), None, Some(form)) => {
                let posted = async {
                    let answer =
                        ingest::post(&app, config.clone(), &peer, &id, form, request).await;
                    Ok(answer.unwrap_or_else(|refused| refused.into_answer()).into_response())
                };
                caught(&id, posted).await?
            }
            (Ok(()), None, None) => routed(routes, &id, peer, request).await?,
        };
        if fast.is_none() {
            let status = response.status();
            policy::mark(&config.server, status, response.headers_mut());
        }
        response.headers_mut().insert(request_id::HEADER, id.value());
        cors.mark(response.headers_mut());
        if let Some(deed) = deed {
            deed.answered(response.status());
        }
        let label = response.extensions().get::<RouteLabel>().cloned().unwrap_or(label);
        app.metrics.http.answered(&label, response.status(), started.elapsed());
        Ok(response)
    }
}

/// What the audit log says of a request that would change something. It is written when this is dropped, so that who
/// hangs up before the answer is written down, too.
struct Deed {
    app: Arc<App>,
    config: Arc<Config>,
    id: RequestId,
    client: IpAddr,
    token: Option<Arc<str>>,
    method: Method,
    path: String,
    is_ingest: bool,
    status: Option<StatusCode>,
}

impl Deed {
    fn of(
        app: &Arc<App>,
        config: &Arc<Config>,
        peer: &Peer,
        id: &RequestId,
        request: &Request<Incoming>,
        is_ingest: bool,
    ) -> Option<Self> {
        let method = request.method();
        if method.is_safe() || config.audit.max_bytes == 0 {
            return None;
        }
        let headers = request.headers();
        Some(Self {
            app: app.clone(),
            config: config.clone(),
            id: id.clone(),
            client: peer.client(&config.server, headers),
            token: app.auth.caller(headers).ok().map(|caller| caller.name),
            method: method.clone(),
            path: request.uri().path().to_owned(),
            is_ingest,
            status: None,
        })
    }

    fn answered(mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for Deed {
    fn drop(&mut self) {
        // Of events only those that somebody had no right to post: the journal has the others.
        if self.is_ingest && !self.status.is_some_and(is_forbidden) {
            return;
        }
        let entry = Entry {
            time: now_rfc3339(),
            request_id: self.id.as_str(),
            client: self.client,
            token: self.token.as_deref(),
            method: self.method.as_str(),
            path: &self.path,
            status: self.status.map(|status| status.as_u16()),
        };
        self.app.audit.record(entry, self.config.audit.max_bytes);
    }
}

/// Whether it is what somebody without the right is answered.
pub(super) fn is_forbidden(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

fn checked(section: &ServerSection, request: &Request<Incoming>) -> Result<(), Refused> {
    check_named_once(request.version(), request.headers())?;
    check_coding(request.headers())?;
    check_host(section, request.uri(), request.headers())?;
    if !request.method().is_safe() {
        check_origin(section, request.uri(), request.headers())?;
    }
    Ok(())
}

async fn routed<S>(
    routes: S,
    id: &RequestId,
    peer: Arc<Peer>,
    mut request: Request<Incoming>,
) -> Result<Response<ResBody>, hyper::Error>
where
    S: Service<Request<Incoming>, Response = Response<ResBody>, Error = hyper::Error>,
{
    request.extensions_mut().insert(Context { id: id.clone(), peer });
    caught(id, routes.call(request)).await
}

/// Awaits an answer; a panic on the way becomes a 500 instead of a broken connection.
async fn caught(
    id: &RequestId,
    answer: impl Future<Output = Result<Response<ResBody>, hyper::Error>>,
) -> Result<Response<ResBody>, hyper::Error> {
    let mut answer = pin!(answer);
    std::future::poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))).unwrap_or_else(|panic| {
            let refused = panicked(id, panic.as_ref());
            Poll::Ready(Ok(refused.into_answer().into_response()))
        })
    })
    .await
}

/// Logs a handler's panic; what its client is told.
pub(super) fn panicked(id: &RequestId, panic: &(dyn std::any::Any + Send)) -> Refused {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown");
    tracing::error!(request_id = id.as_str(), panic = text, "a handler panicked");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; the log has the request id")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::RequestIds;

    #[tokio::test]
    async fn a_panic_becomes_a_problem() {
        let id = RequestIds::new(1).of(&http::HeaderMap::new());
        let answer = caught(&id, async { panic!("{} of the test", "a fault") }).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
}
