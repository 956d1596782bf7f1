//! The state of the plugin as it is saved: everything but what the configuration says.
//!
//! The rule: alerts come first and always fit; detectors follow, the newest series first, as many as there is room
//! for. A series whose detector had no room begins anew after a restart.

use serde::{Deserialize, Serialize};
use shimmer_alerts::State;
use shimmer_detect::Detector;
use shimmer_sdk::Error;

use crate::tell::Outbox;

/// The version that is written.
const VERSION: u8 = 1;
/// Bytes that are written at most; the host takes 64 MiB.
pub(crate) const MOST: usize = 60 * 1024 * 1024;

/// What is kept besides detectors.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) alerts: State,
    pub(crate) outbox: Outbox,
}

/// What is kept, written down without a copy.
#[derive(Serialize)]
pub(crate) struct Keeping<'a> {
    pub(crate) alerts: State,
    pub(crate) outbox: &'a Outbox,
}

/// Writes the state down. `detectors` come with the newest first; the last ones are left out beyond `most` bytes.
pub(crate) fn write<'a>(
    kept: &Keeping<'_>,
    detectors: impl Iterator<Item = (&'a String, &'a Detector)>,
    most: usize,
) -> Result<Vec<u8>, Error> {
    let failed = |why: postcard::Error| Error::Failed(format!("state: {why}"));
    let mut out = postcard::to_extend(&VERSION, Vec::new()).map_err(failed)?;
    out = postcard::to_extend(kept, out).map_err(failed)?;
    for one in detectors {
        let before = out.len();
        out = postcard::to_extend(&one, out).map_err(failed)?;
        if out.len() > most {
            out.truncate(before);
            break;
        }
    }
    Ok(out)
}

/// Reads the state; detectors go to `series`, the oldest first.
pub(crate) fn read(blob: &[u8], mut series: impl FnMut(String, Detector)) -> Result<Kept, Error> {
    let unsupported = |why: postcard::Error| Error::Unsupported(format!("state: {why}"));
    let (version, rest) = postcard::take_from_bytes::<u8>(blob).map_err(unsupported)?;
    if version != VERSION {
        let why = format!("state: version {version}, and this program reads {VERSION}");
        return Err(Error::Unsupported(why));
    }
    let (kept, mut rest) = postcard::take_from_bytes::<Kept>(rest).map_err(unsupported)?;
    let mut detectors = Vec::new();
    while !rest.is_empty() {
        let one;
        (one, rest) = postcard::take_from_bytes::<(String, Detector)>(rest).map_err(unsupported)?;
        detectors.push(one);
    }
    detectors.into_iter().rev().for_each(|(key, detector)| series(key, detector));
    Ok(kept)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use shimmer_alerts::{Limits, Manager, Rules};
    use shimmer_detect::Tier;

    use super::*;

    #[test]
    fn the_newest_series_have_room_first_and_come_back_in_their_order() {
        let manager = Manager::new(Rules::default(), Limits::default(), 7);
        let outbox = Outbox::default();
        let kept = Keeping { alerts: manager.state(), outbox: &outbox };
        let all: Vec<_> = (0..9).map(|i| (format!("s{i}"), Detector::new(Tier::Cheap))).collect();
        let write_within = |most| write(&kept, all.iter().map(|(key, d)| (key, d)), most).unwrap();
        let names = |blob: &[u8]| {
            let mut names = Vec::new();
            read(blob, |key, _| names.push(key)).unwrap();
            names
        };
        let whole = write_within(MOST);
        assert_eq!(names(&whole).len(), 9);
        let cut = write_within(whole.len() - 1);
        assert_eq!(names(&cut), ["s7", "s6", "s5", "s4", "s3", "s2", "s1", "s0"]);
        assert!(names(&write_within(0)).is_empty(), "alerts are always written");
    }
}
