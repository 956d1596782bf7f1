//! How a command ends when it does not succeed.
//!
//! The rule: every failure has one of three exit codes, and one clear message on stderr.

use std::io::Write as _;
use std::process::ExitCode;

use shimmer_server::config::{Problem, Problems};

use crate::terminal::{self, Paint};

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was tried and failed: exit 1.
    Failed(anyhow::Error),
    /// What it said already is enough: exit 1.
    Told,
    /// It was asked for in a wrong way: exit 2.
    Usage(String),
    /// The configuration is bad: exit 78, as `EX_CONFIG` of sysexits.h.
    Config(Problems),
}

/// How commands end.
pub(crate) type Outcome = Result<(), Failure>;

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        // A closed pipe is how `| head` says that it has seen enough.
        let closed = error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe);
        if closed { Self::Told } else { Self::Failed(error) }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        anyhow::Error::from(error).into()
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Config(problems)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Config(Problems(vec![problem]))
    }
}

impl Failure {
    /// Says on stderr what went wrong; the exit code that goes with it.
    pub(crate) fn report(self) -> ExitCode {
        let paint = Paint::stderr();
        match self {
            Self::Failed(error) => {
                drop(writeln!(std::io::stderr(), "{} {error:#}", paint.error("error:")));
                ExitCode::from(1)
            }
            Self::Told => ExitCode::from(1),
            Self::Usage(message) => {
                drop(writeln!(std::io::stderr(), "{} {message}", paint.error("error:")));
                ExitCode::from(2)
            }
            Self::Config(problems) => {
                drop(write!(std::io::stderr(), "{}", terminal::render(&problems, paint)));
                ExitCode::from(78)
            }
        }
    }
}
