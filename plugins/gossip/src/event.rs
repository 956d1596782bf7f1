//! What the plugin itself must know of an event's text; everything else is the host's to say.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use shimmer_mesh::{BEAUTY_SUBTYPE, MAX_EVENT_BYTES, canonicalise};

/// The mark of an event that nobody vouches for.
const UNSIGNED: &str = "unsigned";
/// Members that only a node can say.
const SAID_BY_NODES: [&str; 4] = ["origin", "received_at", "seq", UNSIGNED];

/// Stands for the id of an event that nobody vouches for, which is its whole identity.
pub(crate) type UnsignedId = [u8; 16];

#[derive(Deserialize)]
struct Members<'e> {
    #[serde(borrow, default)]
    event_id: Option<Cow<'e, str>>,
    #[serde(borrow, default)]
    kind: Option<Cow<'e, str>>,
    #[serde(default)]
    unsigned: Option<bool>,
}

/// The event of a ring's text as it travels: without its sequence here, in canonical form.
///
/// # Errors
/// Why it has no such form.
pub(crate) fn shared(text: &str) -> Result<Box<str>, &'static str> {
    // The sequence is the last member of the canonical text of a ring.
    let end = text.rfind(r#","seq":"#).ok_or("it has no sequence")?;
    let whole = format!("{}}}", &text[..end]);
    // The host has seen to everything else that JSON with one form must not hold.
    let event =
        canonicalise(&whole).map_err(|_| "it gives a name twice, and so has no canonical form")?;
    if event.len() > MAX_EVENT_BYTES {
        return Err("it is longer than the mesh carries");
    }
    Ok(event.into())
}

/// The identity of an event, if it says of itself that nobody vouches for it.
pub(crate) fn unsigned_id(event: &str) -> Option<UnsignedId> {
    // Looking for the mark first spares nearly every event a reader.
    if !event.contains(r#""unsigned":true"#) {
        return None;
    }
    let members: Members<'_> = serde_json::from_str(event).ok()?;
    members.unsigned.filter(|unsigned| *unsigned).and(members.event_id).map(|id| hash(&id))
}

/// The identity of an event that came without a signature; `None` without an `event_id`.
pub(crate) fn identity(event: &str) -> Option<UnsignedId> {
    let members: Members<'_> = serde_json::from_str(event).ok()?;
    members.event_id.map(|id| hash(&id))
}

/// What a packet with this event is called.
pub(crate) fn subtype(event: &str) -> String {
    match serde_json::from_str::<Members<'_>>(event).ok().and_then(|members| members.kind) {
        Some(kind) if kind != "beauty" => kind.into_owned(),
        _ => BEAUTY_SUBTYPE.to_owned(),
    }
}

/// An event that nobody vouches for as the node that took it passes it on: with the mark and that node's id.
pub(crate) fn marked(event: &str, node: &str) -> Option<Box<str>> {
    let mut members = without_words_of_nodes(event)?;
    members.insert("origin".to_owned(), node.into());
    members.insert(UNSIGNED.to_owned(), true.into());
    canonical(members)
}

/// The same as it was before it was marked.
pub(crate) fn unmarked(event: &str) -> Option<Box<str>> {
    canonical(without_words_of_nodes(event)?)
}

fn without_words_of_nodes(event: &str) -> Option<Map<String, Value>> {
    let mut members: Map<String, Value> = serde_json::from_str(event).ok()?;
    members.retain(|name, _| !SAID_BY_NODES.contains(&name.as_str()));
    Some(members)
}

fn canonical(members: Map<String, Value>) -> Option<Box<str>> {
    Some(canonicalise(&Value::Object(members).to_string()).ok()?.into())
}

fn hash(id: &str) -> UnsignedId {
    let digest: [u8; 32] = Sha256::digest(id.as_bytes()).into();
    let mut out = [0; 16];
    out.copy_from_slice(&digest[..16]);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_sequence_stays_at_home() {
        let text = r#"{"event_id":"e,\"seq\":1","kind":"k","value":1.0,"origin":"n","seq":77}"#;
        let shared = shared(text).unwrap();
        assert_eq!(&*shared, r#"{"event_id":"e,\"seq\":1","kind":"k","origin":"n","value":1}"#);
        assert!(super::shared("{}").is_err());
    }

    #[test]
    fn what_a_host_takes_is_shared_unless_it_gives_a_name_twice() {
        // As deep as a host lets `data` be, which is its first level.
        let event = |data: &str| shared(&format!(r#"{{"data":{data},"seq":1}}"#));
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(63), "]".repeat(63));
        assert_eq!(&*event(&deep).unwrap(), format!(r#"{{"data":{deep}}}"#));
        assert!(event(r#"{"a":[{"b":1,"b":1}]}"#).unwrap_err().contains("twice"));
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_EVENT_BYTES));
        assert!(event(&long).unwrap_err().contains("longer"));
    }

    #[test]
    fn a_mark_comes_and_goes() {
        let posted = r#"{"value":1,"event_id":"e","origin":"liar","unsigned":false,"seq":3}"#;
        let marked = marked(posted, "here").unwrap();
        assert_eq!(&*marked, r#"{"event_id":"e","origin":"here","unsigned":true,"value":1}"#);
        assert_eq!(unsigned_id(&marked), identity(posted));
        assert!(unsigned_id(posted).is_none());
        assert_eq!(&*unmarked(&marked).unwrap(), r#"{"event_id":"e","value":1}"#);
        let hidden = r#"{"data":{"unsigned":true},"event_id":"e"}"#;
        assert!(unsigned_id(hidden).is_none(), "only the event's own member counts");
    }

    #[test]
    fn packets_are_called_by_their_kind() {
        assert_eq!(subtype(r#"{"beauty_score":1}"#), "beauty_event");
        assert_eq!(subtype(r#"{"kind":"beauty"}"#), "beauty_event");
        assert_eq!(subtype(r#"{"kind":"cpu.load"}"#), "cpu.load");
    }
}
