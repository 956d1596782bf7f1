//! The plugins' routes: found after the core's own, asked through the host, with a deadline.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_SECURITY_POLICY, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use salvo::http::ResBody;
use salvo::{Depot, FlowCtrl, Handler, Request, Response, async_trait};

use super::api;
use super::page::context;
use super::streams::{self, Attachment, Transport};
use super::ui;
use crate::app::App;
use crate::http::{Problem, Query, Refused};
use crate::ingest::read_body;
use crate::listener::{check_origin, policy};
use crate::metrics::RouteLabel;
use crate::plugins::{
    CallError, HttpAnswer, HttpCall, PluginRoute, RouteAuth, RouteKind, Served, owner, stream_topic,
};
use crate::stream::{TopicSeat, TopicSubscription};

/// Longest body of a request to a plugin, as of its answers.
const MAX_BODY_BYTES: usize = 8 << 20;
/// A plugin that has not answered by then is given up; nothing may hang longer than two seconds.
const DEADLINE: Duration = Duration::from_millis(1900);
/// The page that a plugin's figures are shown on, and the route that says the plugin is there.
const MAP: &str = "/federated/map";
const MAP_OF: &str = "/federated/health";
/// Headers that belong to the connection, which is ours.
const CONNECTION_HEADERS: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-request-id",
];

/// Headers that speak for all pages of this origin, and so are nobody's but the program's; those of
/// [`CROSS_ORIGIN`] are, too.
const ORIGIN_HEADERS: [&str; 7] = [
    "alt-svc",
    "clear-site-data",
    "nel",
    "report-to",
    "service-worker-allowed",
    "set-cookie",
    "strict-transport-security",
];
const CROSS_ORIGIN: &str = "access-control-";
/// What a page of a plugin may do: run its own scripts, in an origin of its own. The dashboard keeps the operator's
/// token in this one.
const RULES: &str = "sandbox allow-downloads allow-forms allow-popups allow-scripts; ";

/// Looks for a plugin's route where the core has none.
pub(crate) struct Dispatch {
    app: Arc<App>,
}

impl Dispatch {
    pub(crate) fn new(app: &Arc<App>) -> Self {
        Self { app: app.clone() }
    }

    async fn serve(&self, req: &mut Request, res: &mut Response) -> Result<(), Refused> {
        let path = req.uri().path().to_owned();
        let (route, params) = match self.app.plugins.find(req.method(), &path) {
            Served::Route { route, params } => (route, params),
            Served::Methods(methods) => return Err(api::only(&methods)),
            Served::Nobody if self.is_map(&path) => {
                ui::page(&self.app, req.headers()).into_salvo(res);
                return Ok(());
            }
            Served::Nobody => return Err(self.nobody(&path)),
        };
        res.extensions.insert(RouteLabel::of_pattern(&route.spec.pattern));
        if route.spec.auth == RouteAuth::Token {
            self.app.auth.operator(req.headers())?;
        }
        let transport = match route.spec.kind {
            RouteKind::Http => {
                let answer = self.call(&route, &params, &path, req).await?;
                return self.show(answer, res);
            }
            RouteKind::Ws => Transport::Ws,
            RouteKind::Sse => Transport::Sse,
        };
        check_origin(&self.app.config().server, req.uri(), req.headers())?;
        // Taken before the plugin is asked, so that nothing falls between its first message and the next.
        let seat = self.app.streams.seat(&topic(&route, &params));
        let answer = self.call(&route, &params, &path, req).await?;
        self.stream(transport, seat, answer, req, res)
    }

    async fn call(
        &self,
        route: &PluginRoute,
        params: &[(String, String)],
        path: &str,
        req: &mut Request,
    ) -> Result<HttpAnswer, Refused> {
        let config = self.app.config();
        // Held until it is answered: so long the body is in memory.
        let mut room = self.app.intake.room(config.limits.waiting_bytes);
        let writes = route.spec.method != "GET";
        let body = if writes {
            let timeout = Duration::from_millis(config.server.body_timeout_ms);
            let body = req.take_body();
            read_body(body, req.headers(), MAX_BODY_BYTES, timeout, &mut room).await?.into()
        } else {
            Vec::new()
        };
        let call = HttpCall {
            route: route.index,
            writes,
            params: params.to_vec(),
            path: path.to_owned(),
            query: req.uri().query().unwrap_or_default().to_owned(),
            headers: forwarded(req.headers(), route.spec.auth),
            body,
            request_id: context(req)?.id.as_str().to_owned(),
        };
        let (reply, answer) = tokio::sync::oneshot::channel();
        // Nobody listens any more when the client has gone.
        let reply = move |result| drop(reply.send(result));
        self.app.plugins.host().call(&route.plugin, call, DEADLINE, reply);
        // The host keeps the deadline; this one only guards against a host that does not.
        match tokio::time::timeout(DEADLINE + Duration::from_millis(100), answer).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(error))) => Err(self.refusal(&route.plugin, &error)),
            Ok(Err(_)) | Err(_) => Err(self.refusal(&route.plugin, &CallError::Deadline)),
        }
    }

    fn stream(
        &self,
        transport: Transport,
        seat: TopicSeat,
        answer: HttpAnswer,
        req: &mut Request,
        res: &mut Response,
    ) -> Result<(), Refused> {
        if answer.status >= 400 {
            return self.show(answer, res);
        }
        let query = Query::parse(req.uri().query())?;
        let subscription = TopicSubscription {
            protocol: transport.protocol(req.version()),
            topic: seat.topic().to_owned(),
            first_message: (!answer.body.is_empty()).then(|| (String::new(), answer.body)),
            heartbeat: streams::heartbeat(&self.app, &query)?,
            request_id: context(req)?.id.as_str().to_owned(),
            slot: None,
        };
        streams::connect(&self.app, transport, Attachment::Topic(seat, subscription), req, res)
    }

    /// Sends an answer on, as a page that is not one of the program's.
    fn show(&self, answer: HttpAnswer, res: &mut Response) -> Result<(), Refused> {
        into_salvo(answer, res)?;
        // Beside a policy of the plugin's own, not in its place: what either forbids is forbidden.
        let policy = policy(RULES, &self.app.config().server);
        res.headers_mut().append(CONTENT_SECURITY_POLICY, policy);
        Ok(())
    }

    /// The map of the federation is a view of the dashboard, and is there with the plugin that it shows.
    fn is_map(&self, path: &str) -> bool {
        let health = || self.app.plugins.find(&Method::GET, MAP_OF);
        path == MAP && matches!(health(), Served::Route { .. })
    }

    fn nobody(&self, path: &str) -> Refused {
        let Some(plugin) = owner(path) else {
            return Problem::new(StatusCode::NOT_FOUND, "nothing is served under this path");
        };
        match self.app.plugins.host().card(plugin) {
            // It is configured, but its routes are known only once it has been loaded.
            Some(card) if !card.version.is_empty() => Problem::new(
                StatusCode::NOT_FOUND,
                format!("the plugin {plugin} has no such route"),
            ),
            Some(_) => self.down(plugin),
            None => Problem::new(
                StatusCode::NOT_FOUND,
                format!("the plugin {plugin} is not loaded; enable it with a [[plugin]] table"),
            )
            .member("plugin", plugin),
        }
    }

    fn refusal(&self, plugin: &str, error: &CallError) -> Refused {
        match error {
            CallError::Unknown | CallError::Down(_) => self.down(plugin),
            CallError::Deadline => {
                let detail = format!("the plugin {plugin} did not answer in time");
                Problem::new(StatusCode::GATEWAY_TIMEOUT, detail).member("plugin", plugin)
            }
            CallError::Busy => {
                Problem::busy(format!("the plugin {plugin} has too many open requests"))
                    .member("plugin", plugin)
            }
            CallError::Unsaved => {
                Problem::busy(format!("what the plugin {plugin} did cannot be saved; ask again"))
                    .member("plugin", plugin)
            }
            CallError::Failed(why) => {
                tracing::warn!(plugin, why, "a plugin failed on a request");
                let detail = format!("the plugin {plugin} failed on this request");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).member("plugin", plugin)
            }
        }
    }

    fn down(&self, plugin: &str) -> Refused {
        let state = self.app.plugins.host().card(plugin).map(|card| card.state);
        Problem::busy(format!("the plugin {plugin} is down"))
            .member("plugin", plugin)
            .member("state", serde_json::json!(state))
    }
}

#[async_trait]
impl Handler for Dispatch {
    async fn handle(
        &self,
        req: &mut Request,
        depot: &mut Depot,
        res: &mut Response,
        ctrl: &mut FlowCtrl,
    ) {
        if res.status_code != Some(StatusCode::NOT_FOUND) {
            ctrl.call_next(req, depot, res).await;
            return;
        }
        if let Err(refused) = self.serve(req, res).await {
            refused.into_answer().into_salvo(res);
        }
        ctrl.skip_rest();
    }
}

/// The topic that a route's clients listen to, the pattern's parameters put in.
fn topic(route: &PluginRoute, params: &[(String, String)]) -> String {
    let mut topic = route.spec.topic.clone();
    for (name, value) in params {
        topic = topic.replace(&format!("{{{name}}}"), value);
    }
    stream_topic(&route.plugin, &topic)
}

fn forwarded(headers: &HeaderMap, auth: RouteAuth) -> Vec<(String, Vec<u8>)> {
    headers
        .iter()
        .filter(|(name, _)| *name != AUTHORIZATION || auth == RouteAuth::Plugin)
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect()
}

/// Whether a plugin may not say this header.
fn is_ours(name: &str) -> bool {
    CONNECTION_HEADERS.contains(&name)
        || ORIGIN_HEADERS.contains(&name)
        || name.starts_with(CROSS_ORIGIN)
}

fn into_salvo(answer: HttpAnswer, res: &mut Response) -> Result<(), Refused> {
    let status = StatusCode::from_u16(answer.status).map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the plugin answered with no status")
    })?;
    res.status_code(status);
    for (name, value) in &answer.headers {
        let pair = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
        if let (Ok(name), Ok(value)) = pair
            && !is_ours(name.as_str())
        {
            res.headers_mut().append(name, value);
        }
    }
    let has_body = status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED;
    if has_body {
        res.headers_mut().insert(http::header::CONTENT_LENGTH, answer.body.len().into());
        res.body(ResBody::Once(answer.body.into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_reaches_only_plugins_that_check_it_themselves() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer secret"));
        headers.insert("accept", HeaderValue::from_static("*/*"));
        assert_eq!(forwarded(&headers, RouteAuth::Token), [("accept".into(), b"*/*".to_vec())]);
        assert_eq!(forwarded(&headers, RouteAuth::None).len(), 1);
        assert_eq!(forwarded(&headers, RouteAuth::Plugin).len(), 2);
    }

    #[test]
    fn a_plugin_speaks_for_its_own_answer_only() {
        let said = ["content-type", "set-cookie", "Access-Control-Allow-Origin", "Connection"];
        let headers = said.map(|name| (name.to_owned(), "x".to_owned())).to_vec();
        let mut res = Response::new();
        into_salvo(HttpAnswer { status: 200, headers, body: Vec::new() }, &mut res).unwrap();
        let kept: Vec<_> = res.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(kept, ["content-type", "content-length"]);
    }
}
