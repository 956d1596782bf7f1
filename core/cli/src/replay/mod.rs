//! `shimmer replay`: recorded events or a CSV series, at the pace of their timestamps.
//!
//! The rule: order and spacing are kept, ids and times are new; the same recording can be sent
//! again and again.

mod pace;
pub(crate) mod recording;
mod rewrite;

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, anyhow};
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use crate::args::{ReplayArgs, Speed};
use crate::client::Client;
use crate::failure::{Failure, Outcome};
use crate::send::{Batch, Sender, report};
use crate::signals::Stop;
use pace::Pace;
use recording::{Recording, Survey};
use rewrite::Rewrite;

/// Runs `shimmer replay`.
pub(crate) fn replay(args: &ReplayArgs) -> Outcome {
    let client = Client::with_token(&args.send.remote)?;
    let survey = Recording::open(&args.file)?.survey()?;
    if survey.rows == 0 {
        return Err(anyhow!("{} holds no event", args.file.display()).into());
    }
    let rewrite = Rewrite::new(args, &survey, &run_id()?);
    let stop = Stop::watch()?;
    let bar = progress(args, &survey);
    let post = |body: &[u8]| client.post_body("/events", "application/x-ndjson", body);
    // Nobody to tell is no reason to send no more.
    let tell = |text: &str| bar.suspend(|| drop(writeln!(std::io::stderr(), "{text}")));
    let mut player = Player {
        args,
        survey: &survey,
        rewrite,
        sender: Sender::new(&post, &tell, args.send.retries, &stop),
        stop: &stop,
        bar: &bar,
        name: args.file.display().to_string(),
        sent: 0,
    };
    let played = player.play();
    let (tally, sent) = (player.sender.tally, player.sent);
    bar.finish_and_clear();
    report(&tally, &played, args.send.json)?;
    played?;
    if stop.is_set() && !args.again {
        return Err(anyhow!("stopped after {sent} of {} events", survey.rows).into());
    }
    if tally.rejected > 0 { Err(Failure::Told) } else { Ok(()) }
}

struct Player<'a> {
    args: &'a ReplayArgs,
    survey: &'a Survey,
    rewrite: Rewrite<'a>,
    sender: Sender<'a>,
    stop: &'a Stop,
    bar: &'a ProgressBar,
    name: String,
    sent: u64,
}

impl Player<'_> {
    fn play(&mut self) -> anyhow::Result<()> {
        let mut lap_start = (Instant::now(), unix_now());
        loop {
            let pace = Pace::new(self.args.speed, self.survey.first_ns, self.survey.last_ns);
            self.lap(&pace, lap_start.0, lap_start.1)?;
            if !self.args.again || self.stop.is_set() {
                return Ok(());
            }
            let lap = pace.lap(self.survey.rows);
            lap_start = match self.args.speed {
                Speed::Max => (Instant::now(), unix_now()),
                Speed::Factor(_) => {
                    let nanos = i64::try_from(lap.as_nanos()).unwrap_or(i64::MAX);
                    (lap_start.0 + lap, lap_start.1.saturating_add(nanos))
                }
            };
            self.bar.reset();
        }
    }

    /// Sends the recording once.
    fn lap(&mut self, pace: &Pace, start: Instant, start_ns: i64) -> anyhow::Result<()> {
        let most = usize::from(self.args.send.batch);
        let mut batch = Batch::default();
        for row in Recording::open(&self.args.file)? {
            let row = row?;
            let due = start + pace.due(row.time_ns);
            let now = Instant::now();
            if due > now {
                // What is gathered goes out before the wait; what is late goes out together.
                self.flush(&mut batch)?;
                if !self.stop.wait(due - now) {
                    break;
                }
            }
            if self.stop.is_set() {
                break;
            }
            let json = self.rewrite.event(&row, pace.stamp(start_ns, row.time_ns));
            if batch.is_full(most, json.len()) {
                self.flush(&mut batch)?;
            }
            batch.push(row.line, &json);
            self.show(pace, start);
        }
        self.flush(&mut batch)
    }

    fn flush(&mut self, batch: &mut Batch) -> anyhow::Result<()> {
        let events = batch.len() as u64;
        self.sender.send(&self.name, batch)?;
        self.sent += events;
        Ok(())
    }

    fn show(&self, pace: &Pace, start: Instant) {
        match self.args.speed {
            Speed::Max => self.bar.inc(1),
            Speed::Factor(_) => {
                let left = pace.total().saturating_sub(start.elapsed());
                let done = pace.total().saturating_sub(left);
                self.bar.set_position(u64::try_from(done.as_millis()).unwrap_or(u64::MAX));
                self.bar.set_message(format!("{} sent, {} left", self.sent, HumanDuration(left)));
            }
        }
    }
}

fn progress(args: &ReplayArgs, survey: &Survey) -> ProgressBar {
    if args.send.quiet {
        return ProgressBar::hidden();
    }
    let (length, template) = match args.speed {
        Speed::Max => (survey.rows, "{bar:30} {percent:>3}% {pos} of {len} events, {eta} left"),
        Speed::Factor(_) => {
            let total = Pace::new(args.speed, survey.first_ns, survey.last_ns).total();
            let millis = u64::try_from(total.as_millis()).unwrap_or(u64::MAX);
            (millis.max(1), "{bar:30} {percent:>3}% {msg}")
        }
    };
    let style = ProgressStyle::with_template(template).expect("the template is a constant");
    let bar = ProgressBar::new(length).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

fn unix_now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

/// A word that no other run uses, for the ids of its events.
fn run_id() -> anyhow::Result<String> {
    let word = getrandom::u64().map_err(|error| anyhow!("no random numbers: {error}"))?;
    Ok(format!("replay-{word:016x}"))
}

/// The file's name without folder and extension, the default subject of a series.
fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn open(path: &Path) -> anyhow::Result<std::fs::File> {
    let name = path.display();
    let file = std::fs::File::open(path).with_context(|| format!("{name} cannot be read"))?;
    let is_file = file.metadata().map(|data| data.is_file()).unwrap_or(false);
    if !is_file {
        return Err(anyhow!("{name} is not a file; a replay reads its recording twice"));
    }
    Ok(file)
}
