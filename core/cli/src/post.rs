//! `shimmer post`: events from a file or the standard input.
//!
//! The rule: lines are sent as they come. An event that waits for others waits no longer than a
//! moment, so that a pipe can stay open for days.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::value::RawValue;

use crate::args::PostArgs;
use crate::client::Client;
use crate::failure::{Failure, Outcome};
use crate::send::{Batch, Sender, report};
use crate::signals::Stop;

/// Longest line that is read.
const LINE_BYTES: u64 = 8 << 20;

/// Longest input that is not one event a line, since it is read whole.
const DOCUMENT_BYTES: u64 = 1 << 30;

/// Longest time that an event waits for others to share its request.
const GATHER: Duration = Duration::from_millis(50);

/// Events that the reader may be ahead of the sender.
const AHEAD: usize = 4096;

/// One event of the input.
#[derive(Debug, PartialEq, Eq)]
struct Item {
    line: usize,
    json: Vec<u8>,
    /// Bytes of the input up to its end, for the progress.
    end: u64,
}

/// Runs `shimmer post`.
pub(crate) fn post(args: &PostArgs) -> Outcome {
    let client = Client::with_token(&args.send.remote)?;
    let stop = Stop::watch()?;
    let (input, name, bytes) = open(&args.file)?;
    let bar = progress(bytes, args.send.quiet);
    let post = |body: &[u8]| client.post_body("/events", "application/x-ndjson", body);
    // Nobody to tell is no reason to send no more.
    let tell = |text: &str| bar.suspend(|| drop(writeln!(std::io::stderr(), "{text}")));
    let mut sender = Sender::new(&post, &tell, args.send.retries, &stop);

    let (items, receiver) = mpsc::sync_channel(AHEAD);
    let reader = std::thread::Builder::new()
        .name("reader".to_owned())
        .spawn(move || read(BufReader::with_capacity(1 << 16, input), &items))
        .context("no thread for reading")?;
    let sent = forward(&receiver, &mut sender, &name, usize::from(args.send.batch), &stop, &bar);
    drop(receiver);
    bar.finish_and_clear();
    report(&sender.tally, &sent, args.send.json)?;
    sent?;
    if stop.is_set() {
        return Err(anyhow!("stopped before the end of {name}").into());
    }
    let read = reader.join().map_err(|_| anyhow!("the reader panicked"))?;
    read.map_err(|error| anyhow!("{name}:{error:#}"))?;
    if sender.tally.rejected > 0 { Err(Failure::Told) } else { Ok(()) }
}

/// Gathers items into batches and sends them.
fn forward(
    items: &Receiver<Item>,
    sender: &mut Sender<'_>,
    name: &str,
    most: usize,
    stop: &Stop,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let mut batch = Batch::default();
    while !stop.is_set() {
        match items.recv_timeout(GATHER) {
            Ok(Item { line, json, end }) => {
                if batch.is_full(most, json.len()) {
                    sender.send(name, &mut batch)?;
                }
                batch.push(line, &json);
                bar.set_position(end);
                if batch.len() >= most {
                    sender.send(name, &mut batch)?;
                }
            }
            Err(RecvTimeoutError::Timeout) => sender.send(name, &mut batch)?,
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    sender.send(name, &mut batch)
}

type Input = Box<dyn Read + Send>;

fn open(path: &Path) -> anyhow::Result<(Input, String, Option<u64>)> {
    if path.as_os_str() == "-" {
        return Ok((Box::new(std::io::stdin()), "stdin".to_owned(), None));
    }
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("{name} cannot be read"))?;
    let data = file.metadata().with_context(|| format!("{name} cannot be read"))?;
    if data.is_dir() {
        bail!("{name} is a folder");
    }
    Ok((Box::new(file), name, data.is_file().then_some(data.len())))
}

fn progress(bytes: Option<u64>, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    match bytes {
        Some(bytes) => ProgressBar::new(bytes).with_style(
            ProgressStyle::with_template(
                "{bar:30} {percent:>3}% {bytes} of {total_bytes}, {eta} left",
            )
            .expect("the template is a constant"),
        ),
        None => ProgressBar::hidden(),
    }
}

/// Reads the input to its end: line by line when its first line is a JSON object by itself,
/// else as a document.
fn read(mut input: impl BufRead, items: &SyncSender<Item>) -> anyhow::Result<()> {
    let (mut line, mut end) = (0, 0);
    let mut text = Vec::new();
    let mut by_line = false;
    loop {
        text.clear();
        let taken = input.by_ref().take(LINE_BYTES + 1).read_until(b'\n', &mut text);
        let taken = taken.with_context(|| format!("{}", line + 1))? as u64;
        if taken == 0 {
            return Ok(());
        }
        (line, end) = (line + 1, end + taken);
        if taken > LINE_BYTES {
            bail!("{line}: the line is longer than {LINE_BYTES} bytes");
        }
        let json = text.trim_ascii();
        if json.is_empty() {
            continue;
        }
        if !by_line && !is_object(json) {
            return read_document(text, line, input, items);
        }
        by_line = true;
        if items.send(Item { line, json: json.to_vec(), end }).is_err() {
            return Ok(());
        }
    }
}

fn is_object(json: &[u8]) -> bool {
    json.starts_with(b"{") && serde_json::from_slice::<&RawValue>(json).is_ok()
}

/// Reads JSON values one after another, arrays as their elements; `text` is the line `first`,
/// which was read already.
fn read_document(
    mut text: Vec<u8>,
    first: usize,
    input: impl BufRead,
    items: &SyncSender<Item>,
) -> anyhow::Result<()> {
    input.take(DOCUMENT_BYTES).read_to_end(&mut text).context("1")?;
    if text.len() as u64 >= DOCUMENT_BYTES {
        bail!("1: the input is neither one event a line nor shorter than {DOCUMENT_BYTES} bytes");
    }
    let text = std::str::from_utf8(&text).map_err(|error| {
        let good = error.valid_up_to();
        anyhow!("{}: not UTF-8", first + text[..good].iter().filter(|&&b| b == b'\n').count())
    })?;
    let mut counter = Lines { text, at: 0, line: first };
    let mut send = |raw: &RawValue| {
        let start = raw.get().as_ptr() as usize - text.as_ptr() as usize;
        let end = (start + raw.get().len()) as u64;
        items.send(Item { line: counter.of(start), json: raw.get().into(), end }).is_ok()
    };
    for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let value = value
            .map_err(|error| anyhow!("{}: {}", first + error.line().max(1) - 1, reason(&error)))?;
        let going_on = if value.get().starts_with('[') {
            let elements: Vec<&RawValue> =
                serde_json::from_str(value.get()).map_err(|error| anyhow!("{first}: {error}"))?;
            elements.into_iter().all(&mut send)
        } else {
            send(value)
        };
        if !going_on {
            break;
        }
    }
    Ok(())
}

/// What a parser says, without the line that it counts for itself.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(what, _)| what.to_owned())
}

/// Counts lines up to rising offsets.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Lines<'_> {
    fn of(&mut self, offset: usize) -> usize {
        let passed = &self.text.as_bytes()[self.at..offset.max(self.at)];
        self.line += passed.iter().filter(|&&b| b == b'\n').count();
        self.at = offset.max(self.at);
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> (Vec<(usize, String)>, Result<(), String>) {
        let (sender, receiver) = mpsc::sync_channel(100);
        let result = read(text.as_bytes(), &sender).map_err(|error| format!("{error:#}"));
        drop(sender);
        let items = receiver.iter().map(|i| (i.line, String::from_utf8(i.json).unwrap())).collect();
        (items, result)
    }

    fn good(text: &str) -> Vec<(usize, String)> {
        let (items, result) = items(text);
        assert_eq!(result, Ok(()));
        items
    }

    fn pairs(expected: &[(usize, &str)]) -> Vec<(usize, String)> {
        expected.iter().map(|(line, text)| (*line, (*text).to_owned())).collect()
    }

    #[test]
    fn ndjson_is_read_line_by_line_and_bad_lines_are_the_nodes_to_judge() {
        assert_eq!(
            good("{\"a\":1}\r\n\n  {\"b\":2}\n{bad\n"),
            pairs(&[(1, "{\"a\":1}"), (3, "{\"b\":2}"), (4, "{bad")])
        );
    }

    #[test]
    fn arrays_and_spread_objects_are_read_as_documents() {
        assert_eq!(
            good("[{\"a\":1},\n {\"b\":2}]\n"),
            pairs(&[(1, "{\"a\":1}"), (2, "{\"b\":2}")])
        );
        assert_eq!(
            good("\n{\n\"a\":1\n}\n{\"b\":2}"),
            pairs(&[(2, "{\n\"a\":1\n}"), (5, "{\"b\":2}")])
        );
        assert_eq!(good(" \n\n"), pairs(&[]));
        assert_eq!(good(""), pairs(&[]));
    }

    #[test]
    fn a_broken_document_is_told_with_its_line() {
        let (read, result) = items("\n[{\"a\":1},\n {\"b\"]\n");
        assert_eq!(read, pairs(&[]));
        assert!(result.unwrap_err().starts_with("3: "));
        let (_, result) = items("[1\n\n");
        assert!(result.unwrap_err().contains("EOF"));
    }
}
