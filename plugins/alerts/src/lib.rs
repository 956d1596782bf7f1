//! An alert manager as a pure state machine.
//!
//! Times, samples and wishes go into a [`Manager`]; changes of alerts and notifications come out as values. Nothing
//! here reads a clock, opens a socket or starts a thread, so that a test can play a week in a moment, and a plugin
//! that was killed goes on where it was.
//!
//! - [`Rules`]: what raises alerts and who is told, read from TOML; an error says line, column and remedy.
//! - [`Sample`]: a value of a series, with what a detector says of it.
//! - [`Manager`]: pending, firing, resolved; silences, inhibition, groups, retries, correlations.
//! - [`AlertView`], [`Change`], [`Notification`]: what is shown, told and sent.
//! - [`State`]: what is kept across a restart.
//!
//! Where its words are those of Prometheus and Alertmanager, so is the meaning; differences are said where they are
//! made.

#![forbid(unsafe_code)]

mod alert;
mod alerts;
mod backoff;
mod correlate;
mod explain;
mod groups;
mod inhibit;
mod labels;
mod limits;
mod manager;
mod matcher;
mod notify;
mod rules;
mod sample;
mod series;
mod silence;
mod state;
mod time;
mod view;

pub use alert::{AlertState, AlertType};
pub use groups::Failure;
pub use labels::{Fingerprint, Labels, MAX_LABEL_NAME, MAX_LABEL_VALUE};
pub use limits::{Limits, MAX_ACTION, MAX_ACTIONS, MAX_RULES, MAX_RULES_TEXT, MAX_TEXT};
pub use manager::{Counters, Manager, Sizes, WishRefused};
pub use matcher::{Matcher, Op};
pub use notify::{Notification, Payload, PeerAlert, Status, WebhookAlert, WebhookMessage};
pub use rules::{RuleError, Rules, RulesRefused, Target};
pub use sample::{Expected, Sample, SampleRefused, Series, Severity, Verdict};
pub use silence::{Silence, SilenceDraft, SilenceId, SilenceRefused};
pub use state::{STATE_VERSION, State, StateRefused};
pub use time::{Period, Time};
pub use view::{
    AlertList, AlertView, Change, CorrelationList, CorrelationView, Filter, SilenceList, Transition,
};
