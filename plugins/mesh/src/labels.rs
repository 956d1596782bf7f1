//! Which node a label means.
//!
//! The rule: a label belongs to the key that signed an event with it first. Another key that claims it is shown with
//! the beginning of its own, so that nobody passes for somebody else.

use std::collections::BTreeMap;

use crate::envelope::Verified;
use crate::keys::Origin;

/// Keys whose label is remembered; one beyond is shown by its key.
pub const MAX_LABELS: usize = 8192;

/// The labels of the mesh.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    owners: BTreeMap<Box<str>, Origin>,
    shown: BTreeMap<Origin, Box<str>>,
}

impl Labels {
    /// Binds this node's own label, before any other is seen.
    pub fn own(&mut self, origin: Origin, label: &str) {
        self.bind(origin, label);
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
        self.shown.get(&origin).map_or_else(|| origin.short(), ToString::to_string)
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
        let owner = *self.owners.entry(label.into()).or_insert(origin);
        let name = match owner == origin {
            true => label.into(),
            false => format!("{label} {}", origin.short()).into(),
        };
        self.shown.insert(origin, name);
    }
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
