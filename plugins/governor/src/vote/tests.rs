//! Votes of every wrong form.
//!
//! The rule: each case changes one thing of a good vote.

use super::*;

fn good(choice: Choice) -> Vote {
    let ballot = Ballot {
        dao: "d".parse().expect("an id"),
        proposal: "p1".parse().expect("an id"),
        nonce: 7,
        choice,
    };
    ballot.sign(&Secret::from_bytes(&[1; 32]))
}

fn split(shares: &[(usize, f64)]) -> Choice {
    Choice::Split(Split::new(shares).expect("a split"))
}

#[test]
fn what_is_signed_is_the_canonical_body_without_its_signature() {
    let vote = good(split(&[(10, 1e-7), (2, 1.0), (0, 2.0)]));
    let expected = format!(
        "shimmer-dao-vote-v1\n{{\"dao\":\"d\",\"nonce\":7,\"proposal\":\"p1\",\"split\":{{\"0\":2,\"10\":1e-7,\"2\":1}},\"voter\":\"{}\"}}",
        vote.voter
    );
    assert_eq!(String::from_utf8(vote.signed_bytes()).expect("UTF-8"), expected);
    assert_eq!(Vote::parse(vote.to_json().as_bytes()), Ok(vote.clone()));
    let spaced = vote.to_json().replace(',', " ,\n ").replace("1e-7", "0.00000010");
    assert_eq!(Vote::parse(spaced.as_bytes()), Ok(vote), "the form is free, the meaning is not");
}

#[test]
fn a_body_is_exactly_the_given_members() {
    let body = good(Choice::For).to_json();
    assert!(Vote::parse(body.as_bytes()).is_ok());
    let voter = good(Choice::For).voter.to_string();
    let signature = good(Choice::For).signature.to_string();
    let cases = [
        (r#""dao":"d","#.to_owned(), String::new()),
        (r#""dao":"d""#.to_owned(), r#""dao":"d","dao":"d""#.to_owned()),
        (r#""dao":"d""#.to_owned(), r#""dao":"d","more":1"#.to_owned()),
        (r#""dao":"d""#.to_owned(), r#""dao":"d","power":1"#.to_owned()),
        (r#""dao":"d""#.to_owned(), r#""dao":1"#.to_owned()),
        (r#""nonce":7"#.to_owned(), r#""nonce":7.0"#.to_owned()),
        (r#""nonce":7"#.to_owned(), r#""nonce":-7"#.to_owned()),
        (r#""nonce":7"#.to_owned(), r#""nonce":"7""#.to_owned()),
        (r#""nonce":7"#.to_owned(), r#""nonce":9007199254740992"#.to_owned()),
        (r#""for""#.to_owned(), r#""maybe""#.to_owned()),
        (r#""for""#.to_owned(), "null".to_owned()),
        (r#""for""#.to_owned(), r#""for","split":{"0":1}"#.to_owned()),
        (r#""for""#.to_owned(), r#""for","split":null"#.to_owned()),
        (r#""choice":"for","#.to_owned(), String::new()),
        (voter.clone(), voter.to_uppercase()),
        (voter.clone(), voter[2..].to_owned()),
        (signature.clone(), signature.to_uppercase()),
        (signature.clone(), signature[1..].to_owned()),
        (format!(r#""signature":"{signature}","#), String::new()),
        ("}".to_owned(), "} x".to_owned()),
        ("}".to_owned(), String::new()),
    ];
    for (from, to) in cases {
        assert!(body.contains(&from), "{from}");
        assert!(Vote::parse(body.replacen(&from, &to, 1).as_bytes()).is_err(), "{from} -> {to}");
    }
    assert!(Vote::parse(format!("[{body}]").as_bytes()).is_err());
    let long = format!("{body}{}", " ".repeat(MAX_VOTE_BYTES));
    assert!(Vote::parse(long.as_bytes()).is_err());
}

#[test]
fn a_split_is_shares_by_index() {
    let parse = |split: &str| {
        let body = good(Choice::For).to_json();
        Vote::parse(body.replace(r#""choice":"for""#, &format!(r#""split":{split}"#)).as_bytes())
    };
    for good in [r#"{"0":1}"#, r#"{"31":0.1,"2":1e-300}"#, r#"{"0":17976931348623157e292}"#] {
        assert!(parse(good).is_ok(), "{good}");
    }
    for bad in [
        "{}",
        "[1]",
        "null",
        r#"{"0":0}"#,
        r#"{"0":-1}"#,
        r#"{"0":"1"}"#,
        r#"{"0":null}"#,
        r#"{"0":1,"0":1}"#,
        r#"{"00":1}"#,
        r#"{"+0":1}"#,
        r#"{"-0":1}"#,
        r#"{"32":1}"#,
        r#"{"a":1}"#,
        r#"{"":1}"#,
        r#"{"0":1e999}"#,
        r#"{"0":NaN}"#,
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn only_the_proportion_of_shares_counts() {
    let parts = |shares: &[(usize, f64)]| Split::new(shares).expect("a split").parts();
    assert_eq!(parts(&[(0, 1.0), (3, 3.0)]), [(0, 1 << 60), (3, 3 << 60)]);
    let tiny = 2_f64.powi(-900);
    assert_eq!(parts(&[(0, tiny), (3, 3.0 * tiny)]), parts(&[(0, 1.0), (3, 3.0)]));
    assert_eq!(parts(&[(0, 0.25), (1, 0.75)]), parts(&[(0, 1024.0), (1, 3072.0)]));
    assert_eq!(parts(&[(0, f64::MAX), (1, f64::from_bits(1))])[1], (1, 0));
}
