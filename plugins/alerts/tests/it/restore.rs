//! A manager that is killed at any step and restored from its state, beside one that was never stopped.
//!
//! The rule: nobody outside can tell the two apart, except that what was on its way leaves again under the same id.

use std::collections::BTreeSet;

use proptest::prelude::*;
use shimmer_alerts::{
    AlertState, AlertView, Change, Expected, Failure, Filter, Limits, Manager, Notification,
    Payload, Sample, Series, SilenceDraft, State, Time, Verdict,
};

use crate::play::parse;

const RULES: &str = "
noise_cap = { alerts = 4, per = '10m' }
[[threshold]]
name = 'Load'
kind = 'load'
warning = { above = 10.0 }
critical = { above = 20.0 }
for = '20s'
keep_firing_for = '15s'
stale_after = '5m'
[[threshold]]
name = 'Heat'
subject = 'a'
warning = { above = 15.0 }
[[anomaly]]
name = 'Odd'
keep_firing_for = '30s'
[[no_data]]
name = 'Silent'
after = '90s'
[heartbeat]
receiver = 'deadman'
interval = '1m'
[[receiver]]
name = 'deadman'
webhook = 'http://localhost/'
[[receiver]]
name = 'ops'
webhook = 'http://localhost/'
[[receiver]]
name = 'peer'
alertmanager = 'http://localhost'
[[route]]
receiver = 'peer'
continue = true
[[route]]
receiver = 'ops'
group_by = ['subject']
group_wait = '10s'
group_interval = '40s'
repeat_interval = '3m'
";

/// Everything small, so that bounds are met.
const LIMITS: Limits = Limits {
    series: 6,
    live: 9,
    resolved: 5,
    silences: 2,
    silence_bytes: 1 << 20,
    groups: 4,
    correlations: 3,
    members: 3,
    in_flight: 3,
    per_receiver: 2,
    per_notification: 3,
};

#[derive(Clone, Debug)]
enum Step {
    Value { kind: &'static str, subject: &'static str, value: f64, score: Option<f64> },
    Pass { s: u8 },
    Send,
    Outcome { at: usize, failure: Option<Failure> },
    Ack { at: usize },
    Resolve { at: usize },
    Silence { subject: &'static str, from_s: u8, for_s: u8 },
    Unsilence { at: usize },
    Reload,
}

fn step() -> impl Strategy<Value = Step> {
    let subject = prop::sample::select(&["a", "b", "c", "d"][..]);
    let kind = prop::sample::select(&["load", "heat"][..]);
    let values = prop::sample::select(&[1.0, 12.0, 16.0, 25.0][..]);
    let scores = prop::option::of(prop::sample::select(&[0.1, 0.8, 0.95][..]));
    let failures =
        prop::sample::select(&[None, Some(Failure::Unreachable), Some(Failure::Refused)][..]);
    prop_oneof![
        8 => (kind, subject.clone(), values, scores)
            .prop_map(|(kind, subject, value, score)| Step::Value { kind, subject, value, score }),
        6 => (0_u8..60).prop_map(|s| Step::Pass { s }),
        4 => Just(Step::Send),
        4 => (0_usize..8, failures).prop_map(|(at, failure)| Step::Outcome { at, failure }),
        1 => (0_usize..8).prop_map(|at| Step::Ack { at }),
        1 => (0_usize..8).prop_map(|at| Step::Resolve { at }),
        1 => (subject, 0_u8..60, 1_u8..200)
            .prop_map(|(subject, from_s, for_s)| Step::Silence { subject, from_s, for_s }),
        1 => (0_usize..3).prop_map(|at| Step::Unsilence { at }),
        1 => Just(Step::Reload),
    ]
}

/// A manager with what is on its way from it.
struct Side {
    manager: Manager,
    now: Time,
    now_s: i64,
    out: Vec<Notification>,
}

/// What one step made visible.
#[derive(Debug, PartialEq)]
struct Seen {
    changes: Vec<Change>,
    sent: Vec<Notification>,
    alerts: Vec<AlertView>,
    json: String,
}

impl Side {
    fn new() -> Self {
        let manager = Manager::new(parse(RULES), LIMITS, 7);
        Self { manager, now: Time::from_s(0), now_s: 0, out: Vec::new() }
    }

    fn alert(&self, at: usize) -> String {
        let all = self.manager.alerts(&Filter::default()).alerts;
        all.get(at).map(|alert| alert.id.clone()).unwrap_or_default()
    }

    fn act(&mut self, step: &Step) -> (Vec<Change>, Vec<Notification>) {
        let (now, manager) = (self.now, &mut self.manager);
        let changes = match step {
            Step::Value { kind, subject, value, score } => {
                let verdict = score.map(|score| Verdict {
                    score,
                    expected: Expected { low: Some(1.0), high: None },
                    method: "test",
                    reduced_sensitivity: false,
                });
                let series = Series { kind, subject, source: "s" };
                let sample = Sample { series, at: now, value: *value, budget: None, verdict };
                manager.observe(now, &sample).expect("a good sample")
            }
            Step::Pass { s } => {
                self.now_s += i64::from(*s);
                self.now = Time::from_s(self.now_s);
                manager.tick(self.now)
            }
            Step::Send => {
                let sent = manager.notifications(now);
                self.out.extend(sent.clone());
                return (Vec::new(), sent);
            }
            Step::Outcome { at, failure } => {
                if *at < self.out.len() {
                    let id = self.out.remove(*at).id;
                    match failure {
                        None => manager.delivered(id, now),
                        Some(failure) => manager.failed(id, now, *failure),
                    }
                }
                Vec::new()
            }
            Step::Ack { at } => {
                let id = self.alert(*at);
                self.manager.ack(now, &id, "ann").unwrap_or_default()
            }
            Step::Resolve { at } => {
                let id = self.alert(*at);
                self.manager.resolve_by_hand(now, &id).unwrap_or_default()
            }
            Step::Silence { subject, from_s, for_s } => {
                let starts = self.now_s + i64::from(*from_s);
                let draft = SilenceDraft {
                    id: None,
                    matchers: vec![format!("subject={subject}").parse().expect("a matcher")],
                    author: "ann".to_owned(),
                    comment: String::new(),
                    starts_at: Some(Time::from_s(starts)),
                    ends_at: Time::from_s(starts + i64::from(*for_s)),
                };
                manager.silence(now, draft).map(|(_, changes)| changes).unwrap_or_default()
            }
            Step::Unsilence { at } => {
                let all = manager.silences().silences;
                let id = all.get(*at).map(|silence| silence.id);
                id.and_then(|id| manager.unsilence(now, id).ok()).unwrap_or_default()
            }
            Step::Reload => manager.reload(now, parse(RULES)),
        };
        (changes, Vec::new())
    }

    fn step(&mut self, step: &Step) -> Seen {
        let (changes, sent) = self.act(step);
        let json = serde_json::to_string(&(self.manager.correlations(), self.manager.silences()));
        Seen {
            changes,
            sent,
            alerts: self.manager.alerts(&Filter::default()).alerts,
            json: json.expect("serialises"),
        }
    }

    /// Dies, and comes back from what was written down.
    fn restart(&mut self, format: Format) {
        let state = self.manager.state();
        let state: State = match format {
            Format::Json => {
                let json = serde_json::to_string(&state).expect("serialises");
                serde_json::from_str(&json).expect("parses")
            }
            Format::Postcard => {
                let bytes = postcard::to_stdvec(&state).expect("serialises");
                postcard::from_bytes(&bytes).expect("parses")
            }
        };
        let (manager, changes, left_out) =
            Manager::restore(parse(RULES), LIMITS, state).expect("a good state");
        assert!(changes.is_empty(), "the same rules change nothing: {changes:?}");
        assert_eq!(left_out, []);
        self.manager = manager;
    }
}

/// Whether an alert of it still fires and is not muted.
fn says_something(sent: &Notification, manager: &Manager) -> bool {
    let all = manager.alerts(&Filter::default()).alerts;
    let fires = |fingerprint: String| {
        all.iter().any(|a| a.fingerprint == fingerprint && a.state == AlertState::Firing)
    };
    match &sent.payload {
        Payload::Webhook(message) => {
            message.alerts.iter().any(|alert| fires(alert.fingerprint.clone()))
        }
        Payload::Alertmanager(alerts) => {
            alerts.iter().any(|alert| fires(alert.labels.fingerprint().to_string()))
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Format {
    Json,
    Postcard,
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Killed while nothing is on its way: no difference at all.
    #[test]
    fn a_restart_changes_nothing(steps in prop::collection::vec((step(), any::<bool>()), 1..120)) {
        let (mut whole, mut broken) = (Side::new(), Side::new());
        for (step, kill) in &steps {
            if *kill && broken.out.is_empty() {
                broken.restart(if broken.now_s % 2 == 0 { Format::Json } else { Format::Postcard });
            }
            prop_assert_eq!(whole.step(step), broken.step(step));
        }
        prop_assert_eq!(whole.manager.counters(), broken.manager.counters());
    }

    /// Killed while notifications are on their way: each leaves again under its id, and nothing else differs for
    /// whoever drops what it knows already.
    #[test]
    fn what_was_on_its_way_leaves_again(
        steps in prop::collection::vec(step(), 1..80),
        at in 0_usize..80,
    ) {
        let mut side = Side::new();
        for step in steps.iter().take(at) {
            side.step(step);
        }
        let mut before = std::mem::take(&mut side.out);
        side.restart(Format::Json);
        // All that may leave, one receiver's after the other, and as long as it has something to say.
        let mut again = Vec::new();
        for _ in 0..60 {
            before.retain(|sent| says_something(sent, &side.manager));
            let all = side.manager.notifications(side.now);
            for notification in &all {
                side.manager.delivered(notification.id, side.now);
            }
            before.retain(|sent| all.iter().all(|n| n.id != sent.id));
            again.extend(all);
            side.step(&Step::Pass { s: 1 });
        }
        prop_assert!(before.is_empty(), "{before:?}");
        let ids: BTreeSet<_> = again.iter().map(|n| n.id).collect();
        prop_assert_eq!(ids.len(), again.len(), "each leaves again once");
    }

    /// Whoever looks only when he is told to sees what one sees who looks each second.
    #[test]
    fn due_is_never_too_late(steps in prop::collection::vec(step(), 1..80)) {
        let (mut each, mut told) = (Side::new(), Side::new());
        for step in &steps {
            let Step::Pass { s } = step else {
                prop_assert_eq!(each.step(step), told.step(step));
                continue;
            };
            let end_s = each.now_s + i64::from(*s);
            let (mut one, mut two) = (each.act(&Step::Pass { s: 0 }).0, Vec::new());
            while each.now_s < end_s {
                one.extend(each.act(&Step::Pass { s: 1 }).0);
            }
            let end = Time::from_s(end_s);
            while told.manager.next_change() < end {
                let due = told.manager.next_change();
                told.now = told.now.max(due);
                two.extend(told.manager.tick(told.now));
                prop_assert!(told.manager.next_change() > due);
            }
            (told.now, told.now_s) = (end, end_s);
            two.extend(told.manager.tick(end));
            prop_assert_eq!(one, two);
        }
    }

    /// Whatever happens: bounds hold, states are counted, and every alert that a receiver was told to fire is told
    /// to end once the receivers answer.
    #[test]
    fn every_story_ends_well(steps in prop::collection::vec(step(), 1..120)) {
        let mut side = Side::new();
        for step in &steps {
            side.step(step);
            let sizes = side.manager.sizes();
            prop_assert!(sizes.series <= LIMITS.series && sizes.live <= LIMITS.live + 1);
            prop_assert!(sizes.resolved <= LIMITS.resolved && sizes.silences <= LIMITS.silences);
            prop_assert!(sizes.correlations <= LIMITS.correlations);
            // One group more for each of the three routes, shared by what finds no room.
            prop_assert!(sizes.groups <= LIMITS.groups + 3);
            prop_assert!(side.out.len() <= LIMITS.in_flight);
            let list = side.manager.alerts(&Filter::default());
            prop_assert_eq!(list.counts.values().sum::<usize>(), list.alerts.len());
        }
        // Receivers answer, and nothing happens any more but time.
        for notification in std::mem::take(&mut side.out) {
            side.manager.delivered(notification.id, side.now);
        }
        side.manager.reload(side.now, parse("[[receiver]]\nname = 'ops'\nwebhook = 'http://localhost/'\n\
            [[route]]\nreceiver = 'ops'\ngroup_by = ['subject']\ngroup_interval = '40s'"));
        for _ in 0..100 {
            side.step(&Step::Pass { s: 60 });
            for notification in side.manager.notifications(side.now) {
                side.manager.delivered(notification.id, side.now);
            }
        }
        let list = side.manager.alerts(&Filter::default());
        prop_assert!(list.alerts.iter().all(|alert| alert.resolved), "{:?}", list);
        prop_assert_eq!(side.manager.sizes().notifications, 0);
        prop_assert_eq!(side.manager.sizes().groups, 0);
        prop_assert_eq!(side.manager.sizes().live, 0);
    }
}
