//! The answer to what is no request: hyper's own, made into a problem document.
//!
//! hyper answers bytes that it cannot read as a request by itself, with a bare status, and ends the
//! connection; the service never hears of it. The rule: an answer of the service carries its id, so a
//! head without one, and without a body, is hyper's.

use http::StatusCode;

use crate::http::{Problem, RequestId, request_id};

/// The status of an answer that hyper gives by itself, if `written` is the whole of one.
pub(super) fn status(written: &[u8]) -> Option<StatusCode> {
    let code = written.strip_prefix(b"HTTP/1.1 ")?.first_chunk::<3>()?;
    let status = StatusCode::from_bytes(code).ok().filter(StatusCode::is_client_error)?;
    let head = std::str::from_utf8(written).ok()?;
    let is_bare = head.find("\r\n\r\n").is_some_and(|end| end + 4 == head.len());
    let ours = head.lines().any(|line| {
        line.split_once(':').is_some_and(|(name, _)| name == request_id::HEADER.as_str())
    });
    (is_bare && !ours).then_some(status)
}

/// The whole answer that is sent instead.
pub(super) fn answer(status: StatusCode, id: &RequestId) -> Vec<u8> {
    let detail = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "the head of the request is too large",
        StatusCode::URI_TOO_LONG => "the target of the request is too long",
        _ => "this is not a request of HTTP/1.1",
    };
    let answer = Problem::new(status, detail).closing().into_answer();
    let reason = status.canonical_reason().unwrap_or("Error");
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    let id = (request_id::HEADER, id.value());
    for (name, value) in answer.headers.iter().chain([(&id.0, &id.1)]) {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&answer.body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_client_error_is_hypers_own() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(status(bare), Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        for other in [
            &b"HTTP/1.1 400 Bad Request\r\nx-request-id: a\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 1\r\n\r\nx",
            b"HTTP/1.1 400 Bad Request\r\ncontent-le",
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            b"",
        ] {
            assert_eq!(status(other), None, "{:?}", String::from_utf8_lossy(other));
        }
    }
}
