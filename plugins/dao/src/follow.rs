//! A follower: takes the writer's log, part by part, into a copy of its own.
//!
//! The rule: the copy is a beginning of the writer's log, byte for byte, and each entry of it was proved. A writer that
//! contradicts itself is followed no further, because nobody could say which of its words hold.

use shimmer_governor::{Collector, Entry, MemberKey, Part, Unfollowed};
use shimmer_sdk::{Error, Host};

use crate::log::Log;
use crate::meters::Meters;
use crate::plugin::Office;
use crate::role::{WANT_KIND, Want};

/// Ticks without news after which what is missing is asked for, 5 s: a mesh fills its gaps by itself first.
const PATIENCE: u32 = 50;
/// Most ticks between two questions, a minute.
const MAX_PATIENCE: u32 = 600;

/// What a follower knows besides its copy.
pub(crate) struct Follower {
    pub(crate) writer: MemberKey,
    collector: Collector,
    /// Why it follows no further.
    fault: Option<String>,
    /// The copy could not be written when it was last tried.
    failing: bool,
    /// Where the copy and what follows ended when that was last looked at.
    seen: u64,
    /// Whether the writer was asked since the start: what came while this node was away is not missed otherwise.
    asked: bool,
    patience: u32,
    left: u32,
}

impl Follower {
    pub(crate) fn new(writer: MemberKey) -> Self {
        Self {
            writer,
            collector: Collector::default(),
            fault: None,
            failing: false,
            seen: 0,
            asked: false,
            patience: PATIENCE,
            left: PATIENCE,
        }
    }

    /// Name of its copy.
    pub(crate) fn file(writer: &MemberKey) -> String {
        format!("audit-{}.ndjson", &writer.to_string()[..16])
    }

    /// Goes on behind what `log` has.
    pub(crate) fn resume(&mut self, log: &Log) {
        (self.collector, self.seen) = (Collector::new(log.end()), log.end());
    }

    /// Whether something came that does not follow yet.
    pub(crate) fn waits(&self) -> bool {
        self.collector.waits()
    }

    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Takes what somebody says is a part of the log.
    pub(crate) fn hear(&mut self, part: &str, office: &mut Office, meters: &Meters, host: &Host) {
        let part = serde_json::from_str::<Part>(part).map_err(|_| "it is no part");
        let Ok((offset, bytes)) = part.and_then(|part| part.open(&self.writer)) else {
            // Anybody may send such events; they are counted, and nothing else.
            return meters.part("refused");
        };
        if self.fault.is_some() {
            return;
        }
        // An error of reading is one of the disk, not of the writer.
        let known = office.log.bytes(offset, bytes.len()).unwrap_or_default();
        if !bytes.starts_with(&known) {
            let what = format!("byte {offset} of it was another before");
            return self.give_up(&what, meters, host);
        }
        meters.part(if known.len() == bytes.len() { "known" } else { "taken" });
        self.collector.add(offset, bytes);
        self.apply(office, meters, host);
    }

    /// Takes whole lines into the copy and the state.
    fn apply(&mut self, office: &mut Office, meters: &Meters, host: &Host) {
        while let Some(line) = self.collector.line().filter(|_| self.fault.is_none()) {
            let taken = Entry::parse(&line[..line.len() - 1])
                .map_err(|why| why.to_string())
                .map(|entry| office.governor.follow(entry, |entry| office.log.write(entry)));
            match taken {
                Ok(Ok(())) => self.collector.take_line(),
                Ok(Err(Unfollowed::Log(error))) => {
                    return self.failed(&error, office, meters, host);
                }
                Ok(Err(Unfollowed::Fault(fault))) => {
                    return self.give_up(&fault.to_string(), meters, host);
                }
                Err(why) => return self.give_up(&why, meters, host),
            }
        }
    }

    /// Makes durable what was taken, once for many entries: what a loss of power takes back comes again.
    pub(crate) fn keep(&mut self, office: &mut Office, meters: &Meters, host: &Host) {
        match office.log.sync() {
            Err(error) => self.failed(&error, office, meters, host),
            Ok(()) if self.collector.line().is_none() => self.failing = false,
            Ok(()) => {}
        }
    }

    /// The copy cannot be written; that is told once.
    fn failed(&mut self, why: &std::io::Error, office: &Office, meters: &Meters, host: &Host) {
        meters.log_failed();
        if !self.failing {
            let file = office.log.name();
            host.error(&format!("nothing is followed until {file} can be written: {why}"));
        }
        self.failing = true;
    }

    fn give_up(&mut self, why: &str, meters: &Meters, host: &Host) {
        host.error(&format!(
            "the writer's log is followed no further: {why}; compare `head` of /dao/audit on the nodes, and start the \
             plugin anew once the writer has its log again"
        ));
        self.fault = Some(why.to_owned());
        meters.forked();
    }

    /// Tries again what failed, and asks for what is missing.
    pub(crate) fn tick(
        &mut self,
        office: &mut Office,
        meters: &Meters,
        host: &Host,
    ) -> Result<(), Error> {
        self.apply(office, meters, host);
        self.keep(office, meters, host);
        if self.fault.is_some() || self.failing {
            return Ok(());
        }
        let end = self.collector.end();
        if end != self.seen || (self.asked && !self.collector.waits()) {
            (self.seen, self.patience, self.left) = (end, PATIENCE, PATIENCE);
            return Ok(());
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            host.event(WANT_KIND).data(&Want { writer: self.writer, offset: end }).emit()?;
            self.asked = true;
            self.patience = (self.patience * 2).min(MAX_PATIENCE);
            self.left = self.patience;
        }
        Ok(())
    }
}
