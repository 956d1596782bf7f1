//! The way of other nodes' events into this one: handed to the host in large runs, by a thread that may wait for it.
//!
//! The rule: every event that goes in comes out with what became of it, in its order.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use shimmer_mesh::Verified;
use shimmer_sdk::{Error, Host, Relay};

use crate::event::UnsignedId;
use crate::gateway::Talker;
use crate::net::{MessageId, PeerId};

/// Events that one call hands over; the host takes 1,024.
const RUN: usize = 512;
/// Bytes of one call; the host takes 8 MiB.
const RUN_BYTES: usize = 4 << 20;
/// How long a full ring is waited for; afterwards others have the events, and they are fetched again.
const PATIENCE: Duration = Duration::from_millis(500);
/// Pause before a full ring is asked again.
const PAUSE: Duration = Duration::from_millis(10);

/// Events that belong together: they came in one frame, page or packet.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) items: Vec<Item>,
    pub(crate) from: From,
}

/// One event.
#[derive(Debug)]
pub(crate) struct Item {
    /// Node that took it, as it is shown here.
    pub(crate) origin: Box<str>,
    pub(crate) event: Carried,
}

/// In which form it came.
#[derive(Debug)]
pub(crate) enum Carried {
    /// Signed, and vouched for by who signed.
    Signed(Verified),
    /// Signed by a node that took it from somebody unknown.
    Marked(Verified, UnsignedId),
    /// From somebody unknown, to this node: the text as it is passed on.
    Bare(Box<str>, UnsignedId),
}

/// Where a parcel came from.
#[derive(Debug)]
pub(crate) enum From {
    /// The fast path: the frame waits for a verdict.
    Frame(MessageId, PeerId),
    /// Anti-entropy.
    Page,
    /// The gateway, with the hops that are left.
    Packet(Talker, u64),
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is in the ring, and was not before.
    Taken,
    /// It had been there before.
    Known,
    /// The host refused it for good.
    Refused,
    /// It brings a new name, and other nodes have their share of the names.
    Nameless,
    /// It did not fit now.
    Later,
}

/// A parcel with the fate of each of its items.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) parcel: Parcel,
    pub(crate) fates: Vec<Fate>,
}

impl Carried {
    fn json(&self) -> &str {
        match self {
            Self::Signed(envelope) | Self::Marked(envelope, _) => &envelope.event,
            Self::Bare(text, _) => text,
        }
    }

    fn is_unsigned(&self) -> bool {
        !matches!(self, Self::Signed(_))
    }
}

/// Starts the thread, which ends when `parcels` is closed.
///
/// # Errors
/// The system refuses a thread.
pub(crate) fn start(
    host: Host,
    parcels: Receiver<Parcel>,
    done: Sender<Delivered>,
) -> std::io::Result<JoinHandle<()>> {
    let run = move || {
        while let Ok(first) = parcels.recv() {
            let mut run = vec![first];
            let size = |run: &[Parcel]| run.iter().map(|parcel| parcel.items.len()).sum::<usize>();
            while size(&run) < RUN {
                let Ok(next) = parcels.try_recv() else { break };
                run.push(next);
            }
            let mut fates = hand_over(&host, &run).into_iter();
            for parcel in run {
                let fates = fates.by_ref().take(parcel.items.len()).collect();
                if done.send(Delivered { parcel, fates }).is_err() {
                    return;
                }
            }
        }
    };
    std::thread::Builder::new().name("gossip-deliver".into()).spawn(run)
}

/// The fates of all items, in their order.
fn hand_over(host: &Host, run: &[Parcel]) -> Vec<Fate> {
    let items: Vec<&Item> = run.iter().flat_map(|parcel| &parcel.items).collect();
    let events: Vec<Relay<'_>> = items
        .iter()
        .map(|item| Relay {
            origin: &item.origin,
            json: item.event.json(),
            unsigned: item.event.is_unsigned(),
        })
        .collect();
    let mut fates = Vec::with_capacity(events.len());
    let mut rest = &events[..];
    let until = Instant::now() + PATIENCE;
    let mut most = RUN;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |event: &&Relay<'_>| {
            bytes += event.json.len();
            bytes <= RUN_BYTES
        };
        let count = rest.iter().take(most).take_while(fits).count().max(1);
        match host.relay(&rest[..count]) {
            Ok(outcomes) => {
                fates.extend(outcomes.into_iter().map(fate));
                rest = &rest[count..];
            }
            // A small ring takes fewer at once.
            Err(Error::Limit(_)) if count > 1 => most = count / 2,
            Err(Error::Busy(_)) if Instant::now() < until => std::thread::park_timeout(PAUSE),
            Err(why) => {
                let fate = match why {
                    Error::Limit(_) | Error::Invalid(_) | Error::Denied(_) => Fate::Refused,
                    _ => Fate::Later,
                };
                fates.extend(rest[..count].iter().map(|_| fate));
                rest = &rest[count..];
            }
        }
    }
    fates
}

fn fate(outcome: Result<shimmer_sdk::Relayed, Error>) -> Fate {
    match outcome {
        Ok(relayed) if relayed.duplicate => Fate::Known,
        Ok(_) => Fate::Taken,
        Err(Error::Limit(_)) => Fate::Nameless,
        Err(_) => Fate::Refused,
    }
}
