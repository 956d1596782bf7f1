//! Groups of alerts: when what is sent to whom.
//!
//! The rule: the times are Alertmanager's, to the second.

use crate::play::{Play, parse};

pub(crate) const RULES: &str = "
[[threshold]]
name = 'Load'
warning = { above = 10.0 }
critical = { above = 20.0 }
[[receiver]]
name = 'ops'
webhook = 'http://localhost/'
[[route]]
receiver = 'ops'
group_by = ['alertname']
group_wait = '30s'
group_interval = '5m'
repeat_interval = '1h'
";

#[test]
fn a_group_waits_for_company_then_looks_each_interval() {
    let mut play = Play::new(RULES);
    play.value("load", "a", 11.0);
    play.run_to(29);
    play.value("load", "b", 11.0);
    assert_eq!(play.mail(), [""; 0]);
    play.run_to(31);
    assert_eq!(play.mail(), ["30 ops firing: +a/warning +b/warning"]);
    play.value("load", "c", 11.0);
    play.run_to(329);
    assert_eq!(play.mail(), [""; 0]);
    play.run_to(330);
    assert_eq!(play.mail(), ["330 ops firing: +a/warning +b/warning +c/warning"]);
    play.value("load", "a", 1.0);
    play.run_to(630);
    assert_eq!(play.mail(), ["630 ops firing: +b/warning +c/warning -a/warning"]);
    play.value("load", "b", 1.0);
    play.value("load", "c", 1.0);
    play.run_to(930);
    assert_eq!(play.mail(), ["930 ops resolved: -b/warning -c/warning"]);
    assert_eq!(play.manager.sizes().groups, 0, "a group that has told all is gone");
    play.value("load", "a", 11.0);
    play.run_to(960);
    assert_eq!(
        play.mail(),
        ["960 ops firing: +a/warning"],
        "a new group waits as the first one did"
    );
}

#[test]
fn what_still_fires_is_repeated() {
    let mut play = Play::new(RULES);
    play.value("load", "a", 11.0);
    play.run_to(2 * 3_600 + 30);
    let mail = play.mail();
    let at: Vec<_> = mail.iter().map(|line| line.split(' ').next().expect("a second")).collect();
    assert_eq!(at, ["30", "3630", "7230"], "{mail:?}");
}

#[test]
fn what_was_acknowledged_is_not_repeated_but_its_end_is_told() {
    let mut play = Play::new(RULES);
    play.value("load", "a", 11.0);
    play.run_to(30);
    let id = play.only().id;
    play.manager.ack(play.now(), &id, "ann").expect("acked");
    play.run_to(4 * 3_600);
    assert_eq!(play.mail(), ["30 ops firing: +a/warning"]);
    play.value("load", "b", 11.0);
    play.run_to(5 * 3_600);
    let mail = play.mail();
    assert!(mail[0].ends_with("ops firing: +a/warning +b/warning"), "others are told: {mail:?}");
    play.value("load", "a", 1.0);
    play.value("load", "b", 1.0);
    play.run_to(6 * 3_600);
    assert!(play.mail().last().expect("mail").ends_with("ops resolved: -a/warning -b/warning"));
}

#[test]
fn what_comes_and_goes_within_the_wait_is_not_told() {
    let mut play = Play::new(RULES);
    play.value("load", "a", 11.0);
    play.run_to(10);
    play.value("load", "a", 1.0);
    play.run_to(600);
    assert_eq!(play.mail(), [""; 0]);
    assert_eq!(play.manager.sizes().groups, 0);
}

#[test]
fn what_comes_and_goes_within_an_interval_is_not_told_beside_others() {
    let mut play = Play::new(RULES);
    play.value("load", "a", 11.0);
    play.run_to(30);
    play.value("load", "b", 11.0);
    play.run_to(60);
    play.value("load", "b", 1.0);
    // Gone and back within the interval: the receiver knows that it fires.
    play.value("load", "a", 1.0);
    play.value("load", "a", 11.0);
    play.run_to(700);
    assert_eq!(play.mail(), ["30 ops firing: +a/warning"]);
}

#[test]
fn nobody_hears_of_the_end_who_does_not_want_to() {
    let rules = RULES.replace("webhook =", "send_resolved = false\nwebhook =");
    let mut play = Play::new(&rules);
    play.value("load", "a", 11.0);
    play.value("load", "b", 11.0);
    play.run_to(30);
    play.value("load", "a", 1.0);
    play.run_to(3_000);
    assert_eq!(play.mail(), ["30 ops firing: +a/warning +b/warning"]);
    play.value("load", "a", 11.0);
    play.run_to(3_400);
    assert_eq!(play.mail(), ["3030 ops firing: +b/warning +a/warning"], "it fires anew");
    play.value("load", "a", 1.0);
    play.value("load", "b", 1.0);
    play.run_to(9_000);
    assert_eq!(play.mail(), [""; 0]);
    assert_eq!(play.manager.sizes().groups, 0);
}

const ROUTES: &str = "
[[threshold]]
name = 'Load'
warning = { above = 10.0 }
critical = { above = 20.0 }
[[inhibit]]
source = ['severity=none']
target = ['severity=none']
[[receiver]]
name = 'log'
webhook = 'http://localhost/log'
[[receiver]]
name = 'pager'
webhook = 'http://localhost/pager'
[[receiver]]
name = 'mail'
webhook = 'http://localhost/mail'
[[route]]
receiver = 'log'
group_by = ['...']
group_wait = '1s'
continue = true
[[route]]
receiver = 'pager'
match = ['severity=critical', 'subject!~\"test-.*\"']
group_wait = '1s'
[[route]]
receiver = 'mail'
group_by = ['subject']
group_wait = '2s'
";

#[test]
fn the_first_route_that_matches_takes_an_alert_unless_it_goes_on() {
    let mut play = Play::new(ROUTES);
    play.value("load", "a", 21.0);
    play.value("load", "test-b", 21.0);
    play.run_to(10);
    let mut mail = play.mail();
    mail.sort();
    assert_eq!(
        mail,
        [
            "1 log firing: +a/critical",
            "1 log firing: +a/warning",
            "1 log firing: +test-b/critical",
            "1 log firing: +test-b/warning",
            "1 pager firing: +a/critical",
            "2 mail firing: +a/warning",
            "2 mail firing: +test-b/critical +test-b/warning",
        ]
    );
}

#[test]
fn other_routes_keep_what_was_told() {
    let mut play = Play::new(RULES);
    play.value("load", "a", 11.0);
    play.run_to(30);
    assert_eq!(play.mail().len(), 1);
    let more = RULES
        .replace("[[route]]", "[[route]]\nreceiver = 'ops'\nmatch = ['subject=none']\n[[route]]");
    play.manager.reload(play.now(), parse(&more));
    play.run_to(600);
    assert_eq!(play.mail(), [""; 0], "a group stays itself while another route is added");
    let away = RULES.replace("name = 'ops'", "name = 'new'").replace("'ops'", "'new'");
    play.manager.reload(play.now(), parse(&away));
    play.run_to(700);
    assert_eq!(play.mail(), ["601 new firing: +a/warning"], "who is new is told");
}

#[test]
fn a_peer_is_told_again_each_minute() {
    let rules = RULES
        .replace("webhook = 'http://localhost/'", "alertmanager = 'http://localhost:9093'")
        .replace("group_wait = '30s'", "")
        .replace("group_interval = '5m'", "")
        .replace("repeat_interval = '1h'", "");
    let mut play = Play::new(&rules);
    play.value("load", "a", 11.0);
    play.run_to(120);
    let id = play.only().id;
    play.manager.ack(play.now(), &id, "ann").expect("acked");
    play.run_to(181);
    let mail = play.mail();
    assert_eq!(mail.len(), 4, "acknowledged or not, else it forgets: {mail:?}");
    play.value("load", "a", 1.0);
    play.run_to(190);
    assert_eq!(play.mail().len(), 1, "its end within seconds");
    play.run_to(900);
    assert_eq!(play.mail(), [""; 0]);
}
