//! The values of sources, saved and taken back. Weights need no saving: they follow from the log.

use serde::{Deserialize, Serialize};
use shimmer_sdk::Error;
use shimmer_view::Influence;

/// Of this form and no other.
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Kept {
    sources: Vec<(String, Vec<f64>, u64)>,
}

/// The bytes that hold what is known of sources.
pub(crate) fn write(influence: &Influence) -> Result<Vec<u8>, Error> {
    let owned =
        |(source, values, events): (&str, Vec<f64>, u64)| (source.to_owned(), values, events);
    let kept = Kept { sources: influence.windows().map(owned).collect() };
    postcard::to_extend(&kept, vec![VERSION]).map_err(|why| Error::Failed(why.to_string()))
}

/// Takes them back into an empty `influence`, whose window may have changed.
pub(crate) fn read(bytes: &[u8], influence: &mut Influence) -> Result<(), Error> {
    let other = || Error::Unsupported("values of another version".to_owned());
    let kept = bytes.strip_prefix(&[VERSION]).ok_or_else(other)?;
    let kept: Kept = postcard::from_bytes(kept).map_err(|_| other())?;
    for (source, values, events) in kept.sources {
        influence.restore(&source, &values, events);
    }
    Ok(())
}
