//! Round trips.
//!
//! The rule: a timeout follows what was measured, not what was hoped for.

/// How long answers take: the mean and the mean deviation, as TCP has them (RFC 6298).
#[derive(Clone, Copy, Debug)]
pub(super) struct Rtt {
    pub(super) mean_ms: f64,
    deviation_ms: f64,
}

impl Rtt {
    pub(super) fn after(before: Option<Self>, took_ms: f64) -> Self {
        let Some(Self { mean_ms, deviation_ms }) = before else {
            return Self { mean_ms: took_ms, deviation_ms: took_ms / 2.0 };
        };
        let off = (took_ms - mean_ms).abs();
        Self {
            mean_ms: mean_ms + (took_ms - mean_ms) / 8.0,
            deviation_ms: deviation_ms + (off - deviation_ms) / 4.0,
        }
    }

    pub(super) fn timeout_ms(self) -> u64 {
        (self.mean_ms + 4.0 * self.deviation_ms) as u64 + 50
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_peer_gets_a_short_timeout_and_a_fickle_one_a_long() {
        let after = |times: &[f64]| {
            let rtt = times.iter().cycle().take(100).fold(None, |rtt, t| Some(Rtt::after(rtt, *t)));
            rtt.map_or(0, Rtt::timeout_ms)
        };
        assert_eq!(after(&[100.0]), 150);
        assert!(after(&[10.0, 400.0]) > 700);
    }
}
