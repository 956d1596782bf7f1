//! CloudEvents attributes that travel as HTTP headers (binary mode).
//!
//! A header value is first freed of double quotes and their backslashes, then percent-decoded once, as the HTTP
//! binding of CloudEvents 1.0.2 (section 3.1.3.2) demands; what is then no UTF-8 is refused, never repaired.

use std::borrow::Cow;

use crate::cloud::{ATTRIBUTES, Attribute};

/// The attributes of one CloudEvent in binary mode, decoded.
#[derive(Clone, Debug, Default)]
pub struct CloudHeaders<'a> {
    pub(crate) values: [HeaderValue<'a>; ATTRIBUTES],
}

/// One header as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum HeaderValue<'a> {
    #[default]
    Absent,
    Text(Cow<'a, str>),
    /// It cannot be decoded.
    Broken,
    /// It came more than once.
    Repeated,
}

impl<'a> CloudHeaders<'a> {
    /// Picks the attributes out of a request's headers (names in any case); `None` if it has none of
    /// `ce-specversion`, `ce-id`, `ce-source` and `ce-type`, hence is no CloudEvent in binary mode.
    pub fn read(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Option<Self> {
        let mut found = Self::default();
        let mut is_cloud = false;
        for (name, value) in headers {
            let Some(attribute) = Attribute::of_header(name) else { continue };
            is_cloud |= attribute.is_required();
            let slot = &mut found.values[attribute as usize];
            *slot = match slot {
                HeaderValue::Absent if attribute == Attribute::ContentType => {
                    std::str::from_utf8(value)
                        .map_or(HeaderValue::Broken, |text| HeaderValue::Text(Cow::Borrowed(text)))
                }
                HeaderValue::Absent => decode(value).map_or(HeaderValue::Broken, HeaderValue::Text),
                _ => HeaderValue::Repeated,
            };
        }
        is_cloud.then_some(found)
    }

    /// Whether the data is said, or by silence supposed, to be JSON.
    pub(crate) fn is_json(&self) -> bool {
        match &self.values[Attribute::ContentType as usize] {
            HeaderValue::Absent => true,
            HeaderValue::Text(media_type) => is_json_type(media_type),
            HeaderValue::Broken | HeaderValue::Repeated => false,
        }
    }
}

/// Whether a media type means JSON: its subtype is `json` or ends in `+json`.
pub(crate) fn is_json_type(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some((_, subtype)) = essence.split_once('/') else { return false };
    subtype == "json" || subtype.ends_with("+json")
}

fn decode(value: &[u8]) -> Option<Cow<'_, str>> {
    let value = value.trim_ascii();
    let quoted = value.len() >= 2 && value.starts_with(b"\"") && value.ends_with(b"\"");
    if !quoted && !value.contains(&b'%') {
        return std::str::from_utf8(value).ok().map(Cow::Borrowed);
    }
    let bytes = if quoted { unquote(&value[1..value.len() - 1])? } else { value.to_vec() };
    String::from_utf8(percent_decode(&bytes)?).ok().map(Cow::Owned)
}

/// Takes the backslashes of a quoted string away; `None` where a quote or the end is in the wrong place.
fn unquote(inner: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => return None,
            b'\\' => out.push(*bytes.next()?),
            _ => out.push(byte),
        }
    }
    Some(out)
}

fn percent_decode(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (&[high, low], after) = rest.split_first_chunk::<2>()?;
        out.push(digit(high)? << 4 | digit(low)?);
        rest = after;
    }
    Some(out)
}

#[cfg(test)]
mod tests;
