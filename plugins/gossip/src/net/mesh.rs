//! How gossipsub is set up: degree, queues, history, validation and score.
//!
//! The rule: what was handed to the mesh is not dropped by a queue, a clock or a control message that is too long.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use libp2p::gossipsub::{
    self, ConfigBuilder, DataTransform, IdentTopic, Message, MessageAuthenticity, MessageId,
    PeerScoreParams, PeerScoreThresholds, RawMessage, TopicHash, TopicScoreParams, ValidationMode,
    WhitelistSubscriptionFilter, score_parameter_decay,
};

use super::config::{MAX_MESSAGE_ID, NetConfig};
use super::event::{Counters, Reason};

/// The behaviour as it is used here.
pub(crate) type Mesh = gossipsub::Behaviour<Measured, WhitelistSubscriptionFilter>;

/// Peers that get every frame at once.
pub(crate) const DEGREE: usize = 3;
/// Fewer than this are filled up at once.
const DEGREE_LOW: usize = 2;
/// From this on, some are let go.
const DEGREE_HIGH: usize = 6;
/// Of those, connections that this node opened: at most half of [`DEGREE`].
const OUTBOUND: usize = 1;
/// How long a frame may wait for a slow peer. The default of 1 s for forwarded frames lost 13 to 23 % of a burst.
const QUEUE_TIME: Duration = Duration::from_secs(60);
/// Ids of recent frames told to one peer at each heartbeat.
const IDS: usize = 5_000;
/// Their bytes, with two of framing each. A peer that tells more than its neighbour takes is cut off in the middle of
/// the stream, and what was under way on it is lost: the default of 16 KiB does not hold the default of 5,000 ids.
const CONTROL_BYTES: usize = IDS * (MAX_MESSAGE_ID + 2) + 4_096;
/// Bytes that may lie unread behind a frame: the crate measures its whole read buffer against the longest message.
const READ_AHEAD: usize = 64 * 1_024;
// All ids of a heartbeat go in one message.
const _: () = assert!(IDS * (MAX_MESSAGE_ID + 2) < CONTROL_BYTES);
/// Score below which a peer's connection ends.
pub(crate) const GRAYLIST: f64 = -80.0;
/// Time in which a forged frame is all but forgiven.
const FORGIVEN: Duration = Duration::from_secs(600);

/// Passes frames on as they are, and refuses long ones before anything else is done with them.
pub(crate) struct Measured {
    most: usize,
    counters: Arc<Counters>,
}

/// The behaviour of a node, subscribed to its topic.
pub(crate) fn build(config: &NetConfig, counters: &Arc<Counters>) -> Result<Mesh, String> {
    let topic = IdentTopic::new(&config.topic);
    let id_of = Arc::clone(&config.message_id);
    let message_id = move |message: &Message| {
        let mut id = id_of(&message.data);
        id.truncate(MAX_MESSAGE_ID);
        MessageId::from(id)
    };
    let longest = config.limits.frame.max(CONTROL_BYTES) + READ_AHEAD;
    let settings = ConfigBuilder::default()
        .mesh_n(DEGREE)
        .mesh_n_low(DEGREE_LOW)
        .mesh_n_high(DEGREE_HIGH)
        .mesh_outbound_min(OUTBOUND)
        .retain_scores(OUTBOUND + 1)
        .gossip_lazy(DEGREE)
        .heartbeat_initial_delay(Duration::from_millis(200))
        .heartbeat_interval(Duration::from_secs(1))
        .history_length(10)
        .history_gossip(5)
        .duplicate_cache_time(Duration::from_secs(120))
        .publish_queue_duration(QUEUE_TIME)
        .forward_queue_duration(QUEUE_TIME)
        .connection_handler_queue_len(config.limits.queue)
        .max_transmit_size(longest)
        .max_control_message_size(CONTROL_BYTES)
        .max_control_messages_sent(IDS)
        .prune_backoff(Duration::from_secs(15))
        .graft_flood_threshold(Duration::from_secs(5))
        // The origin signs every event within the frame, so a second signature by whoever publishes it would prove
        // nothing more, and costs each receiver of each copy a verification before it is known to be a copy: 62 us a
        // frame where it is 22 us without.
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(message_id)
        // To the mesh alone: to everyone is no sooner on eight nodes, and 0.3 copies more for each.
        .flood_publish(false)
        // Worth it for frames of many events alone: on frames of 300 bytes it saves 0.7 copies of 2, and takes half
        // as long again.
        .idontwant_message_size_threshold(1_000)
        .build()
        .map_err(|why| why.to_string())?;
    let filter = WhitelistSubscriptionFilter([topic.hash()].into());
    let measured = Measured { most: config.limits.frame, counters: Arc::clone(counters) };
    let mut mesh = Mesh::new_with_subscription_filter_and_transform(
        MessageAuthenticity::Anonymous,
        settings,
        filter,
        measured,
    )?;
    mesh.with_peer_score(score(&topic), thresholds())?;
    mesh.subscribe(&topic).map_err(|why| why.to_string())?;
    Ok(mesh)
}

fn score(topic: &IdentTopic) -> PeerScoreParams {
    let of_topic = TopicScoreParams {
        topic_weight: 1.0,
        // At most 5 for 500 s in the mesh, and 5 for frames that came from this peer first.
        time_in_mesh_weight: 0.01,
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_cap: 500.0,
        first_message_deliveries_weight: 0.05,
        first_message_deliveries_decay: score_parameter_decay(Duration::from_secs(60)),
        first_message_deliveries_cap: 100.0,
        // How much a peer should deliver is not known: a mesh may be silent for hours.
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        // Squared: one forged frame costs 10, three end the connection.
        invalid_message_deliveries_weight: -10.0,
        invalid_message_deliveries_decay: score_parameter_decay(FORGIVEN),
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: [(topic.hash(), of_topic)].into(),
        topic_score_cap: 10.0,
        // What this node's caller holds against a peer, see `penalty`.
        app_specific_weight: 1.0,
        // Many nodes behind one address are a company, a cluster or a test.
        ip_colocation_factor_weight: 0.0,
        // Promises of frames are also broken by honest peers under load; only habitual breach counts.
        behaviour_penalty_weight: -1.0,
        behaviour_penalty_threshold: 10.0,
        behaviour_penalty_decay: score_parameter_decay(Duration::from_secs(60)),
        slow_peer_weight: -0.05,
        slow_peer_threshold: 100.0,
        slow_peer_decay: score_parameter_decay(Duration::from_secs(10)),
        retain_score: FORGIVEN,
        ..PeerScoreParams::default()
    }
}

const fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: -20.0,
        publish_threshold: -40.0,
        graylist_threshold: GRAYLIST,
        accept_px_threshold: 0.0,
        opportunistic_graft_threshold: 1.0,
    }
}

impl DataTransform for Measured {
    fn inbound_transform(&self, raw: RawMessage) -> io::Result<Message> {
        self.counters.copy();
        if raw.data.len() > self.most {
            self.counters.reject(Reason::Oversize);
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Message {
            source: raw.source,
            data: raw.data,
            sequence_number: raw.sequence_number,
            topic: raw.topic,
        })
    }

    fn outbound_transform(&self, _: &TopicHash, data: Vec<u8>) -> io::Result<Vec<u8>> {
        if data.len() > self.most { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(data) }
    }
}
