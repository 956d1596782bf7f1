//! What a plugin's effects must keep to, and how they become events of the ring, all or none, with the cursor.

use std::ops::Range;

use shimmer_abi as abi;
use shimmer_abi::Status;
use shimmer_event::{AlertDraft, BeautyTexts, EventDraft, Limits, Parser, Receipt, TAIL};
use shimmer_ring::Entry;

use crate::config::{Permissions, any};
use crate::guest::EMITTER_SHIFT;
use crate::wire::{DerivedAlert, DerivedEvent, Effect};

/// Most plugins between an event and the outside.
pub(crate) const MAX_HOPS: u8 = shimmer_event::HOPS;
/// Kind of the events that weights become: subject the source, value the weight.
pub const WEIGHT_KIND: &str = "weight";
/// Kind of the events that alerts become.
const ALERT_KIND: &str = "alert";

/// Why an effect is not taken.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: Status,
    pub(crate) reason: String,
}

/// What one plugin may emit. The runner applies it to answer at once, the host to believe nobody.
#[derive(Clone, Debug)]
pub(crate) struct EmitRules {
    pub(crate) plugin: String,
    pub(crate) node: String,
    pub(crate) permissions: Permissions,
    pub(crate) limits: Limits,
    pub(crate) emitter: u16,
}

/// The events of one transaction, encoded; texts of the columns stay with the effects.
#[derive(Default)]
pub(crate) struct Encoded {
    parser: Parser,
    heads: Vec<u8>,
    events: Vec<EncodedEvent>,
}

struct EncodedEvent {
    effect: usize,
    time_ns: i64,
    value: f64,
    flags: u32,
    head: Range<usize>,
    data: Range<u32>,
    id_span: Range<u32>,
    id: String,
}

impl EmitRules {
    /// No text of an effect that becomes an event can be longer and still fit.
    pub(crate) fn text_limit(&self) -> usize {
        self.limits.event_bytes
    }

    /// Whether the effect can be published.
    pub(crate) fn check(&self, effect: &Effect, scratch: &mut Encoded) -> Result<(), Refusal> {
        self.encode(std::slice::from_ref(effect), 0, || "id".to_owned(), scratch)
    }

    /// Encodes every effect that becomes an event, or refuses all. `spare_id` names an event without an id.
    pub(crate) fn encode(
        &self,
        effects: &[Effect],
        received_ns: i64,
        mut spare_id: impl FnMut() -> String,
        out: &mut Encoded,
    ) -> Result<(), Refusal> {
        out.heads.clear();
        out.events.clear();
        for (index, effect) in effects.iter().enumerate() {
            match effect {
                Effect::Topic { topic, event, message } => check_topic(topic, event, message)?,
                Effect::Event(event) => self.check_source(&event.source, event.hops)?,
                Effect::Alert(alert) => self.check_source("", alert.hops)?,
                Effect::Weight { weight, .. } => self.check_weight(*weight)?,
            }
            self.encode_one(index, effect, received_ns, &mut spare_id, out)?;
        }
        Ok(())
    }

    fn encode_one(
        &self,
        index: usize,
        effect: &Effect,
        received_ns: i64,
        spare_id: &mut impl FnMut() -> String,
        out: &mut Encoded,
    ) -> Result<(), Refusal> {
        let receipt = Receipt {
            received_ns,
            default_source: &self.plugin,
            origin: &self.node,
            unsigned: false,
        };
        let id = match effect {
            Effect::Topic { .. } => return Ok(()),
            Effect::Event(DerivedEvent { id, .. }) | Effect::Alert(DerivedAlert { id, .. })
                if !id.is_empty() =>
            {
                id.clone()
            }
            _ => spare_id(),
        };
        let encoded = match effect {
            Effect::Alert(alert) => {
                out.parser.draft_alert(&alert.draft(&id), &receipt, &self.limits)
            }
            Effect::Event(event) => out.parser.draft(&event.draft(&id), &receipt, &self.limits),
            Effect::Weight { source, weight } => {
                let draft = EventDraft {
                    event_id: &id,
                    time_ns: received_ns,
                    kind: WEIGHT_KIND,
                    subject: source,
                    value: *weight,
                    hops: 1,
                    ..EventDraft::default()
                };
                out.parser.draft(&draft, &receipt, &self.limits)
            }
            Effect::Topic { .. } => return Ok(()),
        };
        let event = encoded.map_err(|error| invalid(error.to_string()))?;
        let start = out.heads.len();
        out.heads.extend_from_slice(event.head);
        let encoded = EncodedEvent {
            effect: index,
            time_ns: event.time_ns,
            value: event.value,
            flags: event.flags | u32::from(self.emitter) << EMITTER_SHIFT,
            head: start..start + event.head.len(),
            data: event.data.clone(),
            id_span: event.id_span.clone(),
            id,
        };
        out.events.push(encoded);
        Ok(())
    }

    fn check_source(&self, source: &str, hops: u8) -> Result<(), Refusal> {
        if hops == 0 || hops > MAX_HOPS {
            return Err(denied(format!(
                "more than {MAX_HOPS} plugins stand between this event and the outside"
            )));
        }
        if source.is_empty() || source == self.plugin || any(&self.permissions.source, source) {
            return Ok(());
        }
        Err(denied(format!(
            "source {source:?} needs permissions.source = [{source:?}] in the plugin's table"
        )))
    }

    fn check_weight(&self, weight: f64) -> Result<(), Refusal> {
        if !self.permissions.weights {
            return Err(denied(
                "set_weight needs permissions.weights = true in the plugin's table".to_owned(),
            ));
        }
        if !(0.0..=1.0).contains(&weight) {
            return Err(invalid(format!("a weight must be in 0..=1, got {weight}")));
        }
        Ok(())
    }
}

impl Encoded {
    /// The events as the ring takes them.
    pub(crate) fn entries<'a>(
        &'a self,
        effects: &'a [Effect],
        rules: &'a EmitRules,
        received_ns: i64,
    ) -> Vec<Entry<'a>> {
        self.events
            .iter()
            .map(|event| {
                let (kind, subject, source) = effects[event.effect].names(&rules.plugin);
                Entry {
                    time_ns: event.time_ns,
                    received_ns,
                    value: event.value,
                    kind,
                    subject,
                    source,
                    origin: &rules.node,
                    id: &event.id,
                    flags: event.flags,
                    head: &self.heads[event.head.clone()],
                    tail: TAIL,
                    data: event.data.clone(),
                    id_span: event.id_span.clone(),
                }
            })
            .collect()
    }
}

impl Effect {
    /// Bytes that it keeps in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        64 + match self {
            Self::Event(e) => {
                e.id.len() + e.kind.len() + e.subject.len() + e.source.len() + e.data_json.len()
            }
            Self::Alert(a) => {
                a.id.len() + a.subject.len() + a.description.len() + a.data_json.len()
            }
            Self::Weight { source, .. } => source.len(),
            Self::Topic { topic, event, message } => topic.len() + event.len() + message.len(),
        }
    }

    /// Kind, subject and source of the event that it becomes.
    fn names<'a>(&'a self, plugin: &'a str) -> (&'a str, &'a str, &'a str) {
        match self {
            Self::Event(e) => {
                (&e.kind, &e.subject, if e.source.is_empty() { plugin } else { &e.source })
            }
            Self::Alert(a) => (ALERT_KIND, &a.subject, plugin),
            Self::Weight { source, .. } => (WEIGHT_KIND, source, plugin),
            Self::Topic { .. } => ("", "", plugin),
        }
    }
}

impl DerivedEvent {
    fn draft<'a>(&'a self, id: &'a str) -> EventDraft<'a> {
        EventDraft {
            event_id: id,
            time_ns: self.time_ns,
            kind: &self.kind,
            subject: &self.subject,
            source: &self.source,
            value: self.value,
            beauty: BeautyTexts::default(),
            data_json: &self.data_json,
            hops: self.hops,
        }
    }
}

impl DerivedAlert {
    fn draft<'a>(&'a self, id: &'a str) -> AlertDraft<'a> {
        AlertDraft {
            event_id: id,
            time_ns: self.time_ns,
            subject: &self.subject,
            source: "",
            severity: self.severity.name(),
            score: self.score,
            description: &self.description,
            data_json: &self.data_json,
            hops: self.hops,
        }
    }
}

fn check_topic(topic: &str, event: &str, message: &[u8]) -> Result<(), Refusal> {
    let good = (1..=256).contains(&topic.len())
        && event.len() <= 256
        && !event.contains(['\n', '\r'])
        && message.len() <= abi::MAX_BODY_BYTES
        && std::str::from_utf8(message).is_ok();
    if good {
        return Ok(());
    }
    Err(invalid("a topic has 1 to 256 bytes, a message is UTF-8 of at most 8 MiB".to_owned()))
}

fn invalid(reason: String) -> Refusal {
    Refusal { status: Status::INVALID, reason }
}

fn denied(reason: String) -> Refusal {
    Refusal { status: Status::DENIED, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> EmitRules {
        EmitRules {
            plugin: "p".into(),
            node: "n".into(),
            permissions: Permissions {
                source: vec!["ok-*".into()],
                weights: true,
                ..Permissions::default()
            },
            limits: Limits::default(),
            emitter: 5,
        }
    }

    fn event(source: &str, hops: u8) -> Effect {
        Effect::Event(DerivedEvent {
            id: String::new(),
            time_ns: 1,
            kind: "k".into(),
            subject: String::new(),
            source: source.into(),
            value: 1.0,
            data_json: r#"{"a":1}"#.into(),
            hops,
        })
    }

    #[test]
    fn one_bad_effect_refuses_all() {
        let mut out = Encoded::default();
        let effects = [event("", 1), event("other", 1)];
        let refusal = rules().encode(&effects, 0, || "x".into(), &mut out).unwrap_err();
        assert_eq!(refusal.status, Status::DENIED);
        assert!(refusal.reason.contains("permissions.source"));
        for (effect, status) in [
            (event("", MAX_HOPS + 1), Status::DENIED),
            (event("", 0), Status::DENIED),
            (Effect::Weight { source: "s".into(), weight: 1.5 }, Status::INVALID),
            (Effect::Weight { source: String::new(), weight: f64::NAN }, Status::INVALID),
            (
                Effect::Topic { topic: String::new(), event: String::new(), message: vec![] },
                Status::INVALID,
            ),
            (
                Effect::Topic { topic: "t".into(), event: "a\nb".into(), message: vec![] },
                Status::INVALID,
            ),
        ] {
            assert_eq!(rules().check(&effect, &mut out).unwrap_err().status, status, "{effect:?}");
        }
    }

    #[test]
    fn entries_carry_emitter_hops_and_source() {
        let mut out = Encoded::default();
        let effects = [
            event("ok-1", 2),
            Effect::Topic { topic: "t".into(), event: String::new(), message: vec![] },
            Effect::Weight { source: "s".into(), weight: 0.25 },
        ];
        let rules = rules();
        let mut n = 0;
        let mut id = || {
            n += 1;
            format!("id-{n}")
        };
        rules.encode(&effects, 9, &mut id, &mut out).unwrap();
        let entries = out.entries(&effects, &rules, 9);
        assert_eq!(entries.len(), 2, "a topic message is no event");
        assert_eq!((entries[0].source, entries[0].id), ("ok-1", "id-1"));
        assert_eq!(entries[0].flags >> EMITTER_SHIFT, 5);
        assert_eq!((entries[0].flags >> abi::flags::HOPS_SHIFT) & abi::flags::HOPS_MASK, 2);
        assert_eq!(
            (entries[1].kind, entries[1].subject, entries[1].value),
            (WEIGHT_KIND, "s", 0.25)
        );
    }
}
