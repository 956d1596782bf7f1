//! What the pages are held against: a plain hyper server that sends the same bytes, and the encoder of
//! `prometheus` on the same families.
//!
//! The rule: the peer's bytes lie ready; what a page costs beyond that is the page's own work.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::proto::{Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};
use shimmer_benches::{cpu_ns, threads};
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// Name of the server's threads, by which their time is found.
const NAME: &str = "plain-hyper";

/// A server whose every answer is the same.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    _runtime: Runtime,
}

impl Peer {
    /// Starts it with the runtime and the settings of the program.
    pub(crate) fn start(body: Bytes) -> Self {
        let runtime = Builder::new_multi_thread().thread_name(NAME).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let body = body.clone();
                let answer = service_fn(move |_| {
                    let body = body.clone();
                    async move { Ok::<_, Infallible>(Response::new(Full::new(body))) }
                });
                stream.set_nodelay(true).expect("a socket");
                let mut builder = http1::Builder::new();
                builder.timer(TokioTimer::new());
                tokio::spawn(async move {
                    drop(builder.serve_connection(TokioIo::new(stream), answer).await);
                });
            }
        });
        Self { address, _runtime: runtime }
    }

    /// CPU nanoseconds of its threads so far.
    pub(crate) fn cpu() -> u64 {
        let own = std::process::id();
        let of_peer = threads(own).into_iter().filter(|thread| thread.name == NAME);
        of_peer.map(|thread| cpu_ns(own, thread.tid)).sum()
    }
}

/// The families of a page; every sample is a gauge here, which costs the encoder the same.
pub(crate) fn families(page: &str) -> Vec<MetricFamily> {
    let mut families: Vec<MetricFamily> = Vec::new();
    let mut help = String::new();
    for line in page.lines() {
        if let Some(comment) = line.strip_prefix("# HELP ") {
            help = comment.split_once(' ').map_or("", |(_, help)| help).to_owned();
        }
        if line.starts_with('#') {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        if families.last().is_none_or(|family| family.name() != name) {
            let mut family = MetricFamily::default();
            family.set_name(name.to_owned());
            family.set_help(help.clone());
            family.set_field_type(MetricType::GAUGE);
            families.push(family);
        }
        let labels = labels.trim_end_matches('}').split(',').filter_map(|label| {
            let (name, value) = label.split_once('=')?;
            let mut pair = LabelPair::default();
            pair.set_name(name.to_owned());
            pair.set_value(value.trim_matches('"').to_owned());
            Some(pair)
        });
        let mut metric = Metric::from_label(labels.collect());
        let mut gauge = Gauge::default();
        gauge.set_value(value.parse().expect("a number"));
        metric.set_gauge(gauge);
        families.last_mut().expect("the family above").mut_metric().push(metric);
    }
    families
}

/// What the encoder of `prometheus` makes of them.
pub(crate) fn encode(families: &[MetricFamily]) -> Vec<u8> {
    let mut text = Vec::new();
    TextEncoder::new().encode(families, &mut text).expect("families with samples");
    text
}
