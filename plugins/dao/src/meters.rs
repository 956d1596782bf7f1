//! What a scraper sees of the DAO, as `shimmer_dao_*`.

use shimmer_governor::Governor;
use shimmer_sdk::{Counter, Error, Gauge, Host};

use crate::log::Log;

/// The metrics.
pub(crate) struct Meters {
    members: Gauge,
    proposals: Gauge,
    weights_version: Gauge,
    log_entries: Gauge,
    log_bytes: Gauge,
    log_failures: Counter,
    votes: Counter,
    parts: Counter,
    forked: Gauge,
}

impl Meters {
    pub(crate) fn declare(host: &Host) -> Result<Self, Error> {
        Ok(Self {
            members: host.gauge("members", "Members that may vote.", &[])?,
            proposals: host.gauge(
                "proposals_open",
                "Proposals that may still change a weight.",
                &[],
            )?,
            weights_version: host.gauge(
                "weights_version",
                "Version of the weights that hold.",
                &[],
            )?,
            log_entries: host.gauge("log_entries", "Entries of the audit log.", &[])?,
            log_bytes: host.gauge("log_bytes", "Size of the audit log on disk.", &[])?,
            log_failures: host.counter(
                "log_failures_total",
                "Entries that could not be written to the audit log.",
                &[],
            )?,
            votes: host.counter("votes_total", "Votes by what became of them.", &["outcome"])?,
            parts: host.counter(
                "log_parts_total",
                "Parts of the writer's log by what became of them.",
                &["outcome"],
            )?,
            forked: host.gauge(
                "log_forked",
                "1 when the writer's log contradicts what it said before.",
                &[],
            )?,
        })
    }

    /// One vote more.
    pub(crate) fn vote(&self, outcome: &str) {
        self.votes.inc(&[outcome]);
    }

    /// One part of a log more.
    pub(crate) fn part(&self, outcome: &str) {
        self.parts.inc(&[outcome]);
    }

    /// The writer contradicts itself.
    pub(crate) fn forked(&self) {
        self.forked.set(&[], 1.0);
    }

    /// The log could not be written.
    pub(crate) fn log_failed(&self) {
        self.log_failures.inc(&[]);
    }

    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub(crate) fn tell(&self, governor: &Governor, log: &Log) {
        let members = governor.members().filter(|member| member.revoked.is_none()).count();
        self.members.set(&[], members as f64);
        self.proposals.set(&[], governor.open_proposals() as f64);
        self.weights_version.set(&[], governor.weights().version as f64);
        self.log_entries.set(&[], governor.head().entries as f64);
        self.log_bytes.set(&[], log.end() as f64);
    }
}
