//! Addresses of peers, as people write them: `ws://host:8091`, `wss://`, or a libp2p multiaddr.
//!
//! The rule: an entry is understood as a whole or refused by name with what to write instead.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use libp2p::core::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

/// Longest entry; a DNS name has at most 253 bytes.
const MAX_ENTRY: usize = 512;
/// Longest DNS name (RFC 1035, 2.3.4, without the root's dot).
const MAX_NAME: usize = 253;

/// Where a peer is dialled, and who must answer there if that was said.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    /// Transport address, without a peer id.
    pub(crate) at: Multiaddr,
    /// The only peer that is accepted there.
    pub(crate) expect: Option<PeerId>,
}

/// Why an entry is no address; `Display` names the entry and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("peer `{entry}`: {why}")]
pub(crate) struct AddressError {
    entry: String,
    why: String,
}

impl FromStr for Address {
    type Err = AddressError;

    /// Reads `ws://HOST:PORT[/PATH][#PEER_ID]`, the same with `wss://`, or a multiaddr
    /// (`/dns/HOST/tcp/PORT/ws[/p2p/PEER_ID]`). IPv6 literals stand in brackets.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let entry = text.trim();
        read(entry).map_err(|why| AddressError { entry: shown(entry), why })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.at)
    }
}

fn read(entry: &str) -> Result<Address, String> {
    if entry.is_empty() {
        return Err("is empty; write ws://host:8091, or leave the entry out".into());
    }
    if entry.len() > MAX_ENTRY {
        return Err(format!("is longer than {MAX_ENTRY} bytes"));
    }
    if entry.starts_with('/') {
        return multiaddr(entry);
    }
    match entry.split_once("://") {
        Some(("ws", rest)) => url(rest, |path| Protocol::Ws(path.into())),
        Some(("wss", rest)) => url(rest, |path| Protocol::Wss(path.into())),
        Some(("json+ws" | "json+wss", _)) => {
            Err("is an address of the JSON gateway, not of the mesh; list it with the gateway's \
                 peers"
                .into())
        }
        Some((scheme, _)) => Err(format!("`{scheme}://` is not spoken here; write ws://host:8091")),
        None => Err(format!("has no scheme; write ws://{}", shown(entry))),
    }
}

fn url(rest: &str, end: impl Fn(String) -> Protocol<'static>) -> Result<Address, String> {
    let (rest, expect) = match rest.split_once('#') {
        Some((rest, id)) => (rest, Some(peer_id(id)?)),
        None => (rest, None),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("holds a user or password, which the mesh does not use; remove it".into());
    }
    let (host, port) = authority
        .rsplit_once(':')
        .filter(|(host, _)| !host.starts_with('[') || host.ends_with(']'))
        .ok_or("has no port; add one, such as :8091")?;
    let port: u16 = port
        .parse()
        .ok()
        .filter(|port| *port != 0)
        .ok_or("has no port between 1 and 65535; write one, such as :8091")?;
    let path = if path.is_empty() { "/" } else { path };
    let at = Multiaddr::empty()
        .with(self::host(host)?)
        .with(Protocol::Tcp(port))
        .with(end(path.to_owned()));
    Ok(Address { at, expect })
}

fn host(host: &str) -> Result<Protocol<'static>, String> {
    if let Some(literal) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        let ip: Ipv6Addr = literal.parse().map_err(
            |_| "has brackets around what is no IPv6 address; write ws://[2001:db8::1]:8091",
        )?;
        return Ok(Protocol::Ip6(ip));
    }
    if host.contains(':') {
        return Err("holds an IPv6 address without brackets; write ws://[2001:db8::1]:8091".into());
    }
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        return Ok(Protocol::Ip4(ip));
    }
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if host.is_empty() || host.len() > MAX_NAME || !host.chars().all(letters) {
        return Err("has no host name of letters, digits, `-` and `.`; write ws://host:8091".into());
    }
    Ok(Protocol::Dns(host.to_owned().into()))
}

fn multiaddr(entry: &str) -> Result<Address, String> {
    let mut at: Multiaddr = entry.parse().map_err(|why| {
        format!("is no multiaddr ({why}); write /dns/host/tcp/8091/ws or ws://host:8091")
    })?;
    let expect = match at.iter().last() {
        Some(Protocol::P2p(id)) => {
            at.pop();
            Some(id)
        }
        _ => None,
    };
    if !is_websocket(&at) {
        return Err("is no WebSocket over TCP; write /dns/host/tcp/8091/ws".into());
    }
    Ok(Address { at, expect })
}

fn peer_id(id: &str) -> Result<PeerId, String> {
    id.parse().map_err(|_| {
        "holds no peer id after `#`; it is shown as peer_id under /federated/health".to_owned()
    })
}

/// Whether an address has the one shape that is dialled: host, TCP port, WebSocket.
pub(crate) fn is_websocket(at: &Multiaddr) -> bool {
    let mut parts = at.iter();
    let host = matches!(
        parts.next(),
        Some(
            Protocol::Ip4(_)
                | Protocol::Ip6(_)
                | Protocol::Dns(_)
                | Protocol::Dns4(_)
                | Protocol::Dns6(_)
        )
    );
    let port = matches!(parts.next(), Some(Protocol::Tcp(port)) if port != 0);
    let socket = match parts.next() {
        Some(Protocol::Ws(_) | Protocol::Wss(_)) => true,
        Some(Protocol::Tls) => matches!(parts.next(), Some(Protocol::Ws(_))),
        _ => false,
    };
    host && port && socket && parts.next().is_none()
}

/// The address's IP, if it is written as one.
pub(crate) fn ip(at: &Multiaddr) -> Option<IpAddr> {
    match at.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)),
        _ => None,
    }
}

/// `/ip4/.../tcp/PORT/ws` of an IP and a port.
pub(crate) fn websocket(ip: IpAddr, port: u16) -> Multiaddr {
    Multiaddr::from(ip).with(Protocol::Tcp(port)).with(Protocol::Ws("/".into()))
}

/// The entry as an error may show it: short, printable, and without what may be a password.
fn shown(entry: &str) -> String {
    let entry = match (entry.find("://"), entry.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}...{}", &entry[..scheme + 3], &entry[at..])
        }
        _ => entry.to_owned(),
    };
    entry.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn id() -> PeerId {
        "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN".parse().unwrap()
    }

    #[test]
    fn what_people_write_becomes_a_multiaddr() {
        for (text, at) in [
            ("ws://peer1:8091", "/dns/peer1/tcp/8091/ws"),
            (" ws://10.0.0.7:8091/ ", "/ip4/10.0.0.7/tcp/8091/ws"),
            ("ws://[2001:db8::1]:80", "/ip6/2001:db8::1/tcp/80/ws"),
            ("wss://mesh.example.org:443/gossip", "/dns/mesh.example.org/tcp/443/wss/%2Fgossip"),
            ("/dns4/a/tcp/1/tls/ws", "/dns4/a/tcp/1/tls/ws"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.expect, None);
            let expected: Multiaddr = at.replace("wss/%2Fgossip", "wss").parse().unwrap();
            if text.contains("/gossip") {
                assert!(address.at.to_string().contains("gossip"), "{}", address.at);
            } else {
                assert_eq!(address.at.to_string(), expected.to_string());
            }
            assert!(is_websocket(&address.at));
        }
    }

    #[test]
    fn an_expected_peer_is_read_and_taken_off_the_address() {
        let id = id();
        for text in [format!("ws://peer1:8091#{id}"), format!("/dns/peer1/tcp/8091/ws/p2p/{id}")] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.expect, Some(id));
            assert_eq!(address.at.to_string(), "/dns/peer1/tcp/8091/ws");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_remedy() {
        for (text, told) in [
            ("", "is empty"),
            ("peer1:8091", "write ws://peer1:8091"),
            ("http://peer1:8091", "`http://` is not spoken here"),
            ("json+ws://peer1:8092", "JSON gateway"),
            ("ws://peer1", "has no port"),
            ("ws://peer1:0", "between 1 and 65535"),
            ("ws://peer1:70000", "between 1 and 65535"),
            ("ws://2001:db8::1:8091", "without brackets"),
            ("ws://[2001:db8::1]", "has no port"),
            ("ws://[peer]:8091", "no IPv6 address"),
            ("ws://pe er:8091", "no host name"),
            ("ws://:8091", "no host name"),
            ("ws://peer1:8091#me", "no peer id"),
            ("/dns/peer1/tcp/8091", "no WebSocket"),
            ("/ip4/1.2.3.4/udp/1/quic-v1", "no WebSocket"),
            ("/nonsense", "is no multiaddr"),
        ] {
            let why = text.parse::<Address>().unwrap_err().to_string();
            assert!(why.starts_with(&format!("peer `{text}`: ")), "{why}");
            assert!(why.contains(told), "{text}: {why}");
        }
    }

    #[test]
    fn a_password_is_not_repeated() {
        let why = "ws://me:secret@peer1:8091".parse::<Address>().unwrap_err().to_string();
        assert!(why.contains("remove it") && !why.contains("secret"), "{why}");
    }
}
