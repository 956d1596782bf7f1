//! Rules that are wrong: each is refused with line, column and remedy.
//!
//! The rule: what is refused is refused as a whole.

use shimmer_alerts::{MAX_RULES, MAX_RULES_TEXT, Rules};

/// Errors as `line:column message; remedy`.
fn errors(text: &str) -> Vec<String> {
    let refused = Rules::parse(text).expect_err("it is wrong");
    refused
        .errors
        .iter()
        .map(|e| format!("{}:{} {}; {}", e.line, e.column, e.message, e.remedy))
        .collect()
}

#[track_caller]
fn refused(text: &str, wanted: &str) {
    let errors = errors(text);
    assert_eq!(errors, [wanted], "{text}");
}

const RECEIVER: &str = "[[receiver]]\nname = 'ops'\nwebhook = 'http://localhost/'\n";

#[test]
fn the_shipped_rules_and_an_empty_text_are_good() {
    assert_ne!(Rules::default(), Rules::parse("").expect("nothing is asked for"));
}

#[test]
fn toml_that_is_none_is_refused_at_its_place() {
    refused(
        "[[threshold]]\nname = 'a'\nwarming = { above = 1.0 }",
        "3:1 unknown field `warming`, expected one of `name`, `kind`, `subject`, `source`, `match`, `for`, \
         `keep_firing_for`, `summary`, `runbook`, `actions`, `labels`, `budget`, `info`, `warning`, `critical`, \
         `stale_after`; correct the name of the key or take it away",
    );
    refused(
        "[[anomaly]]\nname = 5",
        "2:8 invalid type: integer `5`, expected a string; give a value of the type that is expected",
    );
    refused("[[no_data]]\nname = 'a'", "1:1 missing field `after`; add the key to this table");
    let syntax = errors("[[anomaly]]\nname = 'a'\nfor = = '1m'");
    assert!(syntax[0].starts_with("3:7 "), "{syntax:?}");
}

#[test]
fn values_are_refused_where_they_stand() {
    refused(
        "[[anomaly]]\nname = 'ä'\n  for = '5 minutes'",
        "3:9 `5 minutes` is no duration; write numbers and units, as in \"30s\" or \"1h30m\"",
    );
    refused(
        "[[anomaly]]\nname = 'a'\nmatch = ['kind=a', 'ähm']",
        "3:20 `ähm` is no matcher; write name, operator and value, as in 'subject=~\"db-.*\"'",
    );
    let regex = errors("[[anomaly]]\nname = 'a'\nmatch = ['kind=~(']");
    assert!(
        regex[0].starts_with("3:10 `(` is no regular expression (unclosed group)"),
        "{regex:?}"
    );
    refused(
        "[[anomaly]]\nname = 'a'\nmatch = ['severity=critical']",
        "3:10 a series has no `severity`; match its kind, subject or source",
    );
    refused(
        "[[anomaly]]\nname = 'a'\nmin_score = 1.0",
        "3:13 no score; write a number from 0 to below 1",
    );
    refused(
        "[[anomaly]]\nname = 'a'\nmin_severity = 'warning'\nmin_score = 0.5",
        "4:13 `min_score` beside `min_severity`; keep one of the two",
    );
    refused(
        "[[no_data]]\nname = 'a'\nafter = '0s'",
        "3:9 no time at all; write a duration above zero",
    );
    refused("noise_cap = { alerts = 0 }", "1:24 no cap; write a number from 1 to 1000");
    refused(
        "external_url = 'localhost'",
        "1:16 no address; write one that begins with http:// or https://",
    );
    refused(
        "[[anomaly]]\nname = 'a'\nlabels = { severity = 'x' }",
        "3:12 a label that every alert has already; take another name",
    );
    refused(
        "[[anomaly]]\nname = 'a'\n[[no_data]]\nname = 'a'\nafter = '1m'",
        "4:8 a second rule is called `a`; give it another name",
    );
    refused(
        "[[anomaly]]\nname = 'NoiseCap'",
        "2:8 a second rule is called `NoiseCap`; give it another name",
    );
}

#[test]
fn thresholds_that_make_no_sense_are_refused() {
    let rule = |keys: &str| format!("[[threshold]]\nname = 'a'\n{keys}");
    refused(
        &rule(""),
        "2:8 a threshold without a level; add one, as in `warning = { above = 0.8 }`",
    );
    refused(&rule("warning = {}"), "3:11 a level without a limit; add `above` or `below`");
    refused(
        &rule("warning = { above = nan }"),
        "3:11 a limit that no value reaches; write a finite number",
    );
    refused(
        &rule("warning = { above = 1.0, below = 1.0 }"),
        "3:11 every value reaches this level; write `below` under `above`",
    );
    refused(
        &rule("warning = { above = 0.95 }\ncritical = { above = 0.80 }"),
        "4:12 reached before the milder level; exchange the limits",
    );
    refused(
        &rule("info = { below = 1 }\ncritical = { below = 2 }"),
        "4:12 reached before the milder level; exchange the limits",
    );
    refused(
        &rule("budget = 0\nwarning = { above = 1 }"),
        "3:10 no budget; write a number above zero",
    );
    assert!(
        Rules::parse(&rule("warning = { above = 0.9, below = 0.1 }")).is_ok(),
        "outside a band"
    );
}

#[test]
fn who_is_told_must_be_known_and_reached() {
    refused(RECEIVER, "2:8 no route leads to `ops`; add `[[route]]` with `receiver = \"ops\"`");
    refused(
        "[[route]]\nreceiver = 'ops'",
        "2:12 there is no receiver `ops`; add it as `[[receiver]]`",
    );
    refused(
        "[[receiver]]\nname = 'a'\n[[route]]\nreceiver = 'a'",
        "2:8 not one address; give either `webhook` or `alertmanager`",
    );
    refused(
        &format!("{RECEIVER}[[route]]\nreceiver = 'ops'\ngroup_by = ['a-b']"),
        "6:13 no label name; write letters, digits and `_`, no digit first",
    );
    refused(
        "[[inhibit]]\nsource = []\ntarget = ['a=b']",
        "1:1 nothing to match; give source and target a matcher each",
    );
}

#[test]
fn all_errors_are_told_at_once_in_their_order() {
    let text = "[[anomaly]]\nname = ''\nmin_score = 2.0\n[[no_data]]\nname = 'b'\nafter = '0s'\n[[route]]\nreceiver = 'x'";
    let lines: Vec<_> =
        errors(text).iter().map(|e| e.split(':').next().map(str::to_owned)).collect();
    assert_eq!(lines.into_iter().flatten().collect::<Vec<_>>(), ["2", "3", "6", "8"]);
    let all = Rules::parse(text).expect_err("wrong").to_string();
    assert!(
        all.starts_with("line 2, column 8: no name; write 1 to 128 characters\nline 3, "),
        "{all}"
    );
}

#[test]
fn rules_are_bounded() {
    let many: String = (0..=MAX_RULES).map(|at| format!("[[anomaly]]\nname = 'r{at}'\n")).collect();
    refused(&many, "1:1 257 rules; keep at most 256");
    refused(&" ".repeat(MAX_RULES_TEXT + 1), "1:1 more than 1 MiB of rules; take rules away");
    let rule = |keys: &str| format!("[[anomaly]]\nname = 'a'\n{keys}");
    let texts = |count: usize| vec!["'x'"; count].join(", ");
    assert!(Rules::parse(&rule(&format!("actions = [{}]", texts(8)))).is_ok());
    refused(&rule(&format!("actions = [{}]", texts(9))), "3:52 too many actions; keep at most 8");
    refused(
        &rule(&format!("actions = ['{}']", "x".repeat(161))),
        "3:12 too long; write at most 160 bytes",
    );
    refused(
        &rule(&format!("summary = '{}'", "x".repeat(513))),
        "3:11 too long; write at most 512 bytes",
    );
    let labels: Vec<_> = (0..9).map(|at| format!("l{at} = 'x'")).collect();
    refused(
        &rule(&format!("labels = {{ {} }}", labels.join(", "))),
        "3:92 too many labels; keep at most 8",
    );
    let matchers = vec!["'kind=x'"; 17].join(", ");
    refused(&rule(&format!("match = [{matchers}]")), "2:8 too many matchers; keep at most 16");
}
