//! Which node a label means.
//!
//! The rule: a label belongs to the key that claimed it first. Another key that claims it is shown with the beginning of
//! its own, and so is one whose label looks as if it had been shown so: nobody passes for somebody else.

use std::collections::BTreeMap;

use crate::envelope::Verified;
use crate::keys::Origin;

/// Keys whose label is remembered; one beyond is shown by its key.
pub const MAX_LABELS: usize = 8192;

/// The labels of the mesh.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// By what they are called.
    owners: BTreeMap<Box<str>, Origin>,
    shown: BTreeMap<Origin, Box<str>>,
    /// Bound since [`Labels::take_new`].
    new: Vec<(Origin, Box<str>)>,
}

impl Labels {
    /// Binds this node's own label as it stands, before any other is seen.
    pub fn own(&mut self, origin: Origin, label: &str) {
        self.owners.insert(label.into(), origin);
        self.shown.insert(origin, label.into());
    }

    /// Takes up what an origin was called before a restart.
    pub fn restore(&mut self, origin: Origin, name: &str) {
        if self.shown.contains_key(&origin) || self.shown.len() >= MAX_LABELS {
            return;
        }
        // This node's own label may have changed.
        if self.owners.contains_key(name) {
            return self.bind(origin, name);
        }
        self.owners.insert(name.into(), origin);
        self.shown.insert(origin, name.into());
    }

    /// What was bound since this was asked last, to be kept over a restart.
    pub fn take_new(&mut self) -> Vec<(Origin, Box<str>)> {
        std::mem::take(&mut self.new)
    }

    /// Takes note of what a peer says it is called.
    pub fn claim(&mut self, origin: Origin, label: &str) {
        if !label.is_empty() {
            self.bind(origin, label);
        }
    }

    /// Takes note of an envelope's label and returns what its origin is called.
    pub fn see(&mut self, envelope: &Verified) -> String {
        let origin = envelope.id.log.origin;
        if let Some(label) = &envelope.facts().label {
            self.bind(origin, label);
        }
        self.name(origin)
    }

    /// What an origin is called: its label, its label and the first 8 digits of its key, or those digits alone.
    #[must_use]
    pub fn name(&self, origin: Origin) -> String {
        self.known(origin).map_or_else(|| origin.short(), ToOwned::to_owned)
    }

    /// What it is called, where a label of it was seen.
    #[must_use]
    pub fn known(&self, origin: Origin) -> Option<&str> {
        self.shown.get(&origin).map(|name| &**name)
    }

    /// Whose label it is.
    #[must_use]
    pub fn owner(&self, label: &str) -> Option<Origin> {
        self.owners.get(label).copied()
    }

    fn bind(&mut self, origin: Origin, label: &str) {
        // The first label of a key stays: a node that is renamed begins with a new key, or is shown as before.
        if self.shown.contains_key(&origin) || self.shown.len() >= MAX_LABELS {
            return;
        }
        let marked = format!("{label} {}", origin.short());
        let names = [(!looks_marked(label)).then(|| label.to_owned()), Some(marked)];
        let free =
            |name: &String| self.owners.get(name.as_str()).is_none_or(|owner| *owner == origin);
        // Two keys may begin alike, since whoever makes many can choose.
        let name = names.into_iter().flatten().find(free).unwrap_or_else(|| origin.to_string());
        self.owners.insert(name.as_str().into(), origin);
        self.shown.insert(origin, name.as_str().into());
        self.new.push((origin, name.into()));
    }
}

/// Whether a label ends, after a space or alone, in digits as keys are shown.
fn looks_marked(label: &str) -> bool {
    let last = label.rsplit(' ').next().unwrap_or_default();
    matches!(last.len(), 8 | 64)
        && last.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Author;
    use crate::keys::Keys;

    fn signed(key: u8, label: &str) -> Verified {
        let mut author = Author::new(Keys::ed25519(&[key; 32]), 1, 1, 1).expect("good numbers");
        author.sign(&format!("{{\"origin\":\"{label}\"}}")).expect("JSON")
    }

    #[test]
    fn a_label_is_the_first_keys() {
        let mut labels = Labels::default();
        let own = Keys::ed25519(&[9; 32]).origin();
        labels.own(own, "home");
        assert_eq!(labels.see(&signed(1, "berlin")), "berlin");
        let second = signed(2, "berlin");
        let marked = format!("berlin {}", second.id.log.origin.short());
        assert_eq!(labels.see(&second), marked);
        assert_eq!(
            labels.see(&signed(3, "home")),
            format!("home {}", signed(3, "").id.log.origin.short())
        );
        // It is the same ever after, whatever they claim next.
        assert_eq!(labels.see(&signed(1, "paris")), "berlin");
        assert_eq!(
            (labels.owner("berlin"), labels.name(own)),
            (Some(signed(1, "").id.log.origin), "home".into())
        );
        let nameless = signed(4, "");
        assert_eq!(labels.see(&nameless), nameless.id.log.origin.short());
    }

    #[test]
    fn nobody_takes_a_name_that_others_were_given() {
        let mut labels = Labels::default();
        labels.see(&signed(1, "berlin"));
        // Whoever knows the second key can sign its name before it comes.
        let second = signed(2, "berlin");
        let given = format!("berlin {}", second.id.log.origin.short());
        let thief = signed(3, &given);
        let of_thief = format!("{given} {}", thief.id.log.origin.short());
        assert_eq!((labels.see(&thief), labels.see(&second)), (of_thief.clone(), given.clone()));
        let digits = signed(4, &second.id.log.origin.short());
        assert_ne!(labels.see(&digits), second.id.log.origin.short());
        let whole = signed(5, &second.id.log.origin.to_string());
        assert_ne!(labels.see(&whole), second.id.log.origin.to_string());

        // After a restart they are called the same, whoever is seen first.
        let mut later = Labels::default();
        labels.take_new().iter().for_each(|(origin, name)| later.restore(*origin, name));
        assert_eq!((later.see(&second), later.see(&signed(1, "berlin"))), (given, "berlin".into()));
        assert_eq!(later.see(&thief), of_thief);
        assert!(later.take_new().is_empty() && labels.take_new().is_empty());
        // A peer's word binds as an event does.
        later.claim(signed(6, "").id.log.origin, "berlin");
        assert!(later.see(&signed(6, "berlin")).starts_with("berlin "));
    }

    #[test]
    fn labels_are_bounded() {
        let mut labels = Labels::default();
        let origin = |n: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            Origin::from_bytes(bytes)
        };
        (0..MAX_LABELS + 5).for_each(|n| labels.bind(origin(n), &format!("n-{n}")));
        assert_eq!((labels.shown.len(), labels.owners.len()), (MAX_LABELS, MAX_LABELS));
        assert_eq!(labels.name(origin(MAX_LABELS)), origin(MAX_LABELS).short());
        assert_eq!(labels.name(origin(7)), "n-7");
    }
}
