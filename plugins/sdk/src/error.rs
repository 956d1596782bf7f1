//! The one error of the crate; its variants are named by what can be done next.

use std::fmt;

use shimmer_abi::Status;

/// Why something did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Correct the argument, request or configuration.
    Invalid(String),
    /// Grant the permission in the configuration.
    Denied(String),
    /// Ask for less: a bound is reached.
    Limit(String),
    /// Try again later: the ring is full or the host is stopping.
    Busy(String),
    /// Restart: the plugin cannot go on.
    Failed(String),
    /// Do without: the other side does not know it.
    Unsupported(String),
    /// Stop: the instance is destroyed and its host handle dead.
    Gone,
}

impl Error {
    /// An unusable setting: names the field and what it should be.
    #[must_use]
    pub fn config(field: &str, remedy: &str) -> Self {
        Self::Invalid(format!("{field}: {remedy}"))
    }

    /// What a plugin's callback answers to the host.
    pub(crate) const fn status(&self) -> Status {
        match self {
            Self::Invalid(_) => Status::INVALID,
            Self::Denied(_) => Status::DENIED,
            Self::Limit(_) => Status::LIMIT,
            Self::Busy(_) => Status::BUSY,
            Self::Failed(_) | Self::Gone => Status::FAILED,
            Self::Unsupported(_) => Status::UNSUPPORTED,
        }
    }

    /// What the host's answer to the call `what` means.
    pub(crate) fn check(status: Status, what: &str) -> Result<(), Self> {
        if status.is_ok() {
            return Ok(());
        }
        let (make, why): (fn(String) -> Self, &str) = match status {
            Status::INVALID => (Self::Invalid, "an argument is outside its limits"),
            Status::DENIED => (Self::Denied, "the configuration does not permit it"),
            Status::LIMIT => (Self::Limit, "a bound is reached"),
            Status::BUSY => (Self::Busy, "the ring is full or the host is stopping"),
            Status::UNSUPPORTED => (Self::Unsupported, "the host does not know it"),
            _ => (Self::Failed, "the host failed"),
        };
        Err(make(format!("{what}: {why}")))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(text)
            | Self::Denied(text)
            | Self::Limit(text)
            | Self::Busy(text)
            | Self::Failed(text)
            | Self::Unsupported(text) => out.write_str(text),
            Self::Gone => out.write_str("the plugin instance no longer exists"),
        }
    }
}

impl std::error::Error for Error {}

impl From<String> for Error {
    fn from(text: String) -> Self {
        Self::Failed(text)
    }
}

impl From<&str> for Error {
    fn from(text: &str) -> Self {
        Self::Failed(text.to_owned())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_status_keeps_its_meaning_both_ways() {
        for status in [
            Status::INVALID,
            Status::DENIED,
            Status::LIMIT,
            Status::BUSY,
            Status::FAILED,
            Status::UNSUPPORTED,
        ] {
            assert_eq!(Error::check(status, "emit").unwrap_err().status(), status);
        }
        assert_eq!(Error::check(Status(-99), "emit").unwrap_err().status(), Status::FAILED);
        assert_eq!(Error::check(Status(3), "emit"), Ok(()));
    }
}
