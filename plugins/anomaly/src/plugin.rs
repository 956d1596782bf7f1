//! The plugin itself: what the host calls, and in which order the parts have their say.
//!
//! The rule: whatever changes an alert ends in the outbox, and every batch and tick empties it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Duration, SystemTime};

use shimmer_alerts::{Limits, Manager, Rules, SilenceId, Time};
use shimmer_sdk::{Batch, Error, Host, Plugin, Request, Response, Route};

use crate::ask;
use crate::config::Config;
use crate::keep::{self, Keeping, Kept};
use crate::meters::Meters;
use crate::post::Post;
use crate::rules::RulesFile;
use crate::tell::Outbox;
use crate::watch::Watch;

/// Ticks between two looks at the file of the rules and two reports of numbers.
const SELDOM: u32 = 20;
/// Nanoseconds between two lines about series that made room.
const FLOOD_LINE_NS: i64 = 60_000_000_000;

/// The plugin.
pub(crate) struct Anomaly {
    pub(crate) host: Host,
    pub(crate) manager: Manager,
    watch: Watch,
    pub(crate) outbox: Outbox,
    post: Post,
    meters: Meters,
    file: Option<RulesFile>,
    /// The rules compare with budgets that events name.
    budgets: bool,
    ticks: u32,
    flood: Flood,
}

/// Series that made room, as far as they were told of.
#[derive(Default)]
struct Flood {
    evicted: u64,
    next_line_ns: i64,
}

impl Plugin for Anomaly {
    const NAME: &'static str = "anomaly";
    const DESCRIPTION: &'static str = "Watches every series for anomalies and manages alerts";
    const TICK: Duration = Duration::from_millis(100);
    const ROUTES: &'static [Route] = ask::ROUTES;
    const STATEFUL: bool = true;
    type Config = Config;

    fn create(config: Config, host: Host) -> Result<Self, Error> {
        let settings = config.check()?;
        let mut file = settings.rules.map(RulesFile::new);
        let rules = match &mut file {
            Some(file) => file.load().map_err(Error::Invalid)?,
            None => Rules::default(),
        };
        let meters = Meters::declare(&host)?;
        meters.rules_loaded(true);
        // Any number that other nodes do not have: pauses between attempts differ by it.
        let seed = RandomState::new().hash_one(std::process::id());
        Ok(Self {
            budgets: rules.ask_for_budgets(),
            manager: Manager::new(rules, Limits::default(), seed),
            watch: Watch::new(settings.tiers, settings.limits),
            outbox: Outbox::default(),
            post: Post::new(host.clone()),
            meters,
            file,
            ticks: 0,
            flood: Flood::default(),
            host,
        })
    }

    fn process(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        // What the host received while its clock was ahead does not take the alerts there again.
        let now = wall_clock();
        for event in batch {
            self.watch.take(&event, now, self.budgets, &mut self.manager, &mut self.outbox);
        }
        self.outbox.flush(&self.host)
    }

    fn tick(&mut self, now_ns: i64) -> Result<(), Error> {
        let now = Time::from_ns(now_ns);
        self.mind_clock(now);
        while let Some(outcome) = self.post.outcome() {
            match outcome.result {
                Ok(()) => self.manager.delivered(outcome.id, now),
                Err((failure, _)) => self.manager.failed(outcome.id, now, failure),
            }
        }
        if self.ticks == 0 {
            self.seldom(now);
        }
        self.ticks = (self.ticks + 1) % SELDOM;
        if self.manager.next_change() <= now {
            self.outbox.extend(self.manager.tick(now));
        }
        for notification in self.manager.notifications(now) {
            self.post.send(notification);
        }
        self.outbox.flush(&self.host)
    }

    fn handle(&mut self, request: &Request<'_>) -> Result<Response, Error> {
        self.answer(request, wall_clock())
    }

    fn save(&self) -> Result<Vec<u8>, Error> {
        let alerts = self.manager.state();
        let keeping = Keeping { alerts, outbox: &self.outbox };
        keep::write(&keeping, self.watch.detectors().iter(), keep::MOST)
    }

    fn restore(&mut self, blob: &[u8], _cursor: u64) -> Result<(), Error> {
        let rules = self.manager.rules().clone();
        let Kept { alerts, outbox } =
            keep::read(blob, |key, detector| self.watch.insert(key, detector))?;
        let (manager, changes, left_out) = Manager::restore(rules, Limits::default(), alerts)
            .map_err(|why| Error::Unsupported(why.to_string()))?;
        (self.manager, self.outbox) = (manager, outbox);
        self.meters.begin_at(&self.manager, &self.outbox);
        self.outbox.extend(changes);
        self.miss(&left_out);
        self.mind_clock(wall_clock());
        Ok(())
    }
}

impl Anomaly {
    /// Goes on from here where the clock was ahead and was set since.
    fn mind_clock(&mut self, now: Time) {
        let Some((back, changes)) = self.manager.rewind(now) else { return };
        self.outbox.extend(changes);
        self.flood.next_line_ns = now.as_ns();
        self.host.warn(&format!(
            "the clock went back by {back}: what was timed by the old one counts from now on"
        ));
    }

    /// Names silences that were left out of what was kept, in lines that a log takes whole.
    fn miss(&self, left_out: &[SilenceId]) {
        for some in left_out.chunks(64) {
            let names: Vec<_> = some.iter().map(ToString::to_string).collect();
            self.host.warn(&format!(
                "silences were left out, because the regular expressions of all of them take too much memory; make \
                 them anew with shorter ones: {}",
                names.join(", ")
            ));
        }
    }

    /// What need not be looked at with every tick.
    fn seldom(&mut self, now: Time) {
        match self.file.as_mut().and_then(RulesFile::changed) {
            None => {}
            Some(Ok(rules)) => {
                self.budgets = rules.ask_for_budgets();
                self.outbox.extend(self.manager.reload(now, rules));
                self.meters.rules_loaded(true);
                self.host.info("the rules were read again");
            }
            Some(Err(why)) => {
                self.meters.rules_loaded(false);
                self.host.error(&format!("the rules that hold stay:\n{why}"));
            }
        }
        self.meters.tell(&self.manager, &self.watch, &self.outbox);
        let evicted = self.watch.detectors().evicted();
        if evicted > self.flood.evicted && now.as_ns() >= self.flood.next_line_ns {
            let count = evicted - self.flood.evicted;
            self.host.warn(&format!(
                "{count} series made room for others: there are more than `series` or `memory_mb` allow"
            ));
            self.flood = Flood { evicted, next_line_ns: now.as_ns() + FLOOD_LINE_NS };
        }
    }
}

/// The time of a request, which the host does not say.
fn wall_clock() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time::from_ns(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
