//! The governor: the state of a DAO, and what may become of it.
//!
//! The rule: the state is the fold of the log's entries and of nothing else. A command or the clock yields an entry;
//! the caller makes it durable; only then it is applied, the same way whether it is new or read again.

mod apply;
mod ask;
mod decide;
mod due;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use crate::entry::{Data, Entry, MemberPut};
use crate::fault::{Fault, Signatures};
use crate::key::{Bytes, Hash};
use crate::members::Registry;
use crate::proposal::Proposal;
use crate::refusal::Refusal;
use crate::spec::{Config, Spec};
use crate::time::Time;
use crate::weights::Weights;
pub use ask::{Head, MemberView, ProposalView};

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Configure the DAO, first of all or anew.
    Configure(Config),
    /// Add or change a member.
    PutMember(MemberPut),
    /// Take a member's right to vote.
    Revoke(Bytes<32>),
    /// Make a proposal.
    Propose(Spec),
    /// Vote on the proposal of this id.
    Vote {
        /// As it stands in the path.
        proposal: String,
        /// As posted; it is looked at after the path.
        body: Vec<u8>,
    },
    /// Queue the proposal of this id.
    Queue(String),
    /// Execute the proposal of this id.
    Execute(String),
    /// Call off the proposal of this id.
    Cancel(String),
}

/// An entry that follows from the state as it is. It can be applied to this state once.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "make it durable, then apply it"]
pub struct Decided(Entry);

impl Deref for Decided {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        &self.0
    }
}

/// A DAO.
///
/// ```
/// use shimmer_governor::{Command, Governor, Time, verify};
///
/// let mut log = String::new();
/// let mut keep = |entry: &shimmer_governor::Entry| {
///     // A node appends the line to its file and syncs it.
///     log.push_str(&entry.to_line());
///     log.push('\n');
///     Ok::<_, std::io::Error>(())
/// };
/// let mut dao = Governor::default();
/// let now: Time = "2025-10-21T04:30:00Z".parse()?;
/// let config = r#"{"id":"lab","auto":true,"default_weight":1,"max_step":0.25,"epoch_s":3600,"renew_s":2592000}"#;
/// dao.submit(now, &Command::Configure(serde_json::from_str(config)?), &mut keep)?;
/// dao.advance("2025-10-22T00:00:00Z".parse()?, &mut keep)?;
/// assert_eq!(dao.lookup().weight("any source"), 1.0);
/// assert_eq!(verify(log.as_bytes())?, dao.head());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Governor {
    config: Option<Config>,
    /// Of the next entry.
    n: u64,
    head: Hash,
    /// Of the last entry.
    at: Time,
    members: Registry,
    /// By the number of their entry, which is their order.
    proposals: BTreeMap<u64, Proposal>,
    /// Those that may still change a weight.
    open: BTreeSet<u64>,
    weights: Weights,
}

impl Default for Governor {
    /// Before the first entry, which is a configuration.
    fn default() -> Self {
        Self {
            config: None,
            n: 0,
            head: Hash::ZERO,
            at: Time::MIN,
            members: Registry::default(),
            proposals: BTreeMap::new(),
            open: BTreeSet::new(),
            weights: Weights::new(Time::MIN),
        }
    }
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Failed<E> {
    /// By the rules.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The entry could not be made durable.
    #[error("the log could not be written")]
    Log(E),
}

/// Why an entry of somebody else's log was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Unfollowed<E> {
    /// It cannot stand here.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It could not be made durable.
    #[error("the log could not be written")]
    Log(E),
}

impl Governor {
    /// Applies all entries that are due up to `now`, each once `keep` has made it durable. Where `keep` fails, the
    /// state is that of the entries before.
    ///
    /// # Errors
    ///
    /// [`Refusal::Backwards`], or what `keep` said.
    pub fn advance<E>(
        &mut self,
        now: Time,
        mut keep: impl FnMut(&Entry) -> Result<(), E>,
    ) -> Result<(), Failed<E>> {
        while let Some(due) = self.due(now)? {
            keep(&due).map_err(Failed::Log)?;
            self.apply(due);
        }
        Ok(())
    }

    /// Advances to `now`, carries out a command, and advances again for what follows at once. Gives the command's own
    /// entry.
    ///
    /// # Errors
    ///
    /// Why the command was refused, or what `keep` said. What was due before may have been applied.
    pub fn submit<E>(
        &mut self,
        now: Time,
        command: &Command,
        mut keep: impl FnMut(&Entry) -> Result<(), E>,
    ) -> Result<Entry, Failed<E>> {
        self.advance(now, &mut keep)?;
        let decided = self.decide(now, command)?;
        keep(&decided).map_err(Failed::Log)?;
        let entry = decided.0.clone();
        self.apply(decided);
        self.advance(now, keep)?;
        Ok(entry)
    }

    /// Takes an entry of somebody else's log, once `keep` has made it durable, if it is what follows from this state.
    ///
    /// # Errors
    ///
    /// Why it cannot stand here, or what `keep` said. The state is as before.
    pub fn follow<E>(
        &mut self,
        entry: Entry,
        keep: impl FnOnce(&Entry) -> Result<(), E>,
    ) -> Result<(), Unfollowed<E>> {
        let decided = self.judge(entry, Signatures::Checked)?;
        keep(&decided).map_err(Unfollowed::Log)?;
        self.apply(decided);
        Ok(())
    }

    fn seal(&self, at: Time, data: Data) -> Decided {
        Decided(Entry::seal(self.n, at, data, self.head))
    }

    fn config(&self) -> Result<&Config, Refusal> {
        self.config.as_ref().ok_or(Refusal::NotConfigured)
    }
}
