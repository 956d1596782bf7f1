//! Just enough of Rust's lexer to tell code from comments and strings.
//!
//! The rule: what is blanked keeps its place, so that line numbers stay true.

/// `text` with the contents of comments, strings and character literals turned into spaces.
pub(crate) fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        if end == at {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        out.extend(bytes[at..end].iter().map(|b| if *b == b'\n' { b'\n' } else { b' ' }));
        at = end;
    }
    String::from_utf8(out).expect("whole literals and comments were replaced by spaces")
}

/// The end of the comment, string or character literal that begins at `at`, or `at`.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return at + block_comment_length(rest);
    }
    if let Some(length) = raw_string_length(bytes, at) {
        return at + length;
    }
    match rest[0] {
        b'"' => at + quoted_length(rest, b'"'),
        b'\'' if is_character(rest) => at + quoted_length(rest, b'\''),
        _ => at,
    }
}

fn block_comment_length(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                at += 2;
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string_length(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes[at..].strip_prefix(b"r")?;
    let before = at.checked_sub(1).map_or(b' ', |before| bytes[before]);
    // `br"` and `cr"` are raw strings too; `for"` is not Rust.
    if (before.is_ascii_alphanumeric() || before == b'_') && !matches!(before, b'b' | b'c') {
        return None;
    }
    let hashes = rest.iter().take_while(|b| **b == b'#').count();
    let body = rest[hashes..].strip_prefix(b"\"")?;
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let found = body.windows(close.len()).position(|window| window == close);
    Some(1 + hashes + 1 + found.map_or(body.len(), |end| end + close.len()))
}

fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Whether the quote opens a character and not a lifetime.
fn is_character(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(first) if first.is_ascii() => rest.get(2) == Some(&b'\''),
        // A lifetime may be written in other letters, but nobody does.
        Some(_) => true,
        None => false,
    }
}

#[test]
fn only_code_is_left() {
    let text = "let a = \"x{\\\"\"; // }\nlet b = r#\"\"{\"#; /* { /* */ } */ 'c'; '\\''; fn f<'a>() {}\n\
                let d = b\"{\"; let r = for_r; let é = 'é';";
    let code = code_only(text);
    assert_eq!(code.matches('{').count(), 1, "{code}");
    assert_eq!(code.matches('}').count(), 1, "{code}");
    assert_eq!(code.lines().count(), text.lines().count());
    assert!(code.contains("fn f<'a>()") && code.contains("for_r"), "{code}");
}
