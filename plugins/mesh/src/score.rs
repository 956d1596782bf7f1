//! What a peer did wrong, and for how long that counts.
//!
//! The rule: points fade by half a minute after minute, one honest mistake never reaches the bound, and a peer beyond it
//! is left alone for a while.

/// Points at which a peer is asked nothing any more.
pub(crate) const SHUNNED: f64 = 100.0;
const HALF_LIFE_MS: f64 = 60_000.0;

/// What a peer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misdeed {
    /// Bytes that are no answer, or a signature that does not hold.
    Refused(crate::reason::Reason),
    /// Envelopes that nobody asked for.
    Unasked,
    /// A digest without end, or a page of nothing that says there is more.
    Endless,
    /// It offered what it did not give.
    Broken,
    /// No answer in time, several times in a row.
    Silent,
    /// It asks for more than its share.
    Greedy,
}

impl Misdeed {
    /// Points of one.
    #[must_use]
    pub fn points(self) -> f64 {
        match self {
            Self::Refused(_) => 50.0,
            Self::Unasked | Self::Endless => 34.0,
            Self::Broken => 8.0,
            Self::Silent => 4.0,
            Self::Greedy => 1.0,
        }
    }
}

/// Points that fade.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Score {
    points: f64,
    at_ms: u64,
}

impl Score {
    pub(crate) fn at(&self, now_ms: u64) -> f64 {
        let age = now_ms.saturating_sub(self.at_ms) as f64;
        self.points * (-age / HALF_LIFE_MS).exp2()
    }

    pub(crate) fn add(&mut self, points: f64, now_ms: u64) {
        self.points = self.at(now_ms) + points;
        self.at_ms = now_ms;
    }

    pub(crate) fn is_shunned(&self, now_ms: u64) -> bool {
        self.at(now_ms) >= SHUNNED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Reason;

    #[test]
    fn points_fade() {
        let mut score = Score::default();
        score.add(Misdeed::Refused(Reason::Signature).points(), 0);
        assert!(!score.is_shunned(0));
        score.add(Misdeed::Refused(Reason::Signature).points(), 0);
        assert!(score.is_shunned(0));
        assert!(!score.is_shunned(1_000));
        assert!((score.at(120_000) - 25.0).abs() < 1e-9);
        // A clock that was set back does not make points grow.
        score.add(0.0, 1_000);
        assert!(score.at(0) <= 100.0);
    }
}
