//! From the text of rules to rules: what values say together.
//!
//! The rule: all errors of a text that can be read are told at once.

use std::collections::BTreeSet;

use toml::Spanned;

use super::NOISE_CAP;
use super::error::{RuleError, RulesRefused};
use super::text::{
    AnomalyText, BudgetText, LabelTable, LevelText, NoDataText, RulesText, Shared, Text,
    ThresholdText,
};
use super::{Budget, Check, Level, NoiseCap, Rule, Rules, Threshold};
use crate::labels::{Labels, MAX_LABEL_VALUE, is_label_name};
use crate::limits::{
    MAX_ACTION, MAX_ACTIONS, MAX_MATCHERS, MAX_ROUTES, MAX_RULES, MAX_RULES_TEXT, MAX_TEXT, MAX_URL,
};
use crate::matcher::{Matcher, Op};
use crate::sample::Severity;
use crate::time::Period;

mod delivery;

/// Labels that the manager sets itself.
const OWN_LABELS: [&str; 5] = ["alertname", "severity", "kind", "subject", "source"];
/// The matchers of a rule see no more than this.
const SERIES_LABELS: [&str; 3] = ["kind", "subject", "source"];
/// Most labels that a rule, or the whole text, may add.
const MAX_OWN_LABELS: usize = 8;
const FIVE_MINUTES: Period = Period::from_s(300);
const A_DAY: Period = Period::from_s(86_400);

pub(super) fn parse(text: &str) -> Result<Rules, RulesRefused> {
    if text.len() > MAX_RULES_TEXT {
        let error = RuleError::at(text, 0, "more than 1 MiB of rules; take rules away");
        return Err(RulesRefused { errors: vec![error] });
    }
    let read: RulesText = toml::from_str(text)
        .map_err(|error| RulesRefused { errors: vec![RuleError::of_toml(text, &error)] })?;
    let mut checker =
        Checker { text, errors: Vec::new(), names: BTreeSet::from([NOISE_CAP.to_owned()]) };
    let rules = checker.rules(&read);
    match checker.errors.is_empty() {
        true => Ok(rules),
        false => {
            checker.errors.sort_by_key(|error| (error.line, error.column));
            Err(RulesRefused { errors: checker.errors })
        }
    }
}

struct Checker<'t> {
    text: &'t str,
    errors: Vec<RuleError>,
    names: BTreeSet<String>,
}

impl Checker<'_> {
    fn rules(&mut self, read: &RulesText) -> Rules {
        let mut rules = Vec::new();
        rules.extend(read.threshold.iter().map(|table| self.threshold(table)));
        rules.extend(read.anomaly.iter().map(|table| self.anomaly(table)));
        rules.extend(read.no_data.iter().map(|table| self.no_data(table)));
        self.bound(rules.len(), MAX_RULES, "rules");
        let receivers: Vec<_> = read.receiver.iter().map(|table| self.receiver(table)).collect();
        self.bound(receivers.len(), MAX_ROUTES, "receivers");
        let mut routes = self.routes(&read.route, &receivers);
        let heartbeat = read.heartbeat.as_ref().map(|table| {
            let (heartbeat, route) = self.heartbeat(table, &receivers);
            routes.insert(0, route);
            heartbeat
        });
        self.unreached(&read.receiver, &routes);
        Rules {
            rules,
            routes,
            receivers,
            inhibitions: self.inhibitions(read.inhibit.as_deref()),
            heartbeat,
            noise_cap: self.noise_cap(read),
            correlation_window: read.correlation.window.unwrap_or(FIVE_MINUTES),
            external_url: read.external_url.as_ref().map(|url| self.url(url)).unwrap_or_default(),
            labels: self.labels(&read.labels),
        }
    }

    fn error(&mut self, offset: usize, message: &str) {
        let error = RuleError::at(self.text, offset, message);
        self.errors.push(error);
    }

    fn bound(&mut self, count: usize, most: usize, what: &str) {
        if count > most {
            self.error(0, &format!("{count} {what}; keep at most {most}"));
        }
    }

    fn threshold(&mut self, table: &ThresholdText) -> Rule {
        let budget = self.budget(table.budget.as_ref());
        let levels = [&table.info, &table.warning, &table.critical]
            .map(|level| level.as_ref().and_then(|level| self.level(level)));
        if levels.iter().all(Option::is_none) && self.errors.is_empty() {
            let offset = table.name.span().start;
            self.error(
                offset,
                "a threshold without a level; add one, as in `warning = { above = 0.8 }`",
            );
        }
        self.rising(table, &levels);
        let mut rule = self.rule(
            &table.shared(),
            Check::Threshold(Threshold { budget, levels }),
            Period::ZERO,
        );
        rule.stale_after = table.stale_after.unwrap_or(rule.stale_after);
        rule
    }

    fn anomaly(&mut self, table: &AnomalyText) -> Rule {
        let mut above_score = 0.7;
        if let Some(severity) = &table.min_severity {
            above_score = match severity.as_ref() {
                // Everything above nothing; a score of 0 is no anomaly.
                Severity::Info => 0.0,
                Severity::Warning => 0.7,
                Severity::Critical => 0.9,
            };
        }
        if let Some(score) = &table.min_score {
            above_score = *score.as_ref();
            if !(0.0..1.0).contains(&above_score) {
                self.error(score.span().start, "no score; write a number from 0 to below 1");
            }
            if table.min_severity.is_some() {
                let message = "`min_score` beside `min_severity`; keep one of the two";
                self.error(score.span().start, message);
            }
        }
        self.rule(&table.shared(), Check::Anomaly { above_score }, FIVE_MINUTES)
    }

    fn no_data(&mut self, table: &NoDataText) -> Rule {
        let after = *table.after.as_ref();
        if after == Period::ZERO {
            self.error(table.after.span().start, "no time at all; write a duration above zero");
        }
        let severity = table.severity.unwrap_or(Severity::Warning);
        self.rule(&table.shared(), Check::NoData { after, severity }, Period::ZERO)
    }

    fn rule(&mut self, shared: &Shared<'_>, check: Check, keep_default: Period) -> Rule {
        let runbook = shared.runbook.map(|url| self.url(url)).unwrap_or_default();
        let keep_firing_for = shared.keep_firing_for.unwrap_or(keep_default);
        // An anomaly is an event in time: without further ones it is over, whether samples come or not.
        let stale_after = match check {
            Check::Anomaly { .. } => keep_firing_for.max(FIVE_MINUTES),
            Check::NoData { .. } => A_DAY.times(7),
            Check::Threshold(_) => A_DAY,
        };
        Rule {
            name: self.name(shared.name),
            series: self.series(shared),
            check,
            pending_for: shared.pending_for.unwrap_or(Period::ZERO),
            keep_firing_for,
            stale_after,
            summary: shared.summary.map(|text| self.bounded(text, MAX_TEXT)).unwrap_or_default(),
            runbook,
            actions: self.actions(shared.actions.unwrap_or_default()),
            labels: self.labels(shared.labels),
        }
    }

    fn name(&mut self, name: &Text) -> String {
        let text = name.as_ref();
        let good = !text.is_empty() && text.len() <= 128 && !text.chars().any(char::is_control);
        if !good {
            self.error(name.span().start, "no name; write 1 to 128 characters");
        }
        if !self.names.insert(text.clone()) {
            let message = format!("a second rule is called `{text}`; give it another name");
            self.error(name.span().start, &message);
        }
        text.clone()
    }

    fn series(&mut self, shared: &Shared<'_>) -> Vec<Matcher> {
        let mut matchers = Vec::new();
        for (name, value) in shared.series {
            let Some(value) = value else { continue };
            match Matcher::new(name, Op::Equal, value.as_ref()) {
                Ok(matcher) => matchers.push(matcher),
                Err(why) => self.error(value.span().start, &why),
            }
        }
        for text in shared.matchers {
            let Some(matcher) = self.matcher(text) else { continue };
            let name = matcher.name();
            if !SERIES_LABELS.contains(&name) {
                let message =
                    format!("a series has no `{name}`; match its kind, subject or source");
                self.error(text.span().start, &message);
            }
            matchers.push(matcher);
        }
        self.few(&matchers, shared.name.span().start);
        matchers
    }

    fn matcher(&mut self, text: &Text) -> Option<Matcher> {
        let parsed = text.as_ref().parse();
        parsed.map_err(|why: String| self.error(text.span().start, &why)).ok()
    }

    fn matchers(&mut self, texts: &[Text]) -> Vec<Matcher> {
        let matchers: Vec<_> = texts.iter().filter_map(|text| self.matcher(text)).collect();
        self.few(&matchers, texts.first().map_or(0, |text| text.span().start));
        matchers
    }

    fn few(&mut self, matchers: &[Matcher], offset: usize) {
        if matchers.len() > MAX_MATCHERS {
            self.error(offset, &format!("too many matchers; keep at most {MAX_MATCHERS}"));
        }
    }

    fn budget(&mut self, budget: Option<&Spanned<BudgetText>>) -> Budget {
        let Some(budget) = budget else { return Budget::None };
        match *budget.as_ref() {
            BudgetText::Event => Budget::Event,
            BudgetText::Number(number) if number.is_finite() && number > 0.0 => {
                Budget::Fixed(number)
            }
            BudgetText::Number(_) => {
                self.error(budget.span().start, "no budget; write a number above zero");
                Budget::None
            }
        }
    }

    fn level(&mut self, level: &Spanned<LevelText>) -> Option<Level> {
        let LevelText { above, below } = *level.as_ref();
        let offset = level.span().start;
        if above.is_none() && below.is_none() {
            self.error(offset, "a level without a limit; add `above` or `below`");
        } else if [above, below].into_iter().flatten().any(|limit| !limit.is_finite()) {
            self.error(offset, "a limit that no value reaches; write a finite number");
        } else if above.zip(below).is_some_and(|(above, below)| below >= above) {
            self.error(offset, "every value reaches this level; write `below` under `above`");
        } else {
            return Some(Level { above, below });
        }
        None
    }

    /// A worse level must not be reached before a milder one.
    fn rising(&mut self, table: &ThresholdText, levels: &[Option<Level>; 3]) {
        for (mild, bad) in [(0, 1), (1, 2), (0, 2)] {
            let (Some(milder), Some(worse)) = (levels[mild], levels[bad]) else { continue };
            let above = milder.above.zip(worse.above).is_some_and(|(mild, bad)| mild > bad);
            let below = milder.below.zip(worse.below).is_some_and(|(mild, bad)| mild < bad);
            if above || below {
                let table = if bad == 1 { &table.warning } else { &table.critical };
                let offset = table.as_ref().map_or(0, |level| level.span().start);
                self.error(offset, "reached before the milder level; exchange the limits");
            }
        }
    }

    fn noise_cap(&mut self, read: &RulesText) -> NoiseCap {
        let (mut alerts, mut per) = (20, Period::from_s(3_600));
        if let Some(text) = &read.noise_cap.alerts {
            alerts = *text.as_ref();
            if !(1..=1_000).contains(&alerts) {
                self.error(text.span().start, "no cap; write a number from 1 to 1000");
            }
        }
        if let Some(text) = &read.noise_cap.per {
            per = *text.as_ref();
            if per == Period::ZERO {
                self.error(text.span().start, "no time at all; write a duration above zero");
            }
        }
        NoiseCap { alerts, per }
    }

    fn bounded(&mut self, text: &Text, most: usize) -> String {
        if text.as_ref().len() > most {
            self.error(text.span().start, &format!("too long; write at most {most} bytes"));
        }
        text.as_ref().clone()
    }

    fn actions(&mut self, actions: &[Text]) -> Vec<String> {
        if let Some(first) = actions.get(MAX_ACTIONS) {
            let message = format!("too many actions; keep at most {MAX_ACTIONS}");
            self.error(first.span().start, &message);
        }
        actions.iter().map(|action| self.bounded(action, MAX_ACTION)).collect()
    }

    fn labels(&mut self, table: &LabelTable) -> Labels {
        for (at, (name, value)) in table.iter().enumerate() {
            let (key, offset) = (name.as_ref(), name.span().start);
            if !is_label_name(key) {
                self.error(offset, "no label name; write letters, digits and `_`, no digit first");
            }
            if OWN_LABELS.contains(&key.as_str()) {
                self.error(offset, "a label that every alert has already; take another name");
            }
            if at == MAX_OWN_LABELS {
                self.error(offset, &format!("too many labels; keep at most {MAX_OWN_LABELS}"));
            }
            self.bounded(value, MAX_LABEL_VALUE / 4);
        }
        table.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect()
    }

    fn url(&mut self, url: &Text) -> String {
        let text = self.bounded(url, MAX_URL);
        let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        let host = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
        if host.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            self.error(
                url.span().start,
                "no address; write one that begins with http:// or https://",
            );
        }
        text
    }
}
