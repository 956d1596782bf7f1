//! The bundled plugin `dao`: from a key to a weight in the node's figures, by the program alone.

use std::fs;

use serde_json::{Value, json};

use crate::http::Request;
use crate::server::{Home, Said, TestServer, beauty, wait};

const MANUAL: &str = "[[plugin]]\nname = 'dao'\n[plugin.config]\nid = 'test'\nclock = 'manual'\nmax_step = 1\n\
                      epoch_s = 10\ntrim = 0.0\nshare_cap = 1.0\n";

/// A node and the folder of its members' keys.
struct Dao {
    home: Home,
    server: TestServer,
}

impl Dao {
    fn start() -> Self {
        let home = Home::new(MANUAL);
        let server = home.start();
        Self { home, server }
    }

    /// `shimmer dao` with these arguments, against the node.
    fn said(&self, args: &[&str]) -> Said {
        let url = self.server.url();
        let mut args = [&["dao"], args].concat();
        if !["keygen", "sign", "verify"].contains(&args[1]) {
            args.extend(["--url", &url]);
        }
        self.home.run(&args)
    }

    fn good(&self, args: &[&str]) -> String {
        let said = self.said(args);
        assert_eq!(said.code, Some(0), "{said:?}");
        said.out.trim().to_owned()
    }

    /// A member with a key of its own, in the file of this name.
    fn member(&self, name: &str, stake: u32) {
        let key = self.good(&["keygen", name]);
        self.good(&["member", &key, "--name", name, "--stake", &stake.to_string()]);
    }

    fn propose(&self, source: &str, options: &[&str], more: &[&str]) -> String {
        let mut args = vec!["propose", "--title", "a change", "--source", source];
        options.iter().for_each(|weight| args.extend(["--option", weight]));
        args.extend(["--period-s", "100", "--timelock-s", "10"]);
        args.extend(more);
        self.good(&args)
    }

    fn clock(&self, second: u32) {
        let now = format!("1970-01-01T00:{:02}:{:02}Z", second / 60, second % 60);
        let answer =
            self.server.post("/dao/clock", "application/json", json!({ "now": now }).to_string());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    fn log(&self) -> String {
        let request = Request::new("GET", "/dao/audit").header("accept", "application/x-ndjson");
        request.send(self.server.address).text()
    }
}

fn scored(id: &str, source: &str, score: f64) -> Value {
    let mut event = beauty(id, score);
    event["source"] = json!(source);
    event
}

#[test]
fn members_decide_how_much_a_source_counts_and_anybody_can_check_it() {
    let dao = Dao::start();
    for (name, stake) in [("ada", 10), ("bob", 20), ("cyd", 30)] {
        dao.member(name, stake);
    }
    dao.server.event(&scored("a1", "north", 1.0));
    dao.server.event(&scored("b1", "south", 0.4));
    let average = || dao.server.json("/fractal?width=16&height=16")["beauty_weighted_avg"].as_f64();
    wait("the rule", || average().is_some_and(|average| (average - 0.7).abs() < 1e-9));
    let id = dao.propose("north", &["0"], &["--strategy", "stake"]);
    dao.clock(1);
    assert!(dao.good(&["vote", &id, "for", "--key", "cyd"]).contains("30"));
    assert_eq!(dao.said(&["vote", &id, "for", "--key", "cyd"]).code, Some(1), "once");
    // Ada signs where her key is; somebody with the token hands it in.
    let signed = dao.good(&["sign", &id, "against", "--dao", "test", "--key", "ada"]);
    fs::write(dao.home.path().join("signed"), &signed).unwrap();
    dao.good(&["vote", &id, "--signed", "signed"]);
    assert_eq!(dao.said(&["vote", &id, "--signed", "signed"]).code, Some(1), "a replay");
    dao.clock(112);
    assert_eq!(dao.server.json(&format!("/dao/proposals/{id}"))["state"], "executed");
    assert!((average().unwrap() - 0.4).abs() < 1e-9, "{:?}", average());
    let metrics = dao.server.get("/metrics").text();
    assert!(metrics.contains("chaos_beauty_score_weighted_avg 0.4\n"), "{metrics}");
    assert!(dao.good(&["weights"]).contains("north"));
    let weights = dao.server.json("/dao/weights");
    assert_eq!(
        (&weights["weights"], &weights["weighted_avg"]),
        (&json!({"north": 0}), &json!(0.4))
    );

    let head = dao.server.json("/dao/audit")["head"].as_str().unwrap().to_owned();
    let (log, file) = (dao.log(), dao.home.path().join("log.ndjson"));
    fs::write(&file, &log).unwrap();
    let proved = dao.good(&["verify", "log.ndjson", "--head", &head]);
    assert_eq!(proved, format!("ok: {} entries, head {head}", log.lines().count()));
    fs::write(&file, log.replacen("\"stake\":30", "\"stake\":31", 1)).unwrap();
    let bad = dao.said(&["verify", "log.ndjson"]);
    assert_eq!((bad.code, bad.err.contains("line 4")), (Some(1), true), "{bad:?}");
    let cut: String = log.lines().take(6).flat_map(|line| [line, "\n"]).collect();
    fs::write(&file, cut).unwrap();
    assert_eq!(dao.said(&["verify", "log.ndjson"]).code, Some(0));
    assert_eq!(dao.said(&["verify", "log.ndjson", "--head", &head]).code, Some(1));
    fs::write(&file, "").unwrap();
    let nothing = dao.said(&["verify", "log.ndjson"]);
    assert_eq!((nothing.code, nothing.err.contains("no entry")), (Some(1), true), "{nothing:?}");
}

#[test]
fn a_killed_node_has_decided_what_it_had_decided() {
    let dao = Dao::start();
    dao.member("ada", 9);
    let id = dao.propose("s", &["0.25", "1"], &["--strategy", "quadratic"]);
    dao.clock(1);
    dao.good(&["vote", &id, "--split", "0=3,1=1", "--key", "ada"]);
    let (log, proposal) = (dao.log(), dao.server.json(&format!("/dao/proposals/{id}")));
    let Dao { home, server } = dao;
    server.kill();
    let dao = Dao { server: home.start(), home };
    dao.clock(1);
    assert_eq!((dao.log(), dao.server.json(&format!("/dao/proposals/{id}"))), (log, proposal));
    assert_eq!(
        dao.said(&["vote", &id, "--split", "0=3", "--key", "ada"]).code,
        Some(1),
        "it stands"
    );
    dao.clock(112);
    let weight = || dao.server.json("/snapshot?kind=weight")["events"][0]["value"].as_f64();
    wait("the weight", || weight() == Some(0.25));
    assert_eq!(dao.server.json("/dao/weights")["weights"], json!({"s": 0.25}));
}

#[test]
fn nobody_writes_without_the_token() {
    let dao = Dao::start();
    for (method, path) in [
        ("PUT", "/dao/members/a"),
        ("DELETE", "/dao/members/a"),
        ("POST", "/dao/proposals"),
        ("POST", "/dao/proposals/a/votes"),
        ("POST", "/dao/proposals/a/queue"),
        ("POST", "/dao/clock"),
    ] {
        let answer = Request::new(method, path).body("{}").send(dao.server.address);
        assert_eq!(answer.status, 401, "{method} {path}");
    }
}
