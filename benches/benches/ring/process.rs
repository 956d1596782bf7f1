//! Consumers in a process of their own: this bench, started again.
//!
//! The rule: the two speak only before and after a run, over pipes; between, the queue alone connects
//! them.

use crate::pipe::Count;
use std::io::{ErrorKind, Read, Write};
use std::process::{Command, Stdio};

/// First argument of a consumer; its kind and what it needs to find the queue follow.
const ARGUMENT: &str = "--consumer";

/// A consumer's process as the producers see it.
pub(crate) struct Child {
    child: std::process::Child,
}

/// What a consumer's process was told to be.
pub(crate) fn role() -> Option<Vec<String>> {
    let mut arguments = std::env::args().skip(1);
    (arguments.next()? == ARGUMENT).then(|| arguments.collect())
}

/// Reads the queue as often as the parent asks, up to the event that it names. Returns when the parent
/// is gone.
pub(crate) fn serve(mut read_to: impl FnMut(&mut Count, u64)) {
    let (mut asked, mut told) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut tell = |count: &Count| {
        let words = count.words().map(u64::to_ne_bytes).concat();
        told.write_all(&words).and_then(|()| told.flush()).expect("the parent reads");
    };
    let mut count = Count::default();
    tell(&count);
    let mut wanted = [0; 8];
    loop {
        match asked.read_exact(&mut wanted) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return,
            Err(error) => panic!("{error}"),
        }
        read_to(&mut count, u64::from_ne_bytes(wanted));
        tell(&count);
    }
}

impl Child {
    /// Starts the consumer and waits until it has found its queue.
    pub(crate) fn start(role: &[&str]) -> Self {
        let own = std::env::current_exe().expect("a bench has a path");
        let child = Command::new(own)
            .arg(ARGUMENT)
            .args(role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the bench starts again");
        let mut child = Self { child };
        assert_eq!(child.wait(), [0, 0], "it has read nothing yet");
        child
    }

    /// Asks it to read up to event `wanted`, counted from its start.
    pub(crate) fn ask(&mut self, wanted: u64) {
        let pipe = self.child.stdin.as_mut().expect("a pipe");
        pipe.write_all(&wanted.to_ne_bytes()).and_then(|()| pipe.flush()).expect("it reads");
    }

    /// Waits until it has; how many events it has read, and what their columns fold to.
    pub(crate) fn wait(&mut self) -> [u64; 2] {
        let mut words = [[0; 8]; 2];
        let pipe = self.child.stdout.as_mut().expect("a pipe");
        pipe.read_exact(words.as_flattened_mut()).expect("it answers");
        words.map(u64::from_ne_bytes)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}
