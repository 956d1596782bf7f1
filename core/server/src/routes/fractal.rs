//! `GET /fractal` and its tiles: pictures that a client keeps, and asks about by their ETag.
//!
//! The rule: what the client already has is known from the request alone, and nothing is drawn for it.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use salvo::{Depot, FlowCtrl, Handler, Request, Response, async_trait};
use serde_json::json;
use shimmer_fractal::Formula;

use super::page::context;
use crate::app::App;
use crate::config::FractalSection;
use crate::fractal::{Drawn, Failure, Form, Wish};
use crate::http::{Answer, Problem, Query, Refused, RequestId, is_known};
use crate::listener::RESOURCE_POLICY;
use crate::metrics::Lookup;

/// A picture follows the stream, so a client asks each time; its bytes are compressed as they are.
const PICTURE_CACHING: HeaderValue = HeaderValue::from_static("no-cache, no-transform");
/// A tile follows its address alone. A week bounds how long another version's colours stay.
const TILE_CACHING: HeaderValue = HeaderValue::from_static("public, max-age=604800, immutable");

/// Who drew a picture and how long it took, for pages that show it (W3C Server Timing).
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Both routes.
pub(crate) struct Fractals {
    app: Arc<App>,
}

impl Fractals {
    pub(crate) fn new(app: &Arc<App>) -> Self {
        Self { app: app.clone() }
    }

    async fn answer(&self, req: &Request) -> Result<Answer, Refused> {
        let config = self.app.config();
        let section = &config.fractal;
        let query = Query::parse(req.uri().query())?;
        let (wish, caching) = match req.param::<String>("address") {
            Some(address) => (Wish::tile(&address, &query, section)?, TILE_CACHING),
            None => {
                let figures = self.app.fold.newest();
                (Wish::picture(&query, section, &figures)?, PICTURE_CACHING)
            }
        };
        let etag = wish.etag(section.backend.into());
        let mut answer = if is_known(req.headers(), &etag) {
            self.app.metrics.render.looked_up(Lookup::NotModified);
            log(&context(req)?.id, &wish, None, Lookup::NotModified);
            Answer {
                status: StatusCode::NOT_MODIFIED,
                headers: HeaderMap::new(),
                body: Bytes::new(),
            }
        } else {
            let id = &context(req)?.id;
            let picture = self.app.studio.picture(&wish.work, section).await;
            let (drawn, lookup) = picture.map_err(|failure| refusal(failure, section, id))?;
            log(id, &wish, Some(&drawn), lookup);
            let timing = timing(&drawn);
            Answer::ok(wish.work.form.media_type(), body(&wish, drawn))
                .header(SERVER_TIMING, timing)
        };
        // Hexadecimal digits between quotes are always a header's value.
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            answer = answer.header(ETAG, etag);
        }
        // A picture says nothing about anybody, and stands on pages of others.
        let shared = HeaderValue::from_static("cross-origin");
        Ok(answer.header(CACHE_CONTROL, caching).header(RESOURCE_POLICY, shared))
    }
}

#[async_trait]
impl Handler for Fractals {
    async fn handle(&self, req: &mut Request, _: &mut Depot, res: &mut Response, _: &mut FlowCtrl) {
        let answer = self.answer(req).await.unwrap_or_else(|refused| {
            let id = context(req).map(|context| context.id.as_str());
            tracing::debug!(request_id = id.ok(), status = refused.status().as_u16(), "no fractal");
            refused.into_answer()
        });
        answer.into_salvo(res);
    }
}

fn refusal(failure: Failure, section: &FractalSection, id: &RequestId) -> Refused {
    match failure {
        Failure::Full => Problem::busy("too many pictures wait to be drawn"),
        Failure::Late => Problem::busy(format!(
            "the picture was not drawn within fractal.time_limit_ms, {}; ask for fewer pixels or iterations",
            section.time_limit_ms
        )),
        Failure::Stopping => Problem::busy("the node is stopping"),
        Failure::Broken(why) => {
            tracing::error!(request_id = id.as_str(), why, "a picture was not drawn");
            let detail = "the picture was not drawn; the log has the request id";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
        }
    }
}

fn log(id: &RequestId, wish: &Wish, drawn: Option<&Drawn>, lookup: Lookup) {
    tracing::debug!(
        request_id = id.as_str(),
        beauty_avg = wish.shown.and_then(|shown| shown.beauty_avg),
        backend = drawn.map(|drawn| drawn.backend.to_string()),
        render_ms = drawn.map(render_ms),
        from = lookup.name(),
        tile = wish.shown.is_none(),
        "fractal"
    );
}

fn timing(drawn: &Drawn) -> HeaderValue {
    let text = format!("render;dur={};desc={}", render_ms(drawn), drawn.backend);
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("render"))
}

/// To the microsecond.
fn render_ms(drawn: &Drawn) -> f64 {
    (drawn.seconds * 1e6).round() / 1e3
}

/// The bytes of the answer: the picture, and for JSON what is known about it.
fn body(wish: &Wish, drawn: Drawn) -> Bytes {
    let (Form::Json { columns, rows }, Some(shown)) = (wish.work.form, wish.shown) else {
        return drawn.body;
    };
    let viewport = wish.work.view.viewport();
    let [re, im] = viewport.centre();
    let constant = match wish.work.view.formula() {
        Formula::Julia { re, im } => Some(format!("{re},{im}")),
        _ => None,
    };
    let known = json!({
        "backend": drawn.backend.to_string(),
        "beauty_avg": shown.beauty_avg,
        "beauty_weighted_avg": shown.beauty_weighted_avg,
        "c": constant,
        "cols": columns,
        "detail": shown.detail,
        "formula": wish.work.view.formula().name(),
        "height": viewport.height(),
        "im": im.to_string(),
        "max_iter": wish.work.view.max_iter(),
        "palette": wish.work.palette,
        "re": re.to_string(),
        "render_ms": render_ms(&drawn),
        "rows": rows,
        "width": viewport.width(),
        "zoom": viewport.zoom().to_string(),
    });
    let known = known.to_string();
    let mut body = Vec::with_capacity(drawn.body.len() + known.len() + 1);
    body.push(b'{');
    body.extend_from_slice(&drawn.body);
    body.push(b',');
    body.extend_from_slice(&known.as_bytes()[1..]);
    body.into()
}
