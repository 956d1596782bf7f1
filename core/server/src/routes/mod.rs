//! Everything that salvo serves: the core's pages, the streams' handshakes and the plugins' routes.

mod api;
mod docs;
mod fractal;
mod health;
mod page;
mod plugin;
mod reload;
mod root;
mod snapshot;
mod streams;
mod ui;

use std::sync::Arc;

use salvo::compression::{Compression, CompressionLevel};
use salvo::http::Mime;
use salvo::{Router, Service};

use crate::app::App;
use page::{Catch, Page};

pub(crate) use api::running;
pub(crate) use page::Ask;

/// Types worth compressing. Streams are not among them: their bytes must leave at once.
const COMPRESSED: [&str; 10] = [
    "text/html",
    "text/plain",
    "text/css",
    "text/csv",
    "text/javascript",
    "application/javascript",
    "application/json",
    "application/problem+json",
    "application/x-ndjson",
    "image/svg+xml",
];
/// Below this a packet is saved rarely and time is lost always.
const COMPRESSED_BYTES: usize = 1024;

/// The whole service.
pub(crate) fn service(app: &Arc<App>) -> Service {
    let get = |path: &str, page| {
        Router::with_path(path).get(Page::new(app, page)).head(Page::new(app, page))
    };
    let post = |path: &str, page| Router::with_path(path).post(Page::blocking(app, page));
    let fractals = |path: &str| {
        Router::with_path(path).get(fractal::Fractals::new(app)).head(fractal::Fractals::new(app))
    };
    let router = Router::new()
        .get(Page::new(app, root::show))
        .head(Page::new(app, root::show))
        .push(get("ui", ui::show))
        .push(get("ui/{**name}", ui::show))
        .push(get("health", health::health))
        .push(get("ready", health::ready))
        .push(get("snapshot", snapshot::show))
        .push(fractals("fractal"))
        .push(fractals("fractal/tiles/{**address}"))
        .push(get("metrics", crate::metrics::render))
        .push(get("api/metrics", api::metrics))
        .push(get("api/plugin/{name}", api::plugin))
        .push(get("api/plugin/{name}/logs", api::logs))
        .push(post("api/plugin/{name}/restart", api::restart))
        .push(post("api/plugin/{name}/reload", api::reload))
        .push(post("api/plugin/{name}/enable", api::enable))
        .push(post("api/plugin/{name}/disable", api::disable))
        .push(post("api/reload", reload::reload))
        .push(get("openapi.json", docs::openapi))
        .push(get("docs", docs::page))
        .push(get("docs/{**name}", docs::page))
        // Ingest is answered before salvo; these tell other methods that the paths exist.
        .push(post("event", page::misspelt))
        .push(post("events", page::misspelt))
        .push(Router::with_path("stream").get(streams::Events::ws(app)))
        .push(Router::with_path("stream/sse").get(streams::Events::sse(app)));
    Service::new(router).hoop(compression()).hoop(plugin::Dispatch::new(app)).hoop(Catch)
}

/// Levels are low: a page must not keep a core busy for what a few kilobytes less would bring.
fn compression() -> Compression {
    let types: Vec<Mime> = COMPRESSED.iter().filter_map(|text| text.parse().ok()).collect();
    Compression::new()
        .disable_all()
        .enable_gzip(CompressionLevel::Fastest)
        .enable_brotli(CompressionLevel::Fastest)
        .content_types(&types)
        .min_length(COMPRESSED_BYTES)
}
