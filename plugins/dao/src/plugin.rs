//! The plugin itself: what the host calls.
//!
//! The rule: time passes first. Whatever is asked, entries that are due by then are in the log before it is answered.

use std::time::{Duration, SystemTime};

use shimmer_governor::{Command, Entry, Failed, Governor, Refusal, Time};
use shimmer_sdk::{Batch, Error, Host, Plugin, Request, Response, Route};
use shimmer_view::Influence;

use crate::ask;
use crate::config::{ClockName, Config, Settings};
use crate::keep;
use crate::log::{FILE, Log};
use crate::meters::Meters;
use crate::tell::Told;

/// Ticks between two reports of numbers.
const SELDOM: u32 = 20;

/// The plugin.
pub(crate) struct Dao {
    pub(crate) host: Host,
    pub(crate) settings: Settings,
    pub(crate) influence: Influence,
    pub(crate) meters: Meters,
    pub(crate) office: Option<Office>,
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
    /// The log could not be written when it was last tried.
    failing: bool,
}

impl Plugin for Dao {
    const NAME: &'static str = "dao";
    const DESCRIPTION: &'static str = "Lets members decide how much each source counts";
    const KINDS: &'static [&'static str] = &["beauty"];
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
        Ok(Self {
            host,
            settings,
            influence,
            meters,
            office: None,
            weighed: None,
            told: Told::default(),
            ticks: 0,
        })
    }

    fn start(&mut self) -> Result<(), Error> {
        let (log, governor, cut) = Log::open(&self.host.folder()?)?;
        if cut > 0 {
            self.host.warn(&format!("{FILE}: took off {cut} bytes that a crash left unfinished"));
        }
        let set_to = (self.settings.clock == ClockName::Manual).then_some(governor.head().at);
        let mut office = Office { governor, log, set_to, failing: false };
        if office.governor.configuration() != Some(&self.settings.governor) {
            let configure = Command::Configure(self.settings.governor.clone());
            office.submit(&configure, &self.meters).map_err(|failed| {
                let id = office.governor.configuration().map(|config| &*config.id);
                let remedy = id.map_or_else(String::new, |id| {
                    format!(
                        "; the log is of the DAO `{id}`: set id = \"{id}\", or move {FILE} away"
                    )
                });
                Error::Failed(format!("the configuration cannot be taken: {failed}{remedy}"))
            })?;
        }
        self.office = Some(office);
        Ok(())
    }

    fn process(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        for event in batch.iter().filter(|event| event.is_beauty()) {
            self.influence.push(event.source(), event.value());
        }
        Ok(())
    }

    fn tick(&mut self, _now_ns: i64) -> Result<(), Error> {
        let Some(office) = &mut self.office else { return Ok(()) };
        office.advance(&self.meters, &self.host);
        if self.ticks == 0 {
            self.meters.tell(&office.governor, &office.log);
        }
        self.ticks = (self.ticks + 1) % SELDOM;
        self.told.catch_up(&office.governor, self.influence.rule(), &self.host)
    }

    fn handle(&mut self, request: &Request<'_>) -> Result<Response, Error> {
        let Some(office) = &mut self.office else {
            return Err(Error::Busy("the DAO is starting".to_owned()));
        };
        office.advance(&self.meters, &self.host);
        self.weigh();
        let answer = self.answer(request);
        if let Some(office) = &self.office {
            // A host that is busy is told with the next tick.
            let _ = self.told.catch_up(&office.governor, self.influence.rule(), &self.host);
        }
        answer
    }

    fn save(&self) -> Result<Vec<u8>, Error> {
        keep::write(&self.influence)
    }

    fn restore(&mut self, blob: &[u8], _cursor: u64) -> Result<(), Error> {
        keep::read(blob, &mut self.influence)
    }
}

impl Dao {
    /// Counts by the weights that hold.
    fn weigh(&mut self) {
        let Some(office) = &self.office else { return };
        let set = office.governor.weights();
        if self.weighed != Some(set.version) {
            let weights = set.weights.iter().map(|(source, weight)| (&**source, weight.as_f64()));
            self.influence.set_weights(weights);
            self.weighed = Some(set.version);
        }
    }
}

impl Office {
    /// The time, which never stands before the last entry's: a system's clock that goes back is waited for.
    pub(crate) fn now(&self) -> Time {
        let now = self.set_to.unwrap_or_else(|| {
            let since =
                SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_nanos()).ok().and_then(Time::from_ns).unwrap_or(Time::MAX)
        });
        now.max(self.governor.head().at)
    }

    /// Lets time pass. A log that cannot be written holds it up; that is told once.
    pub(crate) fn advance(&mut self, meters: &Meters, host: &Host) {
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
