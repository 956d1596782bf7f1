//! Where a value came from.
//!
//! The rule: each setting has exactly one origin, that of the value in force.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::problem::Place;

/// Where a value came from, in rising order of precedence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of the file, from 1.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// A variable of the environment.
    Env(&'static str),
    /// A flag of the command line, as `--port`.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

impl From<&Place> for Origin {
    fn from(place: &Place) -> Self {
        match place {
            Place::File(source, range) => {
                Self::File { path: source.path.clone(), line: source.position(range.start).0 }
            }
            Place::Env(name) => Self::Env(name),
            Place::Flag(name) => Self::Flag(name.clone()),
            Place::Path(path) => Self::File { path: path.clone(), line: 1 },
            Place::Defaults => Self::Default,
        }
    }
}

/// The origin of every setting that is not at its default, by key.
pub type Origins = BTreeMap<String, Origin>;
