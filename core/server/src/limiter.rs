//! Events a second for each pair of token and address; a bounded table of token buckets.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::{HeaderName, HeaderValue, StatusCode};

use crate::http::{Problem, Refused};

/// Pairs known at once. A pair that is idle for a second is forgotten when room is needed.
const MAX_PAIRS: usize = 65_536;

/// The limiter; without a rate it lets everything pass and keeps nothing.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    pairs: Mutex<HashMap<(Arc<str>, IpAddr), Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Events that may still come; below zero after a batch larger than what was left.
    left: f64,
    at: Instant,
}

impl Limiter {
    /// Takes `events` from the allowance of `token` at `address`, `rate` a second (0 = no limit) with a
    /// second's worth of burst. Whoever has any allowance left is served wholly and owes the rest, so that a
    /// batch larger than the burst can pass at all; whoever has none is 429.
    pub(crate) fn take(
        &self,
        rate: u32,
        token: &Arc<str>,
        address: IpAddr,
        events: usize,
        now: Instant,
    ) -> Result<(), Refused> {
        if rate == 0 || events == 0 {
            return Ok(());
        }
        let burst = f64::from(rate);
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (token.clone(), subnet(address));
        if !pairs.contains_key(&key) && pairs.len() >= MAX_PAIRS {
            pairs.retain(|_, bucket| bucket.refilled(burst, now) < burst);
            if pairs.len() >= MAX_PAIRS {
                return Err(refusal(rate, 1.0));
            }
        }
        let bucket = pairs.entry(key).or_insert(Bucket { left: burst, at: now });
        let left = bucket.refilled(burst, now);
        *bucket = Bucket { left, at: now };
        if left < 1.0 {
            return Err(refusal(rate, (1.0 - left) / burst));
        }
        bucket.left = left - events as f64;
        Ok(())
    }
}

impl Bucket {
    fn refilled(&self, rate: f64, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        f64::min(rate, self.left + elapsed * rate)
    }
}

/// The fields are those of draft-ietf-httpapi-ratelimit-headers.
fn refusal(rate: u32, wait_seconds: f64) -> Refused {
    let wait = wait_seconds.ceil().max(1.0) as u64;
    let field = |name, text: String| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("0")),
        )
    };
    let (limit, limit_value) = field("ratelimit", format!("\"events\";r=0;t={wait}"));
    let (policy, policy_value) = field("ratelimit-policy", format!("\"events\";q={rate};w=1"));
    Problem::new(StatusCode::TOO_MANY_REQUESTS, format!("more than {rate} events a second"))
        .retry_after(wait)
        .header(limit, limit_value)
        .header(policy, policy_value)
}

/// A host owns a whole /64 of IPv6, so that is what counts as one address.
fn subnet(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn address(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn a_second_of_burst_then_the_rate() {
        let (limiter, token, start) = (Limiter::default(), Arc::from("default"), Instant::now());
        for _ in 0..10 {
            assert!(limiter.take(10, &token, address(1), 1, start).is_ok());
        }
        let refused = limiter.take(10, &token, address(1), 1, start).unwrap_err().into_answer();
        assert_eq!(refused.status, 429);
        assert_eq!(refused.headers["retry-after"], "1");
        assert_eq!(refused.headers["ratelimit"], "\"events\";r=0;t=1");
        assert_eq!(refused.headers["ratelimit-policy"], "\"events\";q=10;w=1");
        assert!(limiter.take(10, &token, address(2), 1, start).is_ok(), "another address");
        assert!(limiter.take(10, &Arc::from("b"), address(1), 1, start).is_ok(), "another token");
        assert!(
            limiter.take(10, &token, address(1), 1, start + Duration::from_millis(101)).is_ok()
        );
    }

    #[test]
    fn a_large_batch_passes_once_and_is_paid_off() {
        let (limiter, token, start) = (Limiter::default(), Arc::from("default"), Instant::now());
        assert!(limiter.take(10, &token, address(1), 100, start).is_ok());
        let after = |s| start + Duration::from_secs(s);
        let refused = limiter.take(10, &token, address(1), 1, after(5)).unwrap_err().into_answer();
        assert_eq!(refused.headers["retry-after"], "5");
        assert!(limiter.take(10, &token, address(1), 1, after(10)).is_ok());
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_idle() {
        let (limiter, token, start) = (Limiter::default(), Arc::from("default"), Instant::now());
        for n in 0..MAX_PAIRS as u32 {
            assert!(limiter.take(2, &token, address(n), 1, start).is_ok());
        }
        assert!(limiter.take(2, &token, address(u32::MAX), 1, start).is_err());
        let later = start + Duration::from_secs(2);
        assert!(limiter.take(2, &token, address(u32::MAX), 1, later).is_ok());
        assert_eq!(limiter.pairs.lock().unwrap().len(), 1);
    }

    #[test]
    fn neighbours_in_ipv6_are_one_and_zero_is_no_limit() {
        let (limiter, token, start) = (Limiter::default(), Arc::from("default"), Instant::now());
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(limiter.take(1, &token, at("2001:db8::1"), 1, start).is_ok());
        assert!(limiter.take(1, &token, at("2001:db8::2"), 1, start).is_err());
        assert!(limiter.take(0, &token, at("2001:db8::2"), 1, start).is_ok());
    }
}
