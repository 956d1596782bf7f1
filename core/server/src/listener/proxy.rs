//! Proxies in front of the server: whom they ask for.
//!
//! The rule: a client's word about its address counts for nothing. Only a peer of
//! `server.trusted_proxies` is believed, and only what it added itself: the list is read from its end,
//! past the trusted ones, to the first address that none of them vouches for as its own.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::{ServerSection, network};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whether `address` is a proxy's that is believed.
pub(super) fn is_trusted(section: &ServerSection, address: IpAddr) -> bool {
    let address = address.to_canonical();
    let mut trusted = section.trusted_proxies.iter().filter_map(|text| network(text));
    trusted.any(|network| network.contains(&address))
}

/// Who asks: the peer, or whom a trusted one names.
pub(crate) fn client(section: &ServerSection, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut client = peer.to_canonical();
    if section.trusted_proxies.is_empty() {
        return client;
    }
    let lists: Vec<_> = headers.get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect();
    let mut named =
        lists.iter().flat_map(|list| list.split(|byte| *byte == b',')).map(address).rev();
    while is_trusted(section, client)
        && let Some(Some(before)) = named.next()
    {
        client = before.to_canonical();
    }
    client
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(bytes).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_name_the_client() {
        let section = ServerSection {
            trusted_proxies: vec!["10.0.0.0/8".into(), "::1".into(), "fd00::/8".into()],
            ..ServerSection::default()
        };
        for (peer, lists, expected) in [
            ("10.0.0.1", &["1.2.3.4"][..], "1.2.3.4"),
            ("::1", &["1.2.3.4"], "1.2.3.4"),
            ("::ffff:10.0.0.1", &["1.2.3.4"], "1.2.3.4"),
            // What the client wrote itself stands before what the proxies added.
            ("10.0.0.1", &["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", &["6.6.6.6", "1.2.3.4, 10.9.9.9"], "1.2.3.4"),
            ("10.0.0.1", &["1.2.3.4:5678"], "1.2.3.4"),
            ("10.0.0.1", &["[2001:db8::1]:80, fd00::2"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            // Nobody is named, or nothing that is an address.
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["10.0.0.3"], "10.0.0.3"),
            // What is no text ends the walk, and hides nothing that was added after it.
            ("10.0.0.1", &["\u{ff}, 1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", &["6.6.6.6", "\u{ff}, 1.2.3.4, 10.0.0.2"], "1.2.3.4"),
            ("10.0.0.1", &["6.6.6.6", "\u{ff}"], "10.0.0.1"),
            // A stranger says so.
            ("1.1.1.1", &["127.0.0.1"], "1.1.1.1"),
            ("11.0.0.1", &["127.0.0.1"], "11.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            for list in lists {
                // As Latin-1, so that a byte may be none of any text.
                let bytes: Vec<u8> = list.chars().map(|c| c as u8).collect();
                headers.append(FORWARDED_FOR, HeaderValue::from_bytes(&bytes).unwrap());
            }
            let client = client(&section, peer.parse().unwrap(), &headers);
            assert_eq!(client.to_string(), expected, "{peer} {lists:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, HeaderValue::from_static("1.2.3.4"));
        let nobody = ServerSection::default();
        let peer = IpAddr::from([10, 0, 0, 1]);
        assert_eq!(super::client(&nobody, peer, &headers), peer);
    }
}
