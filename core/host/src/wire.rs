//! The messages between the host and a plugin's runner, and their frames; what comes in may be hostile.
//!
//! A frame is a little-endian `u32` length and that many bytes of postcard. Both isolations speak the same
//! messages: a child over its socket, a thread through a queue.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use shimmer_abi::MAX_LABELS;

use crate::config::{Delivery, HostConfig, Isolation, Limits, Permissions, PluginConfig};
use crate::guest::{MAX_HEADERS, MAX_METRICS, MAX_SAMPLES};
use crate::manifest::Manifest;

/// Largest frame: a state blob and its envelope.
pub const MAX_FRAME_BYTES: usize = shimmer_abi::MAX_STATE_BYTES + (1 << 16);

/// Takes a list of at most `MOST`: an element of four bytes on the wire can be hundreds in memory, so that a bound on
/// bytes alone would let a frame of 64 MiB grow to gigabytes.
pub(crate) fn at_most<'de, const MOST: usize, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Bounded<const MOST: usize, T>(PhantomData<T>);
    impl<'de, const MOST: usize, T: Deserialize<'de>> Visitor<'de> for Bounded<MOST, T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MOST} elements")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(element) = from.next_element()? {
                if list.len() == MOST {
                    return Err(A::Error::invalid_length(MOST + 1, &self));
                }
                list.push(element);
            }
            Ok(list)
        }
    }
    from.deserialize_seq(Bounded::<MOST, T>(PhantomData))
}

/// How to load a plugin; the first message, with the ring's and the control page's descriptors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// Process id of the host, to see whether it died before the death signal was armed.
    pub host_pid: u32,
    /// The name in the configuration.
    pub name: String,
    /// The library to load.
    pub library: String,
    /// `[plugin.config]` as a JSON object.
    pub config_json: String,
    /// Whether the walls go up around it: a plugin that runs on a thread of the host has none.
    pub isolation: Isolation,
    /// What the sandbox opens.
    pub permissions: Permissions,
    /// What it may use.
    pub limits: Limits,
    /// Its own folder; empty without the permission.
    pub folder: String,
    /// Limits of the events it emits.
    pub event_limits: shimmer_event::Limits,
    /// The node's id.
    pub node: String,
    /// Whether the ring waits for it.
    pub gating: bool,
    /// Kinds from the configuration; empty = what the descriptor wants.
    pub kinds: Vec<String>,
    /// Number of this plugin in the emitter bits of `flags`.
    pub emitter: u16,
    /// Milliseconds between two saves of its state.
    pub state_interval_ms: u64,
}

impl Hello {
    /// What `plugin` of the host `config` is told when it is loaded from `library`.
    pub(crate) fn new(
        config: &HostConfig,
        plugin: &PluginConfig,
        library: &Path,
        emitter: u16,
    ) -> Self {
        let mut permissions = plugin.permissions.clone();
        let mut folder = String::new();
        if permissions.folder {
            let own = config.folder(plugin);
            folder = own.to_string_lossy().into_owned();
            permissions.write.push(own);
        }
        Self {
            host_pid: std::process::id(),
            name: plugin.name.clone(),
            library: library.to_string_lossy().into_owned(),
            config_json: serde_json::Value::Object(plugin.config.clone()).to_string(),
            isolation: plugin.isolation,
            permissions,
            folder,
            limits: plugin.limits.clone(),
            event_limits: config.limits,
            node: config.node.clone(),
            gating: plugin.delivery == Delivery::Gating,
            kinds: plugin.kinds.clone(),
            emitter,
            state_interval_ms: u64::try_from(config.state_interval.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Where a plugin begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// Last sequence that it has seen; its state belongs to this one.
    pub cursor: u64,
    /// Up to here effects were published before: they are dropped now.
    pub replay_to: u64,
    /// Up to here events are delivered one by one, to find the one that kills.
    pub single_until: u64,
    /// Sequences never delivered to this plugin again.
    pub quarantined: Vec<u64>,
    /// Its saved state.
    #[serde(with = "serde_bytes")]
    pub state: Option<Vec<u8>>,
}

/// A request on one of the plugin's routes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpCall {
    /// Index into the manifest's routes.
    pub route: u32,
    /// Whether it may change something: the state is saved before a success is answered.
    pub writes: bool,
    /// Path parameters in the pattern's order, decoded.
    pub params: Vec<(String, String)>,
    /// The path as it came.
    pub path: String,
    /// The query without `?`.
    pub query: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
    /// Request id for the logs.
    pub request_id: String,
}

/// A plugin's answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAnswer {
    /// 200..=599.
    pub status: u16,
    /// Headers in the order they were added.
    #[serde(deserialize_with = "at_most::<MAX_HEADERS, _, _>")]
    pub headers: Vec<(String, String)>,
    /// At most 8 MiB.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

/// From the host to the runner.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ToGuest {
    /// Load.
    Hello(Box<Hello>),
    /// Run from here.
    Begin(Box<Begin>),
    /// Answer to `Commit` and `Emit`: the sequence (0 for a commit) or a status of the ABI.
    Ack {
        /// Of the question.
        id: u64,
        /// Sequence or negative status.
        result: Result<u64, i32>,
    },
    /// Answer to `Relay`: what became of each event, or the status that all have.
    Relayed {
        /// Of the question.
        id: u64,
        /// As many as were handed over.
        result: Result<Vec<RelayResult>, i32>,
    },
    /// Answer a request.
    Call {
        /// Of the answer.
        id: u64,
        /// The request.
        call: Box<HttpCall>,
    },
    /// Save the state and end.
    Stop,
}

/// From the runner to the host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum FromGuest {
    /// Loaded and created.
    Loaded(Box<Manifest>),
    /// Cannot be loaded or refused its configuration.
    Refused {
        /// One sentence with the remedy.
        reason: String,
    },
    /// `start` returned.
    Started,
    /// Effects of one call, to be published with the cursor they belong to.
    Commit {
        /// Of the `Ack`.
        id: u64,
        /// Last sequence processed.
        cursor: u64,
        /// Events delivered so far in this run, replays not counted.
        events: u64,
        /// In the order they were emitted.
        #[serde(deserialize_with = "at_most::<{ shimmer_abi::MAX_EFFECTS }, _, _>")]
        effects: Vec<Effect>,
    },
    /// One effect from the plugin's own threads or from a request.
    Emit {
        /// Of the `Ack`.
        id: u64,
        /// The effect.
        effect: Effect,
    },
    /// Events of other nodes.
    Relay {
        /// Of the `Relayed`.
        id: u64,
        /// In the order in which they are to be stored.
        #[serde(deserialize_with = "at_most::<{ shimmer_abi::MAX_RELAYED }, _, _>")]
        events: Vec<RelayedEvent>,
    },
    /// Whether the value of an `Authorization` header lets its bearer write; the answer is an `Ack`.
    Authorize {
        /// Of the `Ack`.
        id: u64,
        /// The value.
        authorization: String,
    },
    /// A log line.
    Log {
        /// 0 trace .. 4 error.
        level: u32,
        /// One line.
        message: String,
    },
    /// Answer to `Call`; an error is a sentence.
    Answer {
        /// Of the question.
        id: u64,
        /// The answer.
        answer: Result<HttpAnswer, String>,
    },
    /// The state after `cursor`.
    State {
        /// Last sequence that it has seen.
        cursor: u64,
        /// The blob.
        #[serde(with = "serde_bytes")]
        blob: Vec<u8>,
    },
    /// The plugin's own series, whenever one was added, and their values in the same order.
    Series {
        /// All of them.
        #[serde(deserialize_with = "at_most::<MAX_METRICS, _, _>")]
        series: Vec<Series>,
        /// One for each sample of each series.
        values: Vec<f64>,
    },
    /// The values of the series that were sent last, whenever one changed.
    Values(Vec<f64>),
    /// A callback failed; the runner ends.
    Failed {
        /// One sentence.
        reason: String,
    },
    /// `stop` returned; the runner ends.
    Stopped,
}

/// Something a plugin does to the world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Effect {
    /// A derived event.
    Event(DerivedEvent),
    /// An alert.
    Alert(DerivedAlert),
    /// The weight of a source.
    Weight {
        /// The source.
        source: String,
        /// 0..=1.
        weight: f64,
    },
    /// A message for the plugin's streams.
    Topic {
        /// 1..=256 bytes.
        topic: String,
        /// SSE event name; empty = none.
        event: String,
        /// UTF-8.
        message: Vec<u8>,
    },
}

/// An event that another node took, or nobody vouches for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayedEvent {
    /// The node that took it.
    pub origin: String,
    /// As it is posted.
    pub json: String,
    /// Nobody vouches for it.
    pub unsigned: bool,
}

/// What became of an event that was handed over: its sequence and whether it was known, or a status of the ABI.
pub type RelayResult = Result<(u64, bool), i32>;

/// An event that a plugin emits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DerivedEvent {
    /// Empty = the host gives one.
    pub id: String,
    /// Unix time in nanoseconds.
    pub time_ns: i64,
    /// Kind.
    pub kind: String,
    /// Empty = none.
    pub subject: String,
    /// Empty = the plugin's name.
    pub source: String,
    /// Finite.
    pub value: f64,
    /// JSON object; empty = none.
    pub data_json: String,
    /// Plugins between this event and the outside.
    pub hops: u8,
}

/// An alert that a plugin emits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DerivedAlert {
    /// Empty = the host gives one.
    pub id: String,
    /// Unix time in nanoseconds.
    pub time_ns: i64,
    /// What is alerted on; empty = nothing in particular.
    pub subject: String,
    /// How bad it is.
    pub severity: AlertSeverity,
    /// 0..=1.
    pub score: f64,
    /// One sentence.
    pub description: String,
    /// Further members, a JSON object; empty = none.
    pub data_json: String,
    /// Plugins between this alert and the outside.
    pub hops: u8,
}

/// How bad an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlertSeverity {
    /// Worth knowing.
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must act.
    Critical,
}

impl AlertSeverity {
    /// As it stands in the event's data.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// One of the plugin's own series without its values, which change far more often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// `[a-z0-9_]{1,64}` without the prefix.
    pub name: String,
    /// For `# HELP`.
    pub help: String,
    /// Whether it is a counter; else a gauge.
    pub counter: bool,
    /// Label names.
    #[serde(deserialize_with = "at_most::<MAX_LABELS, _, _>")]
    pub labels: Vec<String>,
    /// Label values of each sample.
    #[serde(deserialize_with = "samples")]
    pub samples: Vec<Vec<String>>,
}

/// As [`at_most`] for lists in a list.
fn samples<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    struct Values(#[serde(deserialize_with = "at_most::<MAX_LABELS, _, _>")] Vec<String>);
    let samples: Vec<Values> = at_most::<MAX_SAMPLES, _, _>(from)?;
    Ok(samples.into_iter().map(|Values(values)| values).collect())
}

/// Why bytes are not a message.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The length is beyond [`MAX_FRAME_BYTES`].
    #[error("a frame of {0} bytes is beyond the bound of {MAX_FRAME_BYTES}")]
    TooLong(usize),
    /// The payload is not a message.
    #[error("a frame does not decode: {0}")]
    Malformed(postcard::Error),
}

/// Appends the frame of `message` to `out`.
///
/// # Errors
/// The message is beyond the bound; `out` is as before.
pub fn encode<T: Serialize>(message: &T, out: &mut Vec<u8>) -> Result<(), WireError> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let frame = std::mem::take(out);
    let mut frame = postcard::to_extend(message, frame).map_err(WireError::Malformed)?;
    let len = frame.len() - start - 4;
    if len > MAX_FRAME_BYTES {
        frame.truncate(start);
        *out = frame;
        return Err(WireError::TooLong(len));
    }
    frame[start..start + 4].copy_from_slice(&(len as u32).to_le_bytes());
    *out = frame;
    Ok(())
}

/// Collects bytes and cuts them into messages.
#[derive(Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    taken: usize,
}

impl Decoder {
    /// Adds bytes as they came from the socket.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, if one is there.
    ///
    /// # Errors
    /// The sender broke the protocol; nothing after it can be trusted.
    pub fn take<T: serde::de::DeserializeOwned>(&mut self) -> Result<Option<T>, WireError> {
        let rest = &self.buffer[self.taken..];
        let Some((head, body)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let len = u32::from_le_bytes(*head) as usize;
        if len > MAX_FRAME_BYTES {
            return Err(WireError::TooLong(len));
        }
        let Some(payload) = body.get(..len) else { return Ok(None) };
        let message = postcard::from_bytes(payload).map_err(WireError::Malformed)?;
        self.taken += 4 + len;
        Ok(Some(message))
    }
}

/// Entry for a fuzzer: whatever the bytes are, decoding ends, in bounded memory, without a panic.
pub fn fuzz_frames(bytes: &[u8]) {
    let mut decoder = Decoder::default();
    for chunk in bytes.chunks(7) {
        decoder.push(chunk);
        while let Ok(Some(message)) = decoder.take::<FromGuest>() {
            drop(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frames_survive_any_cut() {
        let message = FromGuest::Commit {
            id: 7,
            cursor: 1 << 40,
            events: 3,
            effects: vec![
                Effect::Weight { source: "a".into(), weight: 0.5 },
                Effect::Topic { topic: "t".into(), event: String::new(), message: vec![1, 2] },
            ],
        };
        let mut bytes = Vec::new();
        encode(&message, &mut bytes).unwrap();
        encode(&FromGuest::Started, &mut bytes).unwrap();
        for cut in 0..bytes.len() {
            let mut decoder = Decoder::default();
            let mut seen = 0;
            for part in [&bytes[..cut], &bytes[cut..]] {
                decoder.push(part);
                while let Some(_message) = decoder.take::<FromGuest>().unwrap() {
                    seen += 1;
                }
            }
            assert_eq!(seen, 2, "cut at {cut}");
        }
    }

    #[test]
    fn a_length_beyond_the_bound_is_refused_before_it_is_read() {
        let mut decoder = Decoder::default();
        decoder.push(&u32::MAX.to_le_bytes());
        assert!(matches!(decoder.take::<FromGuest>(), Err(WireError::TooLong(_))));
    }

    #[test]
    fn lists_beyond_their_bounds_do_not_decode() {
        let decodes = |message: &FromGuest| {
            let mut decoder = Decoder::default();
            let mut bytes = Vec::new();
            encode(message, &mut bytes).unwrap();
            decoder.push(&bytes);
            decoder.take::<FromGuest>().is_ok()
        };
        let most = shimmer_abi::MAX_EFFECTS;
        let commit = |effects| {
            let effect = Effect::Weight { source: String::new(), weight: 0.0 };
            FromGuest::Commit { id: 1, cursor: 1, events: 1, effects: vec![effect; effects] }
        };
        assert!(decodes(&commit(most)) && !decodes(&commit(most + 1)));
        let answer = |headers| {
            let headers = vec![(String::new(), String::new()); headers];
            FromGuest::Answer {
                id: 1,
                answer: Ok(HttpAnswer { status: 200, headers, body: vec![] }),
            }
        };
        assert!(decodes(&answer(MAX_HEADERS)) && !decodes(&answer(MAX_HEADERS + 1)));
        let series = |samples, labels| {
            let samples = vec![vec![String::new(); labels]; samples];
            let (name, help) = (String::new(), String::new());
            let one = Series { name, help, counter: false, labels: vec![], samples };
            FromGuest::Series { series: vec![one], values: vec![] }
        };
        assert!(decodes(&series(MAX_SAMPLES, MAX_LABELS)));
        assert!(!decodes(&series(MAX_SAMPLES + 1, 0)) && !decodes(&series(1, MAX_LABELS + 1)));
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            fuzz_frames(&bytes);
        }
    }
}
