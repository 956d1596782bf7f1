//! The half of the check that is about who is told: receivers, routes, inhibitions, the heartbeat.
//!
//! The rule: every route leads to a receiver, and every receiver is led to.

use toml::Spanned;

use super::Checker;
use crate::labels::is_label_name;
use crate::limits::MAX_ROUTES;
use crate::matcher::{Matcher, Op};
use crate::rules::text::{HeartbeatText, InhibitText, ReceiverText, RouteText, Text};
use crate::rules::{GoesOn, GroupBy, Heartbeat, Inhibition, Receiver, Route, Target};
use crate::time::Period;

/// Defaults of Alertmanager: wait, interval, repeat.
const WEBHOOK_TIMES: [Period; 3] =
    [Period::from_s(30), Period::from_s(300), Period::from_s(4 * 3_600)];
/// A peer groups by itself, and forgets what it is not told again: Prometheus repeats each minute.
const PEER_TIMES: [Period; 3] = [Period::ZERO, Period::from_s(5), Period::from_s(60)];
const PEER_PATH: &str = "/api/v2/alerts";

impl Checker<'_> {
    pub(super) fn receiver(&mut self, table: &ReceiverText) -> Receiver {
        let offset = table.name.span().start;
        let target = match (&table.webhook, &table.alertmanager) {
            (Some(url), None) => Target::Webhook(self.url(url)),
            (None, Some(url)) => Target::Alertmanager(peer_url(&self.url(url))),
            _ => {
                let message = "not one address; give either `webhook` or `alertmanager`";
                self.error(offset, message);
                Target::Webhook(String::new())
            }
        };
        if table.name.as_ref().is_empty() || table.name.as_ref().len() > 128 {
            self.error(offset, "no name; write 1 to 128 characters");
        }
        Receiver {
            name: table.name.as_ref().clone(),
            target,
            send_resolved: table.send_resolved.unwrap_or(true),
            max_alerts: table.max_alerts.unwrap_or(0),
        }
    }

    pub(super) fn routes(
        &mut self,
        tables: &[Spanned<RouteText>],
        receivers: &[Receiver],
    ) -> Vec<Route> {
        self.bound(tables.len(), MAX_ROUTES, "routes");
        let mut routes: Vec<Route> = Vec::new();
        for table in tables {
            let mut route = self.route(table.as_ref(), receivers);
            // Equal routes are told apart by their order among each other.
            let twins = routes.iter().filter(|other| other.matchers == route.matchers).count();
            if twins > 0 {
                route.key = format!("{}#{twins}", route.key);
            }
            routes.push(route);
        }
        routes
    }

    fn route(&mut self, table: &RouteText, receivers: &[Receiver]) -> Route {
        let receiver = self.known(&table.receiver, receivers);
        let times = match receiver.map(|receiver| &receiver.target) {
            Some(Target::Alertmanager(_)) => PEER_TIMES,
            _ => WEBHOOK_TIMES,
        };
        let group_interval = self.above_zero(table.group_interval.as_ref(), times[1]);
        let repeat_interval = self.above_zero(table.repeat_interval.as_ref(), times[2]);
        let matchers = self.matchers(&table.matchers);
        Route {
            key: route_key(&matchers),
            receiver: table.receiver.as_ref().clone(),
            matchers,
            group_by: self.group_by(table.group_by.as_deref().unwrap_or_default()),
            group_wait: table.group_wait.unwrap_or(times[0]),
            group_interval,
            repeat_interval,
            goes_on: if table.goes_on { GoesOn::Yes } else { GoesOn::No },
        }
    }

    fn above_zero(&mut self, period: Option<&Spanned<Period>>, default: Period) -> Period {
        let Some(period) = period else { return default };
        if *period.as_ref() == Period::ZERO {
            self.error(period.span().start, "no time at all; write a duration above zero");
        }
        *period.as_ref()
    }

    fn known<'r>(&mut self, name: &Text, receivers: &'r [Receiver]) -> Option<&'r Receiver> {
        let found = receivers.iter().find(|receiver| receiver.name == *name.as_ref());
        if found.is_none() {
            let message =
                format!("there is no receiver `{}`; add it as `[[receiver]]`", name.as_ref());
            self.error(name.span().start, &message);
        }
        found
    }

    fn group_by(&mut self, names: &[Text]) -> GroupBy {
        if let [only] = names
            && only.as_ref() == "..."
        {
            return GroupBy::All;
        }
        let plain = self.label_names(names);
        GroupBy::Names(plain)
    }

    fn label_names(&mut self, names: &[Text]) -> Vec<String> {
        for name in names.iter().filter(|name| !is_label_name(name.as_ref())) {
            let message = "no label name; write letters, digits and `_`, no digit first";
            self.error(name.span().start, message);
        }
        let mut plain: Vec<_> = names.iter().map(|name| name.as_ref().clone()).collect();
        plain.sort();
        plain.dedup();
        plain
    }

    pub(super) fn heartbeat(
        &mut self,
        table: &HeartbeatText,
        receivers: &[Receiver],
    ) -> (Heartbeat, Route) {
        self.known(&table.receiver, receivers);
        let name = table.name.as_ref().map(|name| self.name(name));
        let name = name.unwrap_or_else(|| "Watchdog".to_owned());
        let interval = self.above_zero(table.interval.as_ref(), Period::from_s(60));
        let matchers = Matcher::new("alertname", Op::Equal, &name).map(|matcher| vec![matcher]);
        let route = Route {
            key: "heartbeat".to_owned(),
            receiver: table.receiver.as_ref().clone(),
            matchers: matchers.unwrap_or_default(),
            group_by: GroupBy::Names(vec!["alertname".to_owned()]),
            group_wait: Period::ZERO,
            group_interval: interval,
            repeat_interval: interval,
            goes_on: GoesOn::No,
        };
        (Heartbeat { name, labels: self.labels(&table.labels) }, route)
    }

    pub(super) fn inhibitions(
        &mut self,
        tables: Option<&[Spanned<InhibitText>]>,
    ) -> Vec<Inhibition> {
        let Some(tables) = tables else { return vec![shipped()] };
        self.bound(tables.len(), MAX_ROUTES, "inhibitions");
        let mut inhibitions = Vec::new();
        for table in tables {
            let InhibitText { source, target, equal } = table.as_ref();
            if source.is_empty() || target.is_empty() {
                let message = "nothing to match; give source and target a matcher each";
                self.error(table.span().start, message);
            }
            inhibitions.push(Inhibition {
                source: self.matchers(source),
                target: self.matchers(target),
                equal: self.label_names(equal),
            });
        }
        inhibitions
    }

    /// Names that stand twice, and receivers that no route leads to.
    pub(super) fn unreached(&mut self, tables: &[ReceiverText], routes: &[Route]) {
        for (at, table) in tables.iter().enumerate() {
            let (name, offset) = (table.name.as_ref(), table.name.span().start);
            if tables[..at].iter().any(|other| other.name.as_ref() == name) {
                let message = format!("a second receiver is called `{name}`; give it another name");
                self.error(offset, &message);
            }
            if !routes.iter().any(|route| route.receiver == *name) {
                let message = format!(
                    "no route leads to `{name}`; add `[[route]]` with `receiver = \"{name}\"`"
                );
                self.error(offset, &message);
            }
        }
    }
}

/// A critical alert mutes the milder ones of its series.
fn shipped() -> Inhibition {
    let severity = |op, value: &str| Matcher::new("severity", op, value).into_iter().collect();
    let series = ["kind", "source", "subject"];
    Inhibition {
        source: severity(Op::Equal, "critical"),
        target: severity(Op::Match, "warning|info"),
        equal: series.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// The path of a route as Alertmanager writes it below its root.
fn route_key(matchers: &[Matcher]) -> String {
    if matchers.is_empty() {
        return "{}".to_owned();
    }
    let all: Vec<_> = matchers.iter().map(ToString::to_string).collect();
    format!("{{}}/{{{}}}", all.join(","))
}

fn peer_url(base: &str) -> String {
    let base = base.trim_end_matches('/');
    match base.ends_with(PEER_PATH) {
        true => base.to_owned(),
        false => format!("{base}{PEER_PATH}"),
    }
}
