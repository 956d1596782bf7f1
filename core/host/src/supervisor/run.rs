//! The loop of a supervisor: commands, messages, watch, restart.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use shimmer_ring::{ConsumerHandle, ControlPage, Producer, Ring};

use super::card::{OpenCalls, Shared, State};
use super::commit::Pending;
use super::credit::Credit;
use super::inbox::{Command, Inbox};
use super::launch::Unlaunched;
use super::policy::{Crash, Policy, Verdict};
use super::reload::Reload;
use super::store::Store;
use super::transport::{Ending, Guest};
use super::unix_now_ns;
use super::watch::Kept;
use crate::config::{HostConfig, PluginConfig};
use crate::effects::{EmitRules, Encoded};
use crate::guest::MAX_BATCH;
use crate::host::Routes;
use crate::log_tail::level_name;
use crate::relay::Relay;
use crate::wire::{FromGuest, ToGuest};
use crate::{CallError, HostEvents};

/// How long a plugin may take to save and stop before it is killed.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(2);
/// How often a running plugin is looked at when nothing happens.
const LOOK: Duration = Duration::from_millis(100);
/// Time from one try to start a plugin to the next while the system has no room for it.
const ROOM_AGAIN: Duration = Duration::from_millis(500);

/// What all supervisors share.
pub(crate) struct Context {
    pub(crate) ring: Arc<Ring>,
    pub(crate) config: HostConfig,
    pub(crate) events: Arc<dyn HostEvents>,
    pub(crate) routes: Routes,
    /// Distinguishes the ids of derived events of this run of the host.
    pub(crate) epoch: String,
}

/// One plugin's supervisor.
pub(crate) struct Supervisor {
    pub(super) context: Arc<Context>,
    pub(super) config: PluginConfig,
    pub(super) shared: Arc<Shared>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) producer: Producer,
    pub(super) consumer: Option<Arc<ConsumerHandle>>,
    pub(super) store: Store,
    /// The newest state, where it could not be saved, and when that was tried.
    pub(super) unsaved: Option<(u64, Vec<u8>, Instant)>,
    /// Where the gate is kept behind the cursor, for a state that was saved there.
    pub(super) held: Option<u64>,
    pub(super) library: Option<PathBuf>,
    pub(super) policy: Policy,
    pub(super) rules: EmitRules,
    pub(super) encoded: Encoded,
    pub(super) relay: Relay,
    pub(super) credit: Credit,
    pub(super) up: Option<Up>,
    pub(super) calls: OpenCalls,
    pub(super) launches: u64,
    pub(super) spare_ids: u64,
    next: Next,
    pub(super) reload: Option<Reload>,
    shutdown: bool,
}

/// What happens while nothing runs.
enum Next {
    Launch(Instant),
    Stay,
}

/// What follows when the running instance has stopped on request.
pub(super) enum After {
    Launch,
    Stay(State),
}

/// A running instance.
pub(super) struct Up {
    pub(super) guest: Guest,
    pub(super) control: Arc<ControlPage>,
    pub(super) launched: Instant,
    pub(super) started: bool,
    /// When the host looked at it last.
    pub(super) looked: Instant,
    pub(super) pending: Option<Pending>,
    /// When its replay, which moves no cursor, must be done.
    pub(super) replays_until: Instant,
    pub(super) heartbeat: (u64, Instant),
    pub(super) progress: (u64, Instant),
    pub(super) kept: Kept,
    pub(super) sampled: Instant,
    pub(super) cpu: (f64, Instant),
    pub(super) hot_since: Option<Instant>,
    /// Why the host ended it.
    pub(super) killed: Option<String>,
    /// What it said before it ended by itself.
    pub(super) last_words: Option<String>,
    pub(super) refused: bool,
    /// Nonsense in control pages that was seen already, and before this instance.
    pub(super) violations: u64,
    pub(super) violations_before: u64,
    pub(super) stopping: Option<(Instant, After)>,
}

impl Supervisor {
    pub(crate) fn new(
        context: Arc<Context>,
        config: PluginConfig,
        emitter: u16,
        shared: Arc<Shared>,
        inbox: Arc<Inbox>,
    ) -> std::io::Result<Self> {
        let store = Store::open(&context.config.data_dir, &config.name)?;
        let rules = EmitRules {
            plugin: config.name.clone(),
            node: context.config.node.clone(),
            permissions: config.permissions.clone(),
            limits: context.config.limits,
            emitter,
        };
        let next = if config.enabled.0 { Next::Launch(Instant::now()) } else { Next::Stay };
        shared.facts().state = if config.enabled.0 { State::Starting } else { State::Disabled };
        Ok(Self {
            producer: context.ring.producer(),
            credit: Credit::new(context.ring.capacity()),
            context,
            config,
            shared,
            inbox,
            consumer: None,
            store,
            unsaved: None,
            held: None,
            library: None,
            policy: Policy::default(),
            rules,
            encoded: Encoded::default(),
            relay: Relay::default(),
            up: None,
            calls: OpenCalls::default(),
            launches: 0,
            spare_ids: 0,
            next,
            reload: None,
            shutdown: false,
        })
    }

    /// Runs until the host shuts down and the plugin has ended.
    pub(crate) fn run(mut self) {
        loop {
            if let Next::Launch(at) = self.next
                && self.up.is_none()
                && Instant::now() >= at
            {
                self.next = Next::Stay;
                self.launch_or_bury();
            }
            self.wait();
            let (commands, heard) = self.inbox.take(self.launches);
            for command in commands {
                self.command(command);
            }
            self.listen(heard);
            self.watch();
            self.fail_overdue_calls();
            self.judge_probation();
            if self.shutdown && self.up.is_none() {
                break;
            }
        }
        self.fail_calls(State::Stopped);
        self.context.routes.remove(&self.config.name);
    }

    fn wait(&self) {
        let now = Instant::now();
        let mut until = now + LOOK;
        if let Some(up) = &self.up {
            if let Some(pending) = &up.pending {
                until = until.min(pending.next);
            }
            if up.guest.closed_at().is_some() {
                until = until.min(now + Duration::from_millis(2));
            }
        } else {
            until = match self.next {
                Next::Launch(at) => at,
                Next::Stay => now + Duration::from_secs(3600),
            };
        }
        if let Some(deadline) = self.calls.next_deadline() {
            until = until.min(deadline);
        }
        if self.unsaved.is_some() {
            until = until.min(now + LOOK);
        }
        let left = until.saturating_duration_since(now);
        let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let mut fds = vec![PollFd::from_borrowed_fd(self.inbox.bell(), PollFlags::IN)];
        if let Some(up) = &self.up {
            fds.extend(up.guest.fds().map(|(fd, write)| {
                let flags = if write { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
                PollFd::from_borrowed_fd(fd, flags)
            }));
        }
        // A time-out and an interruption both mean: look.
        let _ = poll(&mut fds, Some(&timeout));
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Call { call, deadline, reply } => self.call(call, deadline, reply),
            Command::Restart(done) => {
                self.policy.reset();
                self.stop_then(After::Launch);
                done(Ok(()));
            }
            Command::Reload(done) => self.begin_reload(done),
            Command::Enable(done) => {
                self.policy.reset();
                self.config.enabled.0 = true;
                match &mut self.up {
                    None => {
                        self.set_state(State::Starting);
                        self.next = Next::Launch(Instant::now());
                    }
                    // Disabled a moment ago.
                    Some(Up { stopping: Some((_, after)), .. }) if !self.shutdown => {
                        *after = After::Launch;
                    }
                    Some(_) => {}
                }
                done(Ok(()));
            }
            Command::Disable(done) => {
                self.config.enabled.0 = false;
                self.stop_then(After::Stay(State::Disabled));
                done(Ok(()));
            }
            Command::Configure(config) => self.configure(*config),
            Command::Shutdown => {
                self.shutdown = true;
                self.stop_then(After::Stay(State::Stopped));
            }
        }
    }

    fn configure(&mut self, config: PluginConfig) {
        let enabled = config.enabled.0;
        self.rules.permissions.clone_from(&config.permissions);
        self.config = config;
        self.drop_library();
        self.policy.reset();
        self.stop_then(if enabled { After::Launch } else { After::Stay(State::Disabled) });
    }

    pub(super) fn stop_then(&mut self, after: After) {
        if let After::Stay(state) = after {
            self.refuse_reload(state);
        }
        let Some(up) = &mut self.up else {
            match after {
                After::Launch => self.next = Next::Launch(Instant::now()),
                After::Stay(state) => {
                    self.next = Next::Stay;
                    self.release_gate();
                    self.set_state(state);
                }
            }
            return;
        };
        up.stopping = Some((Instant::now() + STOP_GRACE, after));
        if up.guest.send(ToGuest::Stop).is_err() {
            up.guest.kill();
        }
    }

    fn launch_or_bury(&mut self) {
        match self.launch() {
            Ok(up) => self.up = Some(up),
            Err(why) => {
                let (Unlaunched::Refused(reason) | Unlaunched::Later(reason)) = &why;
                self.shared.live().settle();
                let before = self.shared.facts().last_error.replace(reason.clone());
                if before.as_ref() != Some(reason) {
                    self.host_log(4, reason);
                }
                if self.roll_back(reason) {
                    self.next = Next::Launch(Instant::now());
                } else if matches!(why, Unlaunched::Later(_)) && !self.shutdown {
                    self.next = Next::Launch(Instant::now() + ROOM_AGAIN);
                } else {
                    self.go_down(State::Crashed);
                }
            }
        }
    }

    fn listen(&mut self, own: Vec<FromGuest>) {
        let Some(up) = &mut self.up else { return };
        // Asked before listening: what a guest said before it ended is heard before it is buried.
        let ending = up.guest.ending();
        let mut heard = up.guest.listen(own);
        if ending.is_some() {
            up.guest.hear_out(&mut heard);
        }
        for (stream, line) in heard.lines {
            let level = if stream == "stderr" { 3 } else { 2 };
            self.log(level, stream, &line);
        }
        for message in heard.messages {
            self.message(message);
        }
        if let Some(error) = heard.broken {
            self.kill(format!("it broke the protocol: {error}"));
        }
        self.retry_pending();
        if let Some(ending) = ending {
            self.bury(ending);
        } else {
            self.abandon_thread();
        }
    }

    /// A killed thread goes on as long as it likes; for the host it has ended.
    fn abandon_thread(&mut self) {
        let gone = self.up.as_ref().is_some_and(|up| up.guest.is_thread() && up.killed.is_some());
        if gone {
            self.bury(Ending { how: "abandoned".into(), from_outside: false });
        }
    }

    /// Ends the instance for a reason of the host's.
    pub(super) fn kill(&mut self, reason: String) {
        let Some(up) = &mut self.up else { return };
        if up.killed.is_none() {
            up.killed = Some(reason);
            up.guest.kill();
        }
    }

    fn bury(&mut self, ending: Ending) {
        let Some(up) = self.up.take() else { return };
        let state = if self.shutdown { State::Stopped } else { State::Restarting };
        // Before its figures are settled: no card shows it running, and without lag for being gone.
        if self.shared.state() == State::Running {
            self.set_state(state);
        }
        self.settle_figures(&up);
        self.fail_calls(state);
        if let Some((_, after)) = up.stopping {
            match after {
                After::Launch => {
                    self.set_state(State::Restarting);
                    self.next = Next::Launch(Instant::now());
                }
                After::Stay(state) => {
                    self.release_gate();
                    self.set_state(state);
                }
            }
            return;
        }
        let reason = up.killed.clone().or(up.last_words.clone()).unwrap_or(ending.how.clone());
        if up.refused {
            self.host_log(4, &reason);
            self.shared.facts().last_error = Some(reason.clone());
            if self.roll_back(&reason) {
                self.next = Next::Launch(Instant::now());
            } else {
                self.go_down(State::Crashed);
            }
            return;
        }
        self.crashed(&up, &reason, ending.from_outside && up.killed.is_none());
    }

    fn crashed(&mut self, up: &Up, reason: &str, from_outside: bool) {
        let processing = up.control.processing();
        let cursor = self.consumer.as_ref().map_or(0, |consumer| consumer.cursor());
        let in_process = processing != 0 && !from_outside;
        // The child wrote it: what was never published is nothing to blame.
        let is_event = (1..=self.context.ring.published()).contains(&processing);
        let place = if is_event { processing - 1 } else { cursor };
        let crash = Crash { cursor, place, in_process };
        {
            let mut facts = self.shared.facts();
            facts.crashes += 1;
            facts.last_error = Some(reason.to_owned());
        }
        self.host_log(4, &format!("it died: {reason}"));
        if self.roll_back(reason) {
            self.set_state(State::Restarting);
            self.next = Next::Launch(Instant::now());
            return;
        }
        match self.policy.crashed(crash, MAX_BATCH as u64) {
            Verdict::Restart(wait) => {
                self.set_state(State::Restarting);
                self.next = Next::Launch(Instant::now() + wait);
            }
            Verdict::Quarantine(seq) => {
                {
                    let mut facts = self.shared.facts();
                    facts.quarantined_count += 1;
                    facts.quarantined = self.policy.quarantined();
                }
                self.host_log(
                    4,
                    &format!("event {seq} killed it twice and is left out from now on"),
                );
                self.set_state(State::Restarting);
                self.next = Next::Launch(Instant::now());
            }
            Verdict::Breaker => {
                self.host_log(
                    4,
                    "it died 5 times without progress and stays down until it is restarted",
                );
                self.go_down(State::Crashed);
            }
        }
    }

    fn go_down(&mut self, state: State) {
        self.next = Next::Stay;
        self.release_gate();
        self.set_state(state);
        self.fail_calls(state);
    }

    fn release_gate(&self) {
        if let Some(consumer) = &self.consumer {
            consumer.release();
        }
    }

    fn call(&mut self, call: Box<crate::wire::HttpCall>, deadline: Instant, reply: super::Reply) {
        let state = self.shared.state();
        let Some(up) = self.up.as_mut().filter(|up| up.started && up.stopping.is_none()) else {
            return reply(Err(CallError::Down(state)));
        };
        match self.calls.open(deadline, call.writes, reply) {
            Err(reply) => reply(Err(CallError::Busy)),
            Ok(id) => {
                if up.guest.send(ToGuest::Call { id, call }).is_err()
                    && let Some(reply) = self.calls.close(id)
                {
                    reply(Err(CallError::Busy));
                }
            }
        }
    }

    fn fail_overdue_calls(&mut self) {
        for reply in self.calls.overdue(Instant::now()) {
            reply(Err(CallError::Deadline));
        }
        let grace_over = self.up.as_ref().is_some_and(|up| {
            up.stopping.as_ref().is_some_and(|(until, _)| Instant::now() >= *until)
        });
        if grace_over {
            self.kill("it did not stop in time".into());
        }
    }

    fn fail_calls(&mut self, state: State) {
        for reply in self.calls.drain() {
            reply(Err(CallError::Down(state)));
        }
    }

    pub(super) fn set_state(&self, state: State) {
        let mut facts = self.shared.facts();
        facts.state = state;
        if self.up.is_none() {
            facts.pid = None;
            facts.started = None;
            facts.cpu_percent = 0.0;
            facts.usage.memory_bytes = 0;
        }
    }

    fn drop_library(&mut self) {
        if let Some(copy) = self.library.take() {
            self.store.drop_copy(&copy);
        }
    }

    /// A line of the plugin's log, and of ours.
    pub(super) fn log(&self, level: u32, stream: &'static str, text: &str) {
        let mut logs = self.shared.logs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !logs.push(Instant::now(), unix_now_ns(), level, stream, text) {
            return;
        }
        let plugin = self.config.name.as_str();
        match level_name(level) {
            "trace" => tracing::trace!(plugin, stream, "{text}"),
            "debug" => tracing::debug!(plugin, stream, "{text}"),
            "info" => tracing::info!(plugin, stream, "{text}"),
            "warn" => tracing::warn!(plugin, stream, "{text}"),
            _ => tracing::error!(plugin, stream, "{text}"),
        }
    }

    /// What the host says of the plugin; a refusal may have a line for each error.
    pub(super) fn host_log(&self, level: u32, text: &str) {
        for line in text.lines() {
            self.log(level, "host", line);
        }
    }
}
