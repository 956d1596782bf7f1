//! What two peers tell each other when they meet and now and then after: what they are called, and where they, and
//! others, can be dialled.
//!
//! The rule: what a peer tells is checked against where it stands: nobody can point others at addresses that only make
//! sense on their own machine or in their own network, and one message holds few.

use std::net::IpAddr;

use libp2p::core::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use super::address::{ip, is_websocket};

/// Version of the message.
const VERSION: u8 = 1;
/// Most addresses in a message.
pub(crate) const MAX_TOLD: usize = 16;
/// Most bytes of a message.
pub(crate) const MAX_BYTES: usize = 4 + MAX_TOLD * (1 + MAX_ADDRESS) + 1 + MAX_LABEL;
/// Most bytes of a label.
const MAX_LABEL: usize = 128;
/// Most bytes of an address.
const MAX_ADDRESS: usize = 128;

/// A message: one byte of version, two of port (big-endian), one that counts addresses, and for each of these one
/// byte of length and a binary multiaddr that ends in its peer's id; then one byte of length and the label, UTF-8.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Hello {
    /// Port on which the sender takes WebSocket connections; 0 when it takes none.
    pub(crate) port: u16,
    /// Addresses of others that it knows to be good.
    pub(crate) others: Vec<(Multiaddr, PeerId)>,
    /// What the sender's node is called; a name, not a proof.
    pub(crate) label: String,
}

impl Hello {
    /// The message's bytes; addresses beyond the bounds are left out.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.port.to_be_bytes());
        let whole = |(at, peer): &(Multiaddr, PeerId)| at.clone().with(Protocol::P2p(*peer));
        let fits = |at: &Multiaddr| at.len() <= MAX_ADDRESS;
        let others: Vec<Multiaddr> =
            self.others.iter().map(whole).filter(fits).take(MAX_TOLD).collect();
        bytes.push(others.len() as u8);
        for at in others {
            bytes.push(at.len() as u8);
            bytes.extend(at.to_vec());
        }
        let label = self.label.get(..MAX_LABEL).unwrap_or(&self.label);
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
        bytes
    }

    /// Reads a message; `None` when it is none. A later version may append more.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[version, high, low, count], mut rest) = bytes.split_first_chunk()?;
        if version < VERSION || usize::from(count) > MAX_TOLD {
            return None;
        }
        let mut others = Vec::new();
        for _ in 0..count {
            let (&length, after) = rest.split_first()?;
            let (at, after) = after.split_at_checked(usize::from(length))?;
            if usize::from(length) > MAX_ADDRESS {
                return None;
            }
            let mut at = Multiaddr::try_from(at.to_vec()).ok()?;
            let Some(Protocol::P2p(peer)) = at.pop() else { return None };
            others.push((at, peer));
            rest = after;
        }
        let (&length, rest) = rest.split_first()?;
        let label = rest.get(..usize::from(length)).filter(|label| label.len() <= MAX_LABEL)?;
        let label = String::from_utf8(label.to_vec()).ok()?;
        if label.chars().any(char::is_control) {
            return None;
        }
        Some(Self { port: u16::from_be_bytes([high, low]), others, label })
    }
}

/// How far an address reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Machine,
    Network,
    World,
}

/// Whether an address told by a peer that stands at `from` is worth a dial here.
pub(crate) fn is_credible(told: &Multiaddr, from: Option<IpAddr>) -> bool {
    if !is_websocket(told) {
        return false;
    }
    // Names are not taken from others: looking them up would tell strangers what this node does.
    let (Some(told), Some(from)) = (ip(told).and_then(reach), from.and_then(reach)) else {
        return false;
    };
    // Whoever is near may name what is near and what is far; whoever is far only what is far.
    told >= from
}

/// `None` for what nobody can be dialled at.
fn reach(ip: IpAddr) -> Option<Reach> {
    match ip {
        IpAddr::V4(ip) => {
            if ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() || ip.is_link_local() {
                return None;
            }
            let [a, b, ..] = ip.octets();
            // RFC 6598: addresses behind carrier-grade NAT, and what overlay networks use.
            let shared = a == 100 && (64..128).contains(&b);
            match (a, ip.is_loopback(), ip.is_private() || shared) {
                (0 | 240..=255, ..) => None,
                (_, true, _) => Some(Reach::Machine),
                (_, _, true) => Some(Reach::Network),
                _ => Some(Reach::World),
            }
        }
        IpAddr::V6(ip) => {
            if let Some(ip) = ip.to_ipv4_mapped() {
                return reach(ip.into());
            }
            if ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local() {
                return None;
            }
            Some(match (ip.is_loopback(), ip.is_unique_local()) {
                (true, _) => Reach::Machine,
                (_, true) => Reach::Network,
                _ => Reach::World,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;
    use crate::net::address::websocket;

    #[test]
    fn messages_survive_the_wire_and_stay_small() {
        let peer = PeerId::random();
        let at = |n: u8| (websocket(IpAddr::from([10, 0, 0, n]), 8091), peer);
        let hello = Hello { port: 8091, others: (0..3).map(at).collect(), label: "berlin".into() };
        assert_eq!(Hello::decode(&hello.encode()), Some(hello.clone()));
        assert_eq!(Hello::decode(&Hello::default().encode()), Some(Hello::default()));
        let many = Hello { port: 1, others: (0..200).map(at).collect(), label: "berlin".into() };
        let bytes = many.encode();
        assert!(bytes.len() <= MAX_BYTES);
        assert_eq!(Hello::decode(&bytes).unwrap().others.len(), MAX_TOLD);
        let cut = |length| Hello::decode(&hello.encode()[..length]);
        assert!((0..hello.encode().len()).all(|length| cut(length).is_none()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(hello) = Hello::decode(&bytes) {
                prop_assert!(hello.others.len() <= MAX_TOLD);
            }
        }
    }

    #[test]
    fn nobody_names_what_is_nearer_than_himself() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (told, from, credible) in [
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "192.168.1.2", false),
            ("::1", "203.0.113.5", false),
            ("10.1.2.3", "192.168.1.2", true),
            ("10.1.2.3", "203.0.113.5", false),
            ("100.64.0.1", "8.8.8.8", false),
            ("::ffff:10.1.2.3", "8.8.8.8", false),
            ("fd00::1", "2001:db8::1", false),
            ("8.8.8.8", "127.0.0.1", true),
            ("2606:4700::1", "8.8.8.8", true),
            ("0.0.0.0", "127.0.0.1", false),
            ("0.1.2.3", "127.0.0.1", false),
            ("224.0.0.1", "127.0.0.1", false),
            ("255.255.255.255", "127.0.0.1", false),
            ("169.254.169.254", "127.0.0.1", false),
            ("fe80::1", "127.0.0.1", false),
        ] {
            let at = websocket(ip(told), 8091);
            assert_eq!(is_credible(&at, Some(ip(from))), credible, "{told} from {from}");
        }
        let name: Multiaddr = "/dns/metadata.internal/tcp/80/ws".parse().unwrap();
        assert!(!is_credible(&name, Some(ip("127.0.0.1"))));
        let tcp: Multiaddr = "/ip4/8.8.8.8/tcp/80".parse().unwrap();
        assert!(!is_credible(&tcp, Some(ip("127.0.0.1"))));
        assert!(!is_credible(&websocket(ip("8.8.8.8"), 1), None));
    }
}
