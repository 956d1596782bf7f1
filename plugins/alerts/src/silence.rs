//! Silences: matchers that mute alerts for a while.
//!
//! The rule: a silence mutes exactly from its start to before its end, and none mutes everything.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::labels::Labels;
use crate::limits::{Limits, MAX_MATCHERS, MAX_TEXT};
use crate::matcher::{Matcher, Written, all_match};
use crate::time::Time;

/// The number of a silence; `s` and the number as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SilenceId(u64);

impl fmt::Display for SilenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

impl std::str::FromStr for SilenceId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number =
            text.strip_prefix('s').filter(|number| number.bytes().all(|b| b.is_ascii_digit()));
        let number = number.and_then(|number| number.parse().ok());
        number.map(Self).ok_or_else(|| format!("`{text}` is no silence's id"))
    }
}

impl Serialize for SilenceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.collect_str(self),
            false => serializer.serialize_u64(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for SilenceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.is_human_readable() {
            true => String::deserialize(deserializer)?.parse().map_err(D::Error::custom),
            false => u64::deserialize(deserializer).map(Self),
        }
    }
}

/// A silence, as `/api/silences` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence<M = Matcher> {
    /// Given by the manager.
    pub id: SilenceId,
    /// All must pass.
    pub matchers: Vec<M>,
    /// Who asked for it.
    pub author: String,
    /// Why.
    pub comment: String,
    /// From here on.
    pub starts_at: Time,
    /// To before this.
    pub ends_at: Time,
}

impl Silence {
    /// As it is kept.
    pub(crate) fn written(&self) -> Silence<Written> {
        let matchers = self.matchers.iter().map(Written::from).collect();
        let (author, comment) = (self.author.clone(), self.comment.clone());
        let Self { id, starts_at, ends_at, .. } = *self;
        Silence { id, matchers, author, comment, starts_at, ends_at }
    }

    fn bytes(&self) -> usize {
        self.matchers.iter().map(Matcher::bytes).sum()
    }
}

impl Silence<Written> {
    fn compile(self) -> Result<Silence, String> {
        let Self { id, matchers, author, comment, starts_at, ends_at } = self;
        let matchers = matchers.iter().map(Written::compile).collect::<Result<_, _>>()?;
        Ok(Silence { id, matchers, author, comment, starts_at, ends_at })
    }
}

/// What is posted to `/api/silences`. With the id of a silence that there is, it takes that one's place.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SilenceDraft {
    /// The silence to change.
    #[serde(default)]
    pub id: Option<SilenceId>,
    /// At least one, and not all of them pass the empty value.
    #[serde(deserialize_with = "few")]
    pub matchers: Vec<Matcher>,
    /// 1..=512 bytes.
    pub author: String,
    /// At most 512 bytes.
    #[serde(default)]
    pub comment: String,
    /// Now where it is missing.
    #[serde(default)]
    pub starts_at: Option<Time>,
    /// After `starts_at` and after now.
    pub ends_at: Time,
}

/// Why a silence was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SilenceRefused {
    /// A field is wrong; which, and how.
    #[error("{field}: {message}")]
    Invalid {
        /// The field of the draft.
        field: &'static str,
        /// One sentence.
        message: String,
    },
    /// There is no silence with this id.
    #[error("there is no such silence")]
    Unknown,
    /// There are as many as are kept.
    #[error("there are {0} silences already; delete some")]
    Full(usize),
    /// The regular expressions of all would take too much memory.
    #[error(
        "the regular expressions of all silences would take more than {0} bytes; write shorter ones, without classes \
         such as \\w, or delete some silences"
    )]
    Heavy(usize),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Silences {
    by_id: BTreeMap<SilenceId, Silence>,
    next: u64,
    // Derived: those that mute now.
    active: BTreeMap<SilenceId, ()>,
}

impl Silences {
    /// Compiles what was kept, one after the other, and says which ones were left out: an older program kept more than
    /// there is memory for, and what kills the plugin at its start would do so each time.
    pub(crate) fn restore(
        silences: Vec<Silence<Written>>,
        next: u64,
        most: usize,
    ) -> (Self, Vec<SilenceId>) {
        let beyond = silences.iter().map(|s| s.id.0.saturating_add(1)).max().unwrap_or(0);
        let (mut by_id, mut bytes, mut left_out) = (BTreeMap::new(), 0, Vec::new());
        for silence in silences {
            let id = silence.id;
            match silence.compile() {
                Ok(silence) if bytes + silence.bytes() <= most => {
                    bytes += silence.bytes();
                    by_id.insert(id, silence);
                }
                _ => left_out.push(id),
            }
        }
        (Self { by_id, next: next.max(beyond), active: BTreeMap::new() }, left_out)
    }

    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Silence> {
        self.by_id.values()
    }

    pub(crate) fn put(
        &mut self,
        now: Time,
        draft: SilenceDraft,
        limits: &Limits,
    ) -> Result<SilenceId, SilenceRefused> {
        let starts_at = draft.starts_at.unwrap_or(now);
        check(now, starts_at, &draft)?;
        let id = match draft.id {
            Some(id) if !self.by_id.contains_key(&id) => return Err(SilenceRefused::Unknown),
            Some(id) => id,
            None if self.by_id.len() >= limits.silences => {
                return Err(SilenceRefused::Full(limits.silences));
            }
            None => SilenceId(self.next),
        };
        let others = self.by_id.values().filter(|silence| silence.id != id);
        let bytes = draft.matchers.iter().map(Matcher::bytes).sum::<usize>();
        if others.map(Silence::bytes).sum::<usize>() + bytes > limits.silence_bytes {
            return Err(SilenceRefused::Heavy(limits.silence_bytes));
        }
        self.next = self.next.max(id.0.saturating_add(1));
        let SilenceDraft { matchers, author, comment, ends_at, .. } = draft;
        self.by_id.insert(id, Silence { id, matchers, author, comment, starts_at, ends_at });
        Ok(id)
    }

    pub(crate) fn remove(&mut self, id: SilenceId) -> bool {
        self.active.remove(&id);
        self.by_id.remove(&id).is_some()
    }

    /// Forgets those that are over and says which began to mute or no longer do.
    pub(crate) fn turn(&mut self, now: Time) -> Vec<SilenceId> {
        let mut turned = Vec::new();
        let over = |silence: &Silence| silence.ends_at <= now;
        let ended: Vec<_> = self.by_id.values().filter(|s| over(s)).map(|s| s.id).collect();
        for id in ended {
            self.remove(id);
            turned.push(id);
        }
        for silence in self.by_id.values() {
            let mutes = silence.starts_at <= now;
            if mutes != self.active.contains_key(&silence.id) {
                turned.push(silence.id);
                match mutes {
                    true => drop(self.active.insert(silence.id, ())),
                    false => drop(self.active.remove(&silence.id)),
                }
            }
        }
        turned
    }

    /// When the next one begins or ends.
    pub(crate) fn due(&self) -> Time {
        let edge = |silence: &Silence| match self.active.contains_key(&silence.id) {
            true => silence.ends_at,
            false => silence.starts_at.min(silence.ends_at),
        };
        self.by_id.values().map(edge).min().unwrap_or(Time::NEVER)
    }

    /// Those that mute an alert with these labels now.
    pub(crate) fn muting<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = SilenceId> + 'a {
        let active = self.active.keys().filter_map(|id| self.by_id.get(id));
        active.filter(|silence| all_match(&silence.matchers, labels)).map(|silence| silence.id)
    }

    /// Whether this one mutes an alert with these labels now.
    pub(crate) fn mutes(&self, id: SilenceId, labels: &Labels) -> bool {
        let silence = self.by_id.get(&id).filter(|_| self.active.contains_key(&id));
        silence.is_some_and(|silence| all_match(&silence.matchers, labels))
    }
}

/// Matchers that are counted before they are compiled: one too many is enough to be refused.
fn few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Matcher>, D::Error> {
    let written = Vec::<Written>::deserialize(deserializer)?;
    let some = written.iter().take(MAX_MATCHERS + 1);
    some.map(Written::compile).collect::<Result<_, _>>().map_err(D::Error::custom)
}

fn check(now: Time, starts_at: Time, draft: &SilenceDraft) -> Result<(), SilenceRefused> {
    let invalid =
        |field, message: &str| Err(SilenceRefused::Invalid { field, message: message.to_owned() });
    let matchers = &draft.matchers;
    if matchers.is_empty() || matchers.len() > MAX_MATCHERS {
        return invalid("matchers", "give 1 to 16 matchers");
    }
    // As in Alertmanager: such a silence would mute alerts that nobody thought of.
    if matchers.iter().all(|matcher| matcher.passes("")) {
        return invalid("matchers", "at least one must not match the empty value");
    }
    if draft.author.trim().is_empty() || draft.author.len() > MAX_TEXT {
        return invalid("author", "give 1 to 512 bytes");
    }
    if draft.comment.len() > MAX_TEXT {
        return invalid("comment", "give at most 512 bytes");
    }
    if draft.ends_at <= now {
        return invalid("ends_at", "lies in the past");
    }
    if draft.ends_at <= starts_at {
        return invalid("ends_at", "does not come after starts_at");
    }
    Ok(())
}
