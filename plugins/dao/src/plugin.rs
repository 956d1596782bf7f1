//! The plugin itself: what the host calls.
//!
//! The rule: time passes first. Whatever is asked, entries that are due by then are in the log before it is answered.

use std::collections::VecDeque;
use std::time::Duration;

use shimmer_governor::{Command, Entry, Failed, Governor, Refusal, Time, Vote};
use shimmer_sdk::{Batch, Error, Host, Plugin, Request, Response, Route};
use shimmer_view::Influence;

use crate::ask;
use crate::clock::{Clock, Reading};
use crate::config::{ClockName, Config, Settings, Standing};
use crate::follow::Follower;
use crate::keep::{self, Kept};
use crate::log::{FILE, Log};
use crate::meters::Meters;
use crate::role::{LOG_KIND, Role, VOTE_KIND, WANT_KIND, Want, Writer};
use crate::tell::Told;

/// Ticks between two reports of numbers.
const SELDOM: u32 = 20;
/// Votes of other nodes that wait for a log that cannot be written; whoever is beyond it votes again.
const MAX_WAITING: usize = 4_096;

/// The plugin.
pub(crate) struct Dao {
    pub(crate) host: Host,
    pub(crate) settings: Settings,
    pub(crate) influence: Influence,
    pub(crate) meters: Meters,
    pub(crate) office: Option<Office>,
    pub(crate) role: Role,
    /// Votes of other nodes that the log could not take yet.
    waiting: VecDeque<Vote>,
    /// Version of the weights by which `influence` counts.
    weighed: Option<u64>,
    told: Told,
    ticks: u32,
}

/// The DAO with its log and its clock; there is one once the plugin has a folder.
pub(crate) struct Office {
    pub(crate) governor: Governor,
    pub(crate) log: Log,
    /// Stands where it was put last, with a manual clock.
    pub(crate) set_to: Option<Time>,
    clock: Clock,
    /// The log could not be written when it was last tried.
    failing: bool,
}

impl Plugin for Dao {
    const NAME: &'static str = "dao";
    const DESCRIPTION: &'static str = "Lets members decide how much each source counts";
    const KINDS: &'static [&'static str] = &["beauty", LOG_KIND, VOTE_KIND, WANT_KIND];
    const PERMISSIONS: &'static [&'static str] = &["weights", "folder"];
    const TICK: Duration = Duration::from_millis(100);
    const ROUTES: &'static [Route] = ask::ROUTES;
    const STATEFUL: bool = true;
    type Config = Config;

    fn create(config: Config, host: Host) -> Result<Self, Error> {
        let settings = config.check(&host.node_id()?)?;
        let influence = Influence::new(settings.rule)
            .map_err(|why| Error::Invalid(format!("the rule of weights is impossible: {why:?}")))?;
        let meters = Meters::declare(&host)?;
        let role = match settings.standing.secret()? {
            Some(secret) => Role::Writer(Writer::new(secret)),
            None => match settings.standing {
                Standing::Follower(writer) => Role::Follower(Follower::new(writer)),
                _ => Role::Alone,
            },
        };
        Ok(Self {
            host,
            settings,
            influence,
            meters,
            office: None,
            role,
            waiting: VecDeque::new(),
            weighed: None,
            told: Told::default(),
            ticks: 0,
        })
    }

    fn start(&mut self) -> Result<(), Error> {
        let name = match &self.role {
            Role::Follower(follower) => Follower::file(&follower.writer),
            _ => FILE.to_owned(),
        };
        let (log, governor, cut) = Log::open(&self.host.folder()?, &name)?;
        if cut > 0 {
            self.host.warn(&format!("{name}: took off {cut} bytes that a crash left unfinished"));
        }
        let set_to = (self.settings.clock == ClockName::Manual).then_some(governor.head().at);
        let mut office = Office { governor, log, set_to, clock: Clock::default(), failing: false };
        match &mut self.role {
            Role::Follower(follower) => follower.resume(&office.log),
            Role::Writer(writer) => writer.resume(&office.log),
            Role::Alone => {}
        }
        if self.role.decides() {
            office.configure(&self.settings.governor, &self.meters)?;
        }
        self.office = Some(office);
        Ok(())
    }

    fn process(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        for event in batch {
            if event.is_beauty() {
                self.influence.push(event.source(), event.value());
                continue;
            }
            let Some(office) = &mut self.office else { continue };
            match (&mut self.role, event.kind()) {
                (Role::Follower(follower), LOG_KIND) => {
                    follower.hear(event.data(), office, &self.meters, &self.host);
                }
                (Role::Writer(writer), WANT_KIND) => {
                    // Anybody may send such events: what is none of ours is no fault here.
                    event.parse_data::<Want>().iter().for_each(|want| writer.hear(want));
                }
                (Role::Writer(_), VOTE_KIND) => self.hear_vote(event.data()),
                _ => {}
            }
        }
        if let (Role::Follower(follower), Some(office)) = (&mut self.role, &mut self.office) {
            follower.keep(office, &self.meters, &self.host);
        }
        Ok(())
    }

    fn tick(&mut self, _now_ns: i64) -> Result<(), Error> {
        while let Some(vote) = self.waiting.pop_front() {
            let rest = self.waiting.len();
            self.count(vote);
            if self.waiting.len() > rest {
                // It waits again: the log still cannot be written.
                break;
            }
        }
        let Some(office) = &mut self.office else { return Ok(()) };
        match &mut self.role {
            Role::Follower(follower) => follower.tick(office, &self.meters, &self.host)?,
            Role::Writer(writer) => writer.tick(),
            Role::Alone => {}
        }
        if self.role.decides() {
            office.advance(&self.meters, &self.host);
        }
        if self.ticks == 0 {
            self.meters.tell(&office.governor, &office.log);
        }
        self.ticks = (self.ticks + 1) % SELDOM;
        self.tell()
    }

    fn handle(&mut self, request: &Request<'_>) -> Result<Response, Error> {
        let Some(office) = &mut self.office else {
            return Err(Error::Busy("the DAO is starting".to_owned()));
        };
        if self.role.decides() {
            office.advance(&self.meters, &self.host);
        }
        self.weigh();
        let answer = self.answer(request);
        // A host that is busy is told with the next tick.
        let _ = self.tell();
        answer
    }

    fn save(&self) -> Result<Vec<u8>, Error> {
        let sent = if let Role::Writer(writer) = &self.role { writer.resumes_at() } else { 0 };
        keep::write(&self.influence, sent, &self.waiting)
    }

    fn restore(&mut self, blob: &[u8], _cursor: u64) -> Result<(), Error> {
        let Kept { sent, waiting } = keep::read(blob, &mut self.influence)?;
        self.waiting = waiting;
        if let Role::Writer(writer) = &mut self.role {
            writer.sent = sent;
        }
        Ok(())
    }
}

impl Dao {
    /// Counts by the weights that hold.
    fn weigh(&mut self) {
        let Some(office) = &self.office else { return };
        let (set, config) = (office.governor.weights(), office.governor.configuration());
        if let Some(config) = config.filter(|_| self.weighed != Some(set.version)) {
            // A follower counts by the writer's default, not by its own.
            self.influence.set_default_weight(config.default_weight.as_f64());
            let weights = set.weights.iter().map(|(source, weight)| (&**source, weight.as_f64()));
            self.influence.set_weights(weights);
            self.weighed = Some(set.version);
        }
    }

    /// Tells the host of weights, and other nodes of the log.
    fn tell(&mut self) -> Result<(), Error> {
        self.weigh();
        let Some(office) = &self.office else { return Ok(()) };
        self.told.catch_up(&office.governor, self.influence.rule(), &self.host)?;
        if let Role::Writer(writer) = &mut self.role {
            writer.send(&office.log, &self.meters, &self.host)?;
        }
        Ok(())
    }

    /// Takes what another node says is a vote.
    fn hear_vote(&mut self, body: &str) {
        match Vote::parse(body.as_bytes()) {
            Ok(vote) => self.count(vote),
            Err(_) => self.meters.vote("refused"),
        }
    }

    /// Counts a vote of another node, or keeps it until the log can be written.
    fn count(&mut self, vote: Vote) {
        let Some(office) = &mut self.office else { return };
        let (proposal, body) = (vote.ballot.proposal.to_string(), vote.to_json().into_bytes());
        match office.submit(&Command::Vote { proposal, body }, &self.meters) {
            Ok(_) => self.meters.vote("counted"),
            Err(Failed::Log(_)) if self.waiting.len() < MAX_WAITING => self.waiting.push_back(vote),
            Err(_) => self.meters.vote("refused"),
        }
    }
}

impl Office {
    /// Takes the configuration into the log, unless it is there.
    fn configure(
        &mut self,
        config: &shimmer_governor::Config,
        meters: &Meters,
    ) -> Result<(), Error> {
        if self.governor.configuration() == Some(config) {
            return Ok(());
        }
        let done = self.submit(&Command::Configure(config.clone()), meters);
        done.map(|_| ()).map_err(|failed| {
            let id = self.governor.configuration().map(|config| &*config.id);
            let remedy = id.map_or_else(String::new, |id| {
                format!("; the log is of the DAO `{id}`: set id = \"{id}\", or move {FILE} away")
            });
            Error::Failed(format!("the configuration cannot be taken: {failed}{remedy}"))
        })
    }

    /// The time, which never stands before the last entry's.
    pub(crate) fn now(&self) -> Time {
        let end = self.governor.head().at;
        self.set_to.map_or_else(|| self.clock.now(Reading::take(), end), |set_to| set_to.max(end))
    }

    /// Goes on without the system's clock where that lies far behind the log, and says so.
    fn mind_clock(&mut self, host: &Host) {
        let end = self.governor.head().at;
        if self.set_to.is_none()
            && let Some(behind) = self.clock.mind(Reading::take(), end)
        {
            host.warn(&format!(
                "the system's clock is {} s behind the last entry of {FILE}, of {end}: time goes on from there until \
                 the clock has come further; see whether it is right",
                behind.as_secs()
            ));
        }
    }

    /// Lets time pass. A log that cannot be written holds it up; that is told once.
    pub(crate) fn advance(&mut self, meters: &Meters, host: &Host) {
        self.mind_clock(host);
        let (now, log) = (self.now(), &mut self.log);
        let passed = self.governor.advance(now, |entry| log.append(entry));
        if let Err(failed) = &passed {
            meters.log_failed();
            if !self.failing {
                host.error(&format!(
                    "nothing is decided until {FILE} can be written: {}",
                    because(failed)
                ));
            }
        }
        self.failing = passed.is_err();
    }

    /// Carries out a command now.
    pub(crate) fn submit(
        &mut self,
        command: &Command,
        meters: &Meters,
    ) -> Result<Entry, Failed<std::io::Error>> {
        let (now, log) = (self.now(), &mut self.log);
        let done = self.governor.submit(now, command, |entry| log.append(entry));
        if matches!(done, Err(Failed::Log(_))) {
            meters.log_failed();
        }
        done
    }
}

/// Why, with the cause.
pub(crate) fn because(failed: &Failed<std::io::Error>) -> String {
    match failed {
        Failed::Refused(refusal) => refusal.to_string(),
        Failed::Log(error) => format!("{failed}: {error}"),
    }
}

/// The status that says it.
pub(crate) fn status(failed: &Failed<std::io::Error>) -> u16 {
    match failed {
        Failed::Refused(refusal) => Refusal::status(refusal),
        Failed::Log(_) => 503,
    }
}
