//! The address book: whom to dial, when, and what came of it.
//!
//! The rule: every address has a state of its own, so that a dead one never delays another, and the book is bounded
//! whatever is configured or told.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use libp2p::{Multiaddr, PeerId};

use super::address::Address;
use super::event::AddressInfo;

/// First pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A connection that ends sooner counts as a failure: a peer that hangs up at once is not dialled without pause.
const STABLE: Duration = Duration::from_secs(5);
/// Learned addresses kept; those that failed most make room.
const LEARNED: usize = 256;
/// Failures in a row after which a learned address is forgotten.
const GIVE_UP: u32 = 8;
/// Most letters kept of why a dial failed.
const MAX_WHY: usize = 160;
/// Dials at once for each connection that is missing.
const DIALS_PER_MISSING: usize = 4;

/// All known addresses.
#[derive(Debug)]
pub(crate) struct Book {
    entries: HashMap<Multiaddr, Entry>,
    dialling: usize,
    /// Seeds jitter; not a secret.
    noise: u64,
}

#[derive(Debug)]
struct Entry {
    origin: Origin,
    expect: Option<PeerId>,
    /// Who answered there last, or is said to.
    peer: Option<PeerId>,
    failures: u32,
    state: State,
    next: Instant,
    was_good: bool,
    why: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Configured,
    Learned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Dialling,
    Connected {
        since: Instant,
    },
    /// This node itself.
    Own,
}

/// A dial to begin.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dial {
    /// Where.
    pub(crate) at: Multiaddr,
    /// Who must answer.
    pub(crate) expect: Option<PeerId>,
}

impl Book {
    /// A book of configured addresses, all due at once.
    pub(crate) fn new(configured: &[Address], noise: u64, now: Instant) -> Self {
        let mut book = Self { entries: HashMap::new(), dialling: 0, noise: noise | 1 };
        for address in configured {
            book.entries.insert(address.at.clone(), Entry::new(Origin::Configured, address, now));
        }
        book
    }

    /// Notes an address that somebody told. Returns whether it is kept and new.
    pub(crate) fn learn(&mut self, address: &Address, peer: Option<PeerId>, now: Instant) -> bool {
        if self.entries.contains_key(&address.at) || !self.has_room() {
            return false;
        }
        let mut entry = Entry::new(Origin::Learned, address, now);
        entry.peer = peer;
        self.entries.insert(address.at.clone(), entry);
        true
    }

    /// Notes that `peer` says that it listens at `at`, which is on the machine it was seen on: while it is connected,
    /// that address needs no dial.
    pub(crate) fn belongs(&mut self, at: &Multiaddr, peer: PeerId) {
        if let Some(entry) = self.entries.get_mut(at) {
            entry.peer = Some(peer);
        }
    }

    /// Dials to begin now: at most `free`, while fewer than `wanted` outbound connections stand. The addresses of
    /// `connected` peers are left out.
    pub(crate) fn due(
        &mut self,
        now: Instant,
        wanted: usize,
        free: usize,
        connected: &HashSet<PeerId>,
    ) -> Vec<Dial> {
        let outbound = self.entries.values().filter(|entry| entry.is_connected()).count();
        let missing = wanted.saturating_sub(outbound);
        let most = free.min(missing * DIALS_PER_MISSING).saturating_sub(self.dialling);
        let mut due: Vec<(u32, u64, Multiaddr)> = Vec::new();
        for (at, entry) in &self.entries {
            let known = entry.peer.is_some_and(|peer| connected.contains(&peer));
            if entry.state == State::Idle && entry.next <= now && !known {
                self.noise = next_noise(self.noise);
                due.push((entry.failures, self.noise, at.clone()));
            }
        }
        // Those that failed least first; among equals by lot, so that a row of dead ones is no wall.
        due.sort_unstable_by_key(|(failures, lot, _)| (*failures, *lot));
        due.truncate(most);
        due.into_iter().filter_map(|(.., at)| self.begin(at)).collect()
    }

    fn begin(&mut self, at: Multiaddr) -> Option<Dial> {
        let entry = self.entries.get_mut(&at)?;
        entry.state = State::Dialling;
        self.dialling += 1;
        Some(Dial { at, expect: entry.expect })
    }

    /// A dial failed; `why` is for people.
    pub(crate) fn failed(&mut self, at: &Multiaddr, why: &str, now: Instant) {
        self.settle(at);
        let pause = self.pause(at);
        let Some(entry) = self.entries.get_mut(at) else { return };
        entry.state = State::Idle;
        entry.failures += 1;
        entry.next = now + pause;
        entry.why = Some(why.chars().take(MAX_WHY).collect());
        if entry.origin == Origin::Learned && entry.failures >= GIVE_UP {
            self.entries.remove(at);
        }
    }

    /// There was no room for the connection; the address is not to blame.
    pub(crate) fn postponed(&mut self, at: &Multiaddr, now: Instant) {
        self.settle(at);
        if let Some(entry) = self.entries.get_mut(at) {
            entry.state = State::Idle;
            entry.next = now + LONGEST_PAUSE;
        }
    }

    /// A dial reached `peer`.
    pub(crate) fn reached(&mut self, at: &Multiaddr, peer: PeerId, now: Instant) {
        self.settle(at);
        if let Some(entry) = self.entries.get_mut(at) {
            entry.state = State::Connected { since: now };
            entry.peer = Some(peer);
            entry.was_good = true;
            entry.why = None;
        }
    }

    /// A dial reached this node itself: the address is left alone from now on.
    pub(crate) fn is_own(&mut self, at: &Multiaddr) {
        self.settle(at);
        if let Some(entry) = self.entries.get_mut(at) {
            entry.state = State::Own;
        }
    }

    /// The connection that this address gave is closed.
    pub(crate) fn closed(&mut self, at: &Multiaddr, now: Instant) {
        let Some(State::Connected { since }) = self.entries.get(at).map(|entry| entry.state) else {
            return;
        };
        if now.saturating_duration_since(since) >= STABLE
            && let Some(entry) = self.entries.get_mut(at)
        {
            entry.failures = 0;
        }
        let pause = self.pause(at);
        if let Some(entry) = self.entries.get_mut(at) {
            entry.state = State::Idle;
            entry.failures += 1;
            entry.next = now + pause;
        }
    }

    /// When the pause of the next address ends, if one is in a pause.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        let waiting = self.entries.values().filter(|entry| entry.state == State::Idle);
        waiting.map(|entry| entry.next).filter(|next| *next > now).min()
    }

    /// The configured addresses and how they fare.
    pub(crate) fn configured(&self) -> Vec<AddressInfo> {
        let configured =
            self.entries.iter().filter(|(_, entry)| entry.origin == Origin::Configured);
        let shown = configured.map(|(at, entry)| AddressInfo {
            address: at.clone(),
            connected: entry.is_connected(),
            failures: entry.failures,
            why: match entry.state {
                State::Own => Some("is this node itself".to_owned()),
                _ => entry.why.clone(),
            },
        });
        shown.collect()
    }

    /// Addresses that gave a connection when they were last dialled.
    pub(crate) fn good(&self) -> impl Iterator<Item = (&Multiaddr, PeerId)> {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.was_good && entry.failures <= 1)
            .filter_map(|(at, entry)| Some((at, entry.peer?)))
    }

    /// How many addresses are kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn settle(&mut self, at: &Multiaddr) {
        if self.entries.get(at).is_some_and(|entry| entry.state == State::Dialling) {
            self.dialling -= 1;
        }
    }

    /// 250 ms doubled with each failure up to 30 s, of which a random half to the whole is waited.
    fn pause(&mut self, at: &Multiaddr) -> Duration {
        self.noise = next_noise(self.noise);
        let failures = self.entries.get(at).map_or(0, |entry| entry.failures).min(16);
        let whole = FIRST_PAUSE.saturating_mul(1 << failures).min(LONGEST_PAUSE);
        whole.mul_f64(0.5 + 0.5 * (self.noise >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// Whether one more can be learned; the learned one that failed most makes room.
    fn has_room(&mut self) -> bool {
        let learned = |entry: &&Entry| entry.origin == Origin::Learned;
        if self.entries.values().filter(learned).count() < LEARNED {
            return true;
        }
        let worst = self
            .entries
            .iter()
            .filter(|(_, entry)| learned(entry) && entry.state == State::Idle && entry.failures > 0)
            .max_by_key(|(_, entry)| entry.failures)
            .map(|(at, _)| at.clone());
        worst.is_some_and(|at| self.entries.remove(&at).is_some())
    }
}

impl Entry {
    const fn new(origin: Origin, address: &Address, now: Instant) -> Self {
        Self {
            origin,
            expect: address.expect,
            peer: address.expect,
            failures: 0,
            state: State::Idle,
            next: now,
            was_good: false,
            why: None,
        }
    }

    const fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected { .. })
    }
}

/// xorshift64 (Marsaglia, 2003): enough for lots and jitter.
const fn next_noise(mut x: u64) -> u64 {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    x
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn address(n: usize) -> Address {
        format!("ws://10.0.{}.{}:8091", n / 250, n % 250).parse().unwrap()
    }

    fn book(n: usize, now: Instant) -> Book {
        Book::new(&(0..n).map(address).collect::<Vec<_>>(), 7, now)
    }

    fn nobody() -> HashSet<PeerId> {
        HashSet::new()
    }

    #[test]
    fn all_are_due_at_once_and_dead_ones_only_delay_themselves() {
        let start = Instant::now();
        let mut book = book(3, start);
        assert_eq!(book.due(start, 8, 48, &nobody()).len(), 3);
        assert_eq!(book.due(start, 8, 48, &nobody()), [], "under way");
        let (dead, good) = (address(0).at, address(1).at);
        book.reached(&good, PeerId::random(), start);
        let mut now = start;
        let mut pauses = Vec::new();
        for _ in 0..12 {
            book.failed(&dead, "refused", now);
            let next = book.next(now).unwrap();
            pauses.push(next - now);
            now = next;
            let due: Vec<_> = book.due(now, 8, 48, &nobody());
            assert_eq!(due.len(), 1, "only the dead one is dialled again");
        }
        for (n, pause) in (0..).zip(&pauses) {
            let whole = FIRST_PAUSE.saturating_mul(1 << n).min(LONGEST_PAUSE);
            assert!(*pause >= whole / 2 && *pause <= whole, "{n}: {pause:?}");
        }
        assert_eq!(book.dialling, 2, "the dead one and the third");
    }

    #[test]
    fn a_thousand_addresses_are_dialled_in_bounded_numbers() {
        let start = Instant::now();
        let mut book = book(1_000, start);
        let first = book.due(start, 8, 48, &nobody());
        assert_eq!(first.len(), 32);
        assert_eq!(book.due(start, 8, 48, &nobody()), []);
        for dial in &first {
            book.failed(&dial.at, "refused", start);
        }
        let second = book.due(start + LONGEST_PAUSE, 8, 48, &nobody());
        assert!(second.iter().all(|dial| !first.contains(dial)), "the untried ones first");
        for dial in second.iter().take(8) {
            book.reached(&dial.at, PeerId::random(), start);
        }
        assert_eq!(book.due(start + LONGEST_PAUSE, 8, 48, &nobody()), [], "as many as wanted");
    }

    #[test]
    fn the_pause_is_reset_by_a_connection_that_lasted() {
        let start = Instant::now();
        let mut book = book(1, start);
        let at = address(0).at;
        let mut now = start;
        for _ in 0..9 {
            book.due(now, 8, 48, &nobody());
            book.reached(&at, PeerId::random(), now);
            book.closed(&at, now);
            now = book.next(now).unwrap();
        }
        assert!(now - start > 2 * LONGEST_PAUSE / 3, "one that hangs up at once is left in peace");
        book.due(now, 8, 48, &nobody());
        book.reached(&at, PeerId::random(), now);
        book.closed(&at, now + STABLE);
        assert!(book.next(now + STABLE).unwrap() <= now + STABLE + FIRST_PAUSE);
    }

    #[test]
    fn own_and_connected_peers_are_not_dialled() {
        let start = Instant::now();
        let mut book = book(1, start);
        book.due(start, 8, 48, &nobody());
        book.is_own(&address(0).at);
        let peer = PeerId::random();
        assert!(book.learn(&address(1), Some(peer), start));
        assert!(!book.learn(&address(1), Some(peer), start), "known");
        let second = Book::new(&[address(2)], 7, start);
        let mut second = Book { noise: 1, ..second };
        second.belongs(&address(2).at, peer);
        assert_eq!(second.due(start, 8, 48, &HashSet::from([peer])), [], "it said where it is");
        let later = start + 10 * LONGEST_PAUSE;
        assert_eq!(book.due(later, 8, 48, &HashSet::from([peer])), []);
        assert_eq!(book.due(later, 8, 48, &nobody()).len(), 1);
    }

    #[test]
    fn what_is_told_is_bounded_and_never_displaces_the_configured() {
        let start = Instant::now();
        let mut book = book(10, start);
        let learned = (10..10_000).filter(|n| book.learn(&address(*n), None, start)).count();
        assert_eq!((learned, book.len()), (LEARNED, 10 + LEARNED));
        let dials = book.due(start, 1_000, 10_000, &nobody());
        for dial in &dials {
            book.failed(&dial.at, "refused", start);
        }
        assert!(book.learn(&address(20_000), None, start), "one that failed made room");
        assert_eq!(book.len(), 10 + LEARNED);
        for round in 1..=GIVE_UP {
            let now = start + round * LONGEST_PAUSE;
            for dial in book.due(now, 1_000, 10_000, &nobody()) {
                book.failed(&dial.at, "refused", now);
            }
        }
        assert_eq!(book.len(), 10, "learned ones that never answer are forgotten");
    }
}
