//! One request through a plugin's `handle`: builds the C request, collects the answer within its bounds.

use std::cell::RefCell;
use std::ffi::c_void;

use shimmer_abi as abi;
use shimmer_abi::Status;

use super::api::text;
use crate::loader::Instance;
use crate::wire::{HttpAnswer, HttpCall};

/// Most headers of an answer.
pub(crate) const MAX_HEADERS: usize = 64;
/// Longest name and value of a header.
const MAX_NAME_BYTES: usize = 256;
const MAX_VALUE_BYTES: usize = 8 << 10;

/// Hop-by-hop headers and those that the host computes.
const HOST_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-request-id",
];

/// Calls the plugin; the status when it fails.
pub(crate) fn answer(instance: &Instance, call: &HttpCall) -> Result<HttpAnswer, Status> {
    let handle = instance.http.and_then(|http| http.handle).ok_or(Status::UNSUPPORTED)?;
    let pair = |name: &str, value: &[u8]| abi::Pair {
        name: abi::Str::new(name),
        value: abi::Bytes::new(value),
    };
    let params: Vec<_> = call.params.iter().map(|(n, v)| pair(n, v.as_bytes())).collect();
    let headers: Vec<_> = call.headers.iter().map(|(n, v)| pair(n, v)).collect();
    let request = abi::Request {
        route: call.route,
        params_len: params.len() as u32,
        params: params.as_ptr(),
        path: abi::Str::new(&call.path),
        query: abi::Str::new(&call.query),
        headers: headers.as_ptr(),
        headers_len: headers.len(),
        body: abi::Bytes::new(&call.body),
        request_id: abi::Str::new(&call.request_id),
    };
    let collected = RefCell::new(HttpAnswer { status: 200, headers: Vec::new(), body: Vec::new() });
    let response = abi::Response {
        ctx: (&raw const collected).cast::<c_void>().cast_mut(),
        set_status: Some(set_status),
        add_header: Some(add_header),
        write: Some(write),
    };
    // SAFETY: the worker calls with a live instance; request and response live until the call returns.
    let status = unsafe { handle(instance.raw(), &raw const request, &raw const response) };
    if status.is_ok() { Ok(collected.into_inner()) } else { Err(status) }
}

/// # Safety
/// `response` is the one of the running `handle`, called on its thread.
unsafe fn collected<'a>(response: *const abi::Response) -> Option<&'a RefCell<HttpAnswer>> {
    // SAFETY: `ctx` points to the cell in `answer`, which outlives the call.
    unsafe { response.as_ref()?.ctx.cast::<RefCell<HttpAnswer>>().as_ref() }
}

unsafe extern "C" fn set_status(response: *const abi::Response, status: u16) -> Status {
    // SAFETY: called inside `handle` with the response it was given.
    let Some(answer) = (unsafe { collected(response) }) else { return Status::INVALID };
    if !(200..=599).contains(&status) {
        return Status::INVALID;
    }
    answer.borrow_mut().status = status;
    Status::OK
}

unsafe extern "C" fn add_header(
    response: *const abi::Response,
    name: abi::Str,
    value: abi::Str,
) -> Status {
    // SAFETY: called inside `handle` with the response it was given and readable texts.
    let (answer, name, value) =
        unsafe { (collected(response), text(name, MAX_NAME_BYTES), text(value, MAX_VALUE_BYTES)) };
    let (Some(answer), Ok(name), Ok(value)) = (answer, name, value) else { return Status::INVALID };
    let name = name.to_ascii_lowercase();
    if !may_be_header(&name, &value) {
        return Status::INVALID;
    }
    let mut answer = answer.borrow_mut();
    if answer.headers.len() == MAX_HEADERS {
        return Status::LIMIT;
    }
    answer.headers.push((name, value));
    Status::OK
}

/// The answer, if it could have been collected here: who goes around these functions is believed no more than others.
pub(crate) fn checked(answer: HttpAnswer) -> Result<HttpAnswer, String> {
    let header = |(name, value): &(String, String)| {
        name.len() <= MAX_NAME_BYTES && value.len() <= MAX_VALUE_BYTES && may_be_header(name, value)
    };
    let good = (200..=599).contains(&answer.status)
        && answer.headers.len() <= MAX_HEADERS
        && answer.headers.iter().all(header)
        && answer.body.len() <= abi::MAX_BODY_BYTES;
    good.then_some(answer).ok_or_else(|| "its answer is beyond the bounds of one".to_owned())
}

/// Whether the host sends this header on.
fn may_be_header(name: &str, value: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let visible = |b: u8| b == b'\t' || (b' '..=b'~').contains(&b) || b >= 0x80;
    !name.is_empty()
        && name.bytes().all(token)
        && value.bytes().all(visible)
        && !HOST_HEADERS.iter().any(|host| host.eq_ignore_ascii_case(name))
}

unsafe extern "C" fn write(response: *const abi::Response, bytes: abi::Bytes) -> Status {
    // SAFETY: called inside `handle` with the response it was given.
    let Some(answer) = (unsafe { collected(response) }) else { return Status::INVALID };
    if bytes.len > 0 && bytes.ptr.is_null() {
        return Status::INVALID;
    }
    let mut answer = answer.borrow_mut();
    if bytes.len > abi::MAX_BODY_BYTES - answer.body.len() {
        return Status::LIMIT;
    }
    // SAFETY: not null, readable for the call.
    answer.body.extend_from_slice(unsafe { bytes.as_slice() });
    Status::OK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_could_not_have_been_collected_is_refused() {
        let one = |change: fn(&mut HttpAnswer)| {
            let headers = vec![("x-a".to_owned(), "v".to_owned())];
            let mut answer = HttpAnswer { status: 200, headers, body: vec![] };
            change(&mut answer);
            checked(answer).is_ok()
        };
        assert!(one(|_| {}));
        assert!(one(|answer| answer.body = vec![0; abi::MAX_BODY_BYTES]));
        assert!(!one(|answer| answer.body = vec![0; abi::MAX_BODY_BYTES + 1]));
        assert!(!one(|answer| answer.status = 101), "the connection is the host's");
        assert!(!one(|answer| answer.headers[0].0 = "Transfer-Encoding".into()));
        assert!(!one(|answer| answer.headers[0].1 = "v\r\nx: y".into()));
        assert!(!one(|answer| answer.headers[0].1 = "v".repeat(MAX_VALUE_BYTES + 1)));
        assert!(!one(|answer| answer.headers = vec![("x-a".into(), "v".into()); 65]));
    }
}
