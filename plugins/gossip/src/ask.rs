//! The routes of the federation, as source 02 names them.
//!
//! The rule: an answer is a copy of what is known; nothing is asked of the network for it.

use serde::Serialize;
use serde_json::{Map, Value, json};
use shimmer_mesh::heatmap::BUCKET_S;
use shimmer_sdk::{Error, Request, Response, Route};

use crate::identity::origin_of;
use crate::net::{Direction, PeerInfo};
use crate::plugin::Gossip;
use crate::shown::{Beauty, State};
use crate::weighed;

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/federated/health").openapi(
        r#"{"summary":"This node in the federation","tags":["federation"],
        "responses":{"200":{"description":"Its id and key, its peers, and the beauty of the newest events it knows"}}}"#,
    ),
    Route::get("/federated/network").openapi(
        r#"{"summary":"Connected peers","tags":["federation"],
        "responses":{"200":{"description":"`peers`, each with address, direction, latency, last gossip and score"}}}"#,
    ),
    Route::get("/federated/heatmap").openapi(
        r#"{"summary":"Beauty by minute and node","tags":["federation"],
        "responses":{"200":{"description":"At most 40 `buckets` of a minute that have events, the oldest first; `weighted_avg` once weights were decided"}}}"#,
    ),
    Route::get("/federated/gossip/summary").openapi(
        r#"{"summary":"What was gossiped","tags":["federation"],
        "responses":{"200":{"description":"Counts since the start; `seen` includes what was known before"}}}"#,
    ),
];

#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    node_id: &'a str,
    peer_id: String,
    peers: usize,
    beauty_avg: Option<f64>,
    beauty_min: Option<f64>,
    beauty_max: Option<f64>,
    gossip_seen: u64,
    gossip_propagated: u64,
}

#[derive(Serialize)]
struct Peer {
    node_id: String,
    peer_id: String,
    address: String,
    direction: &'static str,
    latency_ms: Option<f64>,
    last_gossip: Option<String>,
    score: f64,
}

impl Gossip {
    pub(crate) fn answer(&self, request: &Request<'_>) -> Result<Response, Error> {
        let Some(running) = &self.running else {
            return Err(Error::Busy("the mesh is not running".to_owned()));
        };
        let peers = running.net.peers();
        let shown = self.shown.lock();
        Ok(match request.route().1 {
            "/federated/health" => {
                self.health(&shown, peers.len(), running.net.peer_id().to_string())
            }
            "/federated/network" => Response::json(&json!({
                "node_id": self.label,
                "peers": peers.iter().map(|peer| shown_peer(peer, &shown)).collect::<Vec<_>>(),
            })),
            "/federated/heatmap" => self.heatmap(&shown),
            _ => summary(&shown),
        })
    }

    fn health(&self, shown: &State, peers: usize, peer_id: String) -> Response {
        let beauty = shown.beauty();
        let of = |pick: fn(Beauty) -> f64| beauty.map(pick);
        Response::json(&Health {
            status: "ok",
            node_id: &self.label,
            peer_id,
            peers,
            beauty_avg: of(|beauty| beauty.avg),
            beauty_min: of(|beauty| beauty.min),
            beauty_max: of(|beauty| beauty.max),
            gossip_seen: shown.counters.seen,
            gossip_propagated: shown.counters.propagated,
        })
    }

    fn heatmap(&self, shown: &State) -> Response {
        let influence = shown.weighed.influence();
        let buckets: Vec<Value> = shown
            .heatmap
            .buckets()
            .map(|bucket| {
                let nodes: Map<String, Value> = bucket
                    .nodes
                    .iter()
                    .map(|(name, share)| {
                        (name.to_string(), json!({ "count": share.count, "avg": share.avg() }))
                    })
                    .collect();
                let mut shown = json!({
                    "start": time(bucket.start_s.saturating_mul(1_000)),
                    "count": bucket.count,
                    "avg": bucket.avg(),
                    "min": bucket.min,
                    "max": bucket.max,
                    "nodes": nodes,
                });
                if let Some(influence) = &influence {
                    shown["weighted_avg"] = json!(weighed::average(influence, bucket));
                }
                shown
            })
            .collect();
        Response::json(&json!({
            "node_id": self.label,
            "bucket_seconds": BUCKET_S,
            "buckets": buckets,
        }))
    }
}

fn summary(shown: &State) -> Response {
    let counters = &shown.counters;
    Response::json(&json!({
        "seen": counters.seen,
        "propagated": counters.propagated,
        "total": counters.total + shown.unsigned.total,
        "duplicates": counters.duplicates + shown.unsigned.duplicates,
        "rejected": counters.rejected_total(),
        "synced": counters.synced,
    }))
}

fn shown_peer(peer: &PeerInfo, shown: &State) -> Peer {
    let last = shown.notes.get(&peer.peer).and_then(|note| note.last_gossip_ms);
    // What it says of itself is bound to its key first: it may be another's name.
    let known = origin_of(&peer.peer).and_then(|origin| shown.labels.known(origin));
    Peer {
        node_id: known.map_or_else(|| peer.peer.to_string(), ToOwned::to_owned),
        peer_id: peer.peer.to_string(),
        address: peer.address.to_string(),
        direction: match peer.direction {
            Direction::In => "in",
            Direction::Out => "out",
        },
        latency_ms: peer.latency_ms,
        last_gossip: last.and_then(|ms| time(i64::try_from(ms).ok()?)),
        score: peer.score,
    }
}

/// Unix milliseconds as RFC 3339.
fn time(ms: i64) -> Option<String> {
    jiff::Timestamp::from_millisecond(ms).ok().map(|time| time.to_string())
}
