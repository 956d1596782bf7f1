//! The bounds of an event and of a request body: fixed ones as constants, configurable ones in [`Limits`].

use serde::{Deserialize, Serialize};

/// The kind of every event in the beauty form.
pub const BEAUTY_KIND: &str = "beauty";
/// Largest beauty score; the smallest is 0.
pub const BEAUTY_SCORE_MAX: f64 = 1.5;
/// Longest `event_id` in bytes of UTF-8.
pub const EVENT_ID_BYTES: usize = 128;
/// Longest `kind` in characters, which are all ASCII.
pub const KIND_CHARS: usize = 64;
/// Longest `subject` and `source` in characters (Unicode scalar values), hence at most four times as many bytes.
pub const NAME_CHARS: usize = 128;
/// Deepest nesting of `data`; the object itself is the first level.
pub const DATA_DEPTH: u32 = 64;
/// Most plugins that may stand between a derived event and the outside.
pub const HOPS: u8 = 4;

pub(crate) const FINGERPRINT_CHARS: usize = 32;
pub(crate) const DANCE_CHARS: usize = 64;
pub(crate) const WISDOM_CHARS: usize = 200;

/// Bounds that an operator may set, all in bytes except `batch_events`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most bytes of canonical JSON, counted as if the sequence had 20 digits.
    pub event_bytes: usize,
    /// Most bytes of a body that holds one event.
    pub event_body_bytes: usize,
    /// Most bytes of a body that holds many events.
    pub batch_bytes: usize,
    /// Most events in one body, rejected ones included.
    pub batch_events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            event_bytes: 4096,
            event_body_bytes: 64 << 10,
            batch_bytes: 8 << 20,
            batch_events: 10_000,
        }
    }
}
