//! Pages: functions from a request to an answer, and what turns them into salvo handlers.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, StatusCode};
use salvo::{Depot, FlowCtrl, Handler, Request, Response, async_trait};

use crate::app::App;
use crate::http::{Answer, Problem, Query, Refused};
use crate::listener::Context;

/// What a page may look at.
pub(crate) struct Ask<'a> {
    /// The node.
    pub(crate) app: &'a Arc<App>,
    /// Parameters behind the `?`.
    pub(crate) query: Query<'a>,
    /// The request's headers.
    pub(crate) headers: &'a HeaderMap,
    /// The path as it was asked for.
    pub(crate) path: &'a str,
    /// `{name}` of the path, decoded; empty where the path has none.
    pub(crate) name: &'a str,
    /// Id of the request and its peer.
    pub(crate) context: &'a Context,
}

type Show = fn(&Ask<'_>) -> Result<Answer, Refused>;

/// A page as a handler.
pub(crate) struct Page {
    app: Arc<App>,
    show: Show,
    blocking: bool,
}

impl Page {
    /// A page that takes microseconds.
    pub(crate) fn new(app: &Arc<App>, show: Show) -> Self {
        Self { app: app.clone(), show, blocking: false }
    }

    /// A page that may wait for a file, a plugin or a thread.
    pub(crate) fn blocking(app: &Arc<App>, show: Show) -> Self {
        Self { app: app.clone(), show, blocking: true }
    }

    fn answer(&self, req: &Request) -> Result<Answer, Refused> {
        let name: String = req.param("name").unwrap_or_default();
        let ask = Ask {
            app: &self.app,
            query: Query::parse(req.uri().query())?,
            headers: req.headers(),
            path: req.uri().path(),
            name: &name,
            context: context(req)?,
        };
        (self.show)(&ask)
    }
}

#[async_trait]
impl Handler for Page {
    async fn handle(&self, req: &mut Request, _: &mut Depot, res: &mut Response, _: &mut FlowCtrl) {
        let answer = if self.blocking {
            tokio::task::block_in_place(|| self.answer(req))
        } else {
            self.answer(req)
        };
        answer.unwrap_or_else(|refused| refused.into_answer()).into_salvo(res);
    }
}

/// Gives 404 and 405 without a body their problem document; innermost, so that every other hoop sees it.
pub(crate) struct Catch;

#[async_trait]
impl Handler for Catch {
    async fn handle(
        &self,
        req: &mut Request,
        depot: &mut Depot,
        res: &mut Response,
        ctrl: &mut FlowCtrl,
    ) {
        let unrouted =
            matches!(res.status_code, Some(StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED));
        if !unrouted {
            ctrl.call_next(req, depot, res).await;
            return;
        }
        let problem = match res.status_code {
            Some(StatusCode::METHOD_NOT_ALLOWED) => {
                Problem::method_not_allowed(HeaderValue::from_static(allowed(req.uri().path())))
            }
            _ => Problem::new(StatusCode::NOT_FOUND, "nothing is served under this path"),
        };
        problem.into_answer().into_salvo(res);
    }
}

/// The methods of a path of the core. salvo finds them, too, but only after every hoop has run.
fn allowed(path: &str) -> &'static str {
    let is_action =
        path.starts_with("/api/plugin/") && !path.ends_with("/logs") && path.split('/').count() > 4;
    match path.trim_end_matches('/') {
        "/event" | "/events" | "/api/reload" => "POST",
        _ if is_action => "POST",
        "/stream" | "/stream/sse" => "GET",
        _ => "GET, HEAD",
    }
}

/// What the listener put beside the request.
pub(crate) fn context(req: &Request) -> Result<&Context, Refused> {
    req.extensions().get::<Context>().ok_or_else(|| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request has no connection")
    })
}

/// Ingest under another spelling of its path; the listener takes the right one itself.
pub(crate) fn misspelt(_: &Ask<'_>) -> Result<Answer, Refused> {
    let detail = "nothing is served under this path; events go to /event or /events, spelt so";
    Err(Problem::new(StatusCode::NOT_FOUND, detail))
}
