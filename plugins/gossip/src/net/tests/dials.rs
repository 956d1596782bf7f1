//! Dialling: dead addresses, restarts, doubles, oneself, and meshes that outlive their bootstrap.

use std::net::TcpListener;

use super::*;

#[test]
fn dead_addresses_delay_nobody() {
    let mut good = Member::start(config(1, &[]));
    // One that nobody listens on, and one that takes connections and says nothing.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let peers =
        [format!("ws://{closed}"), format!("ws://{}", silent.local_addr().unwrap()), good.url()];
    let begin = Instant::now();
    let mut two = Member::start(config(2, &peers));
    two.until("the good one", |two| two.up.contains_key(&good.id()));
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    two.until("the dead one is told of", |two| {
        let addresses = two.net.addresses();
        let of = |at: &str| addresses.iter().find(|info| info.address.to_string() == at).unwrap();
        let dead = of(&format!("/ip4/127.0.0.1/tcp/{}/ws", closed.port()));
        of(&good.url()).connected && dead.failures > 0 && dead.why.is_some()
    });
    two.say(b"there you are");
    good.until("a frame", |good| good.frames.len() == 1);
}

#[test]
fn a_peer_that_restarts_is_found_again() {
    let mut one = Member::start(config(1, &[]));
    let at = one.socket();
    let mut two = Member::start(config(2, &[one.url()]));
    two.until("a connection", |two| two.up.len() == 1);
    one.say(b"before");
    two.until("a frame", |two| two.frames.len() == 1);
    one.net.stop();
    two.until("the peer is gone", |two| two.up.is_empty());
    let mut one = Member::start(NetConfig { listen: Some(at), ..config(1, &[]) });
    two.until("the peer is back", |two| two.up.len() == 1);
    one.say(b"after");
    two.until("a frame again", |two| two.frames.len() == 2);
}

#[test]
fn a_node_does_not_talk_to_itself() {
    let mut spare = config(1, &[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    drop(listener);
    spare.listen = Some(at);
    // By address, which is seen before the dial, and by name, which is not.
    let by_name = format!("ws://localhost:{}", at.port());
    spare.peers = vec![format!("ws://{at}").parse().unwrap(), by_name.parse().unwrap()];
    let mut one = Member::start(spare);
    let mut two = Member::start(config(2, &[one.url()]));
    two.say(b"hello");
    one.until("the other's frame", |one| one.frames.len() == 1);
    assert_eq!(one.up.keys().collect::<Vec<_>>(), [&two.id()]);
    let rejected: u64 = Reason::ALL.iter().map(|why| one.net.counters().rejected(*why)).sum();
    assert_eq!(rejected, 0, "an own address is no attack");
    one.until("it is left alone", |one| {
        let addresses = one.net.addresses();
        let own =
            addresses.iter().filter(|info| info.why.as_deref() == Some("is this node itself"));
        own.count() == 2
    });
}

#[test]
fn two_that_dial_each_other_keep_one_connection() {
    // By name: an address would be recognised as the connected peer's, and not be dialled.
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (one_at, two_at) = (free(), free());
    let by_name = |at: SocketAddr| format!("ws://localhost:{}", at.port());
    let one = NetConfig { listen: Some(one_at), ..config(1, &[by_name(two_at)]) };
    let two = NetConfig { listen: Some(two_at), ..config(2, &[by_name(one_at)]) };
    let mut members = [Member::start(one), Member::start(two)];
    all_until(&mut members, "a second connection", |members| {
        members.iter().any(|member| member.net.peers().iter().any(|peer| peer.connections == 2))
    });
    let mut said = 0_usize;
    all_until(&mut members, "one connection", |members| {
        if members.iter().all(|member| member.published.len() == said) {
            said += 1;
            for (n, member) in (0_u8..).zip(members.iter_mut()) {
                member.net.publish(0, [&[n][..], &said.to_be_bytes()].concat()).unwrap();
            }
        }
        members.iter().all(|member| member.net.peers().iter().all(|peer| peer.connections == 1))
            && members.iter().all(|member| member.net.peers().len() == 1)
    });
    for member in &mut members {
        member.say(b"after");
    }
    all_until(&mut members, "all that was published", |members| {
        let of = |member: &Member| member.published.iter().filter(|sent| sent.is_ok()).count();
        let (of_one, of_two) = (of(&members[0]), of(&members[1]));
        members[0].frames.len() >= of_two && members[1].frames.len() >= of_one
    });
    assert_ne!(members[0].up.values().next(), None, "the peer never went away");
}

#[test]
fn a_mesh_outlives_its_bootstrap() {
    let mut members = Member::star(6);
    all_until(&mut members, "everybody knows others", |members| {
        let others = |member: &Member| member.net.peers().len();
        members.iter().all(|member| others(member) >= 3)
    });
    members.remove(0).net.stop();
    members[2].say(b"the bootstrap is dead");
    all_until(&mut members, "the frame everywhere", |members| {
        let others = members.iter().enumerate().filter(|(n, _)| *n != 2);
        others.map(|(_, member)| member.frames.len()).min() == Some(1)
    });
    assert!(members.iter().skip(1).any(|member| !member.net.known_good().is_empty()));
}
