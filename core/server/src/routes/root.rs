//! `GET /`: the dashboard for people, the health for programs that prefer JSON.

use http::HeaderMap;
use http::header::{ACCEPT, VARY};

use super::page::Ask;
use super::{health, ui};
use crate::http::{Answer, Refused};

/// Answers.
pub(crate) fn show(ask: &Ask<'_>) -> Result<Answer, Refused> {
    let answer = if prefers_json(ask.headers) {
        health::health(ask)?
    } else {
        ui::page(ask.app, ask.headers)
    };
    Ok(answer.header(VARY, ui::VARIES))
}

/// Whether JSON is wanted more than HTML; where both are as welcome, as with `*/*`, it is HTML.
fn prefers_json(headers: &HeaderMap) -> bool {
    let accept: Vec<&str> =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let accept = accept.join(",");
    quality(&accept, "application", "json") > quality(&accept, "text", "html")
}

/// The quality that the most specific range of `accept` gives to a type (RFC 9110, 12.5.1).
fn quality(accept: &str, main: &str, sub: &str) -> f32 {
    let mut best = (0, 0.0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let Some((range_main, range_sub)) = parts.next().and_then(|r| r.split_once('/')) else {
            continue;
        };
        let is = |text: &str, wanted: &str| text.eq_ignore_ascii_case(wanted);
        let rank = match (range_main, range_sub) {
            (m, s) if is(m, main) && is(s, sub) => 3,
            (m, "*") if is(m, main) => 2,
            ("*", "*") => 1,
            _ => continue,
        };
        let quality = parts
            .find_map(|parameter| parameter.strip_prefix("q="))
            .map_or(1.0, |q| q.parse().unwrap_or(0.0));
        if rank > best.0 {
            best = (rank, quality);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn json_only_where_it_is_preferred() {
        let prefers = |accept: &str| {
            prefers_json(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_str(accept).unwrap())]))
        };
        assert!(!prefers_json(&HeaderMap::new()));
        for json in [
            "application/json",
            "application/json, text/html;q=0.5",
            "application/*",
            "text/html;q=0.1, */*;q=0.2",
            "Application/JSON;charset=utf-8",
        ] {
            assert!(prefers(json), "{json}");
        }
        for html in [
            "*/*",
            "text/html",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/html, application/json",
            "application/json;q=0, */*",
            "",
            "nonsense",
        ] {
            assert!(!prefers(html), "{html}");
        }
    }
}
