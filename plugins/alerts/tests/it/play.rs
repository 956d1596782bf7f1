//! A manager on a virtual clock, with receivers that can be away.
//!
//! The rule: time moves only here, a second at a time, and every second is ticked.

use shimmer_alerts::{
    AlertView, Change, Expected, Failure, Filter, Limits, Manager, Notification, Payload, Rules,
    Sample, Series, Status, Time, Transition, Verdict,
};

pub(crate) struct Play {
    pub(crate) manager: Manager,
    pub(crate) now_s: i64,
    pub(crate) changes: Vec<Change>,
    /// What arrived, and in which second.
    pub(crate) arrived: Vec<(i64, Notification)>,
    /// Attempts, those that failed included.
    pub(crate) attempts: usize,
    pub(crate) receivers: fn(&Notification) -> Option<Failure>,
}

pub(crate) fn series<'a>(kind: &'a str, subject: &'a str) -> Series<'a> {
    Series { kind, subject, source: "test" }
}

impl Play {
    pub(crate) fn new(rules: &str) -> Self {
        Self::with(rules, Limits::default())
    }

    pub(crate) fn with(rules: &str, limits: Limits) -> Self {
        let manager = Manager::new(parse(rules), limits, 1);
        Self {
            manager,
            now_s: 0,
            changes: Vec::new(),
            arrived: Vec::new(),
            attempts: 0,
            receivers: |_| None,
        }
    }

    pub(crate) fn now(&self) -> Time {
        Time::from_s(self.now_s)
    }

    /// A value that no detector has looked at.
    pub(crate) fn value(&mut self, kind: &str, subject: &str, value: f64) {
        let (series, at) = (series(kind, subject), self.now());
        self.sample(&Sample { series, at, value, budget: None, verdict: None });
    }

    /// A value with a detector's score.
    pub(crate) fn score(&mut self, subject: &str, score: f64) {
        let expected = Expected { low: Some(10.0), high: Some(13.0) };
        let verdict = Verdict { score, expected, method: "robust z", reduced_sensitivity: false };
        let (series, at) = (series("cost", subject), self.now());
        self.sample(&Sample { series, at, value: 50.0, budget: None, verdict: Some(verdict) });
    }

    pub(crate) fn sample(&mut self, sample: &Sample<'_>) {
        let changes = self.manager.observe(self.now(), sample).expect("a good sample");
        self.changes.extend(changes);
        self.send();
    }

    /// Lets time pass.
    pub(crate) fn run_to(&mut self, until_s: i64) {
        while self.now_s < until_s {
            self.now_s += 1;
            let changes = self.manager.tick(self.now());
            self.changes.extend(changes);
            self.send();
        }
    }

    /// Lets the receivers answer what may leave.
    pub(crate) fn send(&mut self) {
        for _ in 0..1_000 {
            let now = self.now();
            let all = self.manager.notifications(now);
            if all.is_empty() {
                return;
            }
            for notification in all {
                self.attempts += 1;
                match (self.receivers)(&notification) {
                    Some(failure) => self.manager.failed(notification.id, now, failure),
                    None => {
                        self.manager.delivered(notification.id, now);
                        self.arrived.push((self.now_s, notification));
                    }
                }
            }
        }
        panic!("a thousand rounds of notifications in one moment");
    }

    /// Changes since the last look, as `transition name/severity`.
    pub(crate) fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.changes).iter().map(line).collect()
    }

    /// What arrived since the last look, as `second receiver status: alerts`.
    pub(crate) fn mail(&mut self) -> Vec<String> {
        std::mem::take(&mut self.arrived)
            .iter()
            .map(|(at, n)| format!("{at} {}", letter(n)))
            .collect()
    }

    pub(crate) fn alerts(&self) -> Vec<AlertView> {
        self.manager.alerts(&Filter::default()).alerts
    }

    /// The only alert.
    pub(crate) fn only(&self) -> AlertView {
        let [alert] = &self.alerts()[..] else { panic!("not one alert: {:#?}", self.alerts()) };
        alert.clone()
    }

    /// `state name/severity` of each alert, the newest first.
    pub(crate) fn states(&self) -> Vec<String> {
        self.alerts().iter().map(|alert| format!("{} {}", alert.state, name(alert))).collect()
    }
}

#[track_caller]
pub(crate) fn parse(rules: &str) -> Rules {
    Rules::parse(rules).unwrap_or_else(|refused| panic!("{refused}"))
}

fn name(alert: &AlertView) -> String {
    let subject = alert.labels.get("subject");
    let severity = alert.severity.as_str();
    format!("{} {subject}/{severity}", alert.labels.get("alertname"))
}

fn line(change: &Change) -> String {
    let what = match change.what {
        Transition::Pending => "pending",
        Transition::Withdrawn => "withdrawn",
        Transition::Firing => "firing",
        Transition::Silenced => "silenced",
        Transition::Inhibited => "inhibited",
        Transition::Acked => "acked",
        Transition::Resolved => "resolved",
    };
    format!("{what} {}", name(&change.alert))
}

pub(crate) fn letter(notification: &Notification) -> String {
    let of = |labels: &shimmer_alerts::Labels, resolved: bool| {
        let mark = if resolved { "-" } else { "+" };
        format!("{mark}{}/{}", labels.get("subject"), labels.get("severity"))
    };
    match &notification.payload {
        Payload::Webhook(message) => {
            let all: Vec<_> = message
                .alerts
                .iter()
                .map(|a| of(&a.labels, a.status == Status::Resolved))
                .collect();
            let status = if message.status == Status::Firing { "firing" } else { "resolved" };
            format!("{} {status}: {}", notification.receiver, all.join(" "))
        }
        Payload::Alertmanager(alerts) => {
            let all: Vec<_> = alerts.iter().map(|a| of(&a.labels, false)).collect();
            format!("{} peer: {}", notification.receiver, all.join(" "))
        }
    }
}
