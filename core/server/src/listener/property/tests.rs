//! The property on the kept corpus and on generated requests, and what it takes for an answer.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use proptest::prelude::*;

use super::*;

thread_local! {
    static BENCH: Bench = Bench::default();
}

/// Requests of all kinds, and what the fuzzer made of them.
#[test]
fn the_kept_corpus_holds() {
    let kept = include_str!("../../../../../tests/fuzz/corpora/http_bytes.txt");
    for line in kept.lines() {
        let bytes = BASE64_STANDARD.decode(line).expect("a line of Base64");
        BENCH.with(|bench| bench.holds(&bytes));
    }
    assert!(kept.lines().count() > 50);
}

#[test]
fn only_whole_answers_pass() {
    let no_content = b"HTTP/1.1 204 No Content\r\n\r\n".as_slice();
    let length = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab".as_slice();
    let chunks =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n".as_slice();
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n".as_slice();
    for whole in [&[][..], no_content, length, chunks, head] {
        assert!(is_whole(&[whole, length, whole].concat(), ANSWERS));
        assert!(!is_whole(&[whole, b"x"].concat(), ANSWERS) || whole == head);
    }
    assert!(!is_whole(&chunks[..chunks.len() - 1], ANSWERS) && !is_whole(&length[..10], ANSWERS));
    assert!(!is_whole(&[length, length].concat(), 1), "bounded");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn generated_requests_hold(
        step in any::<u8>(),
        requests in prop::collection::vec(
            ("(GET|POST|HEAD)", "/(event|events|health|nowhere)", prop::collection::vec(
                "(Host: (localhost|evil)|Authorization: Bearer (t|u)|Expect: 100-continue|Connection: close|\
                 X-Request-Id: [a-z]{0,3}|Content-Type: application/(json|x-ndjson)|Transfer-Encoding: chunked)", 0..4,
            ), "[a-z{}]{0,9}"),
            0..5,
        ),
    ) {
        let mut data = vec![step];
        for (method, path, fields, body) in requests {
            data.extend(format!("{method} {path} HTTP/1.1\r\n").bytes());
            fields.iter().for_each(|field| data.extend(format!("{field}\r\n").bytes()));
            data.extend(format!("Content-Length: {}\r\n\r\n{body}", body.len()).bytes());
        }
        BENCH.with(|bench| bench.holds(&data));
    }
}
