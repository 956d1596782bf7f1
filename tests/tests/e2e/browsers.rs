//! What answers tell browsers, and what the node writes down of those who would change it.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::http::{Answer, Request, Wire};
use crate::server::{Home, TOKEN, TestServer, general, plugin_table, wait};

fn policy(answer: &Answer) -> Vec<&str> {
    let policies = answer.headers.iter().filter(|(name, _)| name == "content-security-policy");
    policies.map(|(_, policy)| policy.as_str()).collect()
}

#[test]
fn every_answer_says_what_a_browser_may_do_with_it() {
    let server = TestServer::with(&plugin_table("http"));
    for path in [
        "/health",
        "/snapshot",
        "/metrics",
        "/openapi.json",
        "/fractal?width=16&height=16&format=png",
        "/nothing/here",
        "/api/plugin/nobody",
        "/x/http/echo/a",
        "/docs/",
        "/ui/",
    ] {
        let answer = server.get(path);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        let resource = if path.starts_with("/fractal") { "cross-origin" } else { "same-origin" };
        assert_eq!(answer.header("cross-origin-resource-policy"), Some(resource), "{path}");
        assert!(answer.header("access-control-allow-origin").is_none(), "{path}");
        let framed = |policy: &&str| policy.contains("frame-ancestors 'self'");
        assert!(policy(&answer).iter().any(framed), "{path}");
    }
    assert_eq!(policy(&server.get("/health")), ["default-src 'none'; frame-ancestors 'self'"]);
    // The dashboard keeps the token in its origin; a plugin's page has another one.
    let plugin = server.get("/x/http/echo/a");
    assert!(policy(&plugin)[0].starts_with("sandbox "), "{:?}", policy(&plugin));
    assert!(!policy(&plugin)[0].contains("allow-same-origin"));
    let page = server.get("/ui/");
    assert_eq!(page.header("cross-origin-opener-policy"), Some("same-origin"));
}

#[test]
fn the_description_runs_its_own_script_and_no_other() {
    let server = TestServer::start();
    let page = server.get("/docs/");
    let text = page.text();
    let (_, script) = text.split_once("<script>").expect("a script in the page");
    let (script, _) = script.split_once("</script>").expect("its end");
    let hash = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        Sha256::digest(script.as_bytes()),
    );
    let policy = policy(&page)[0];
    let rule = format!("script-src 'self' 'sha256-{hash}';");
    assert!(policy.contains(&rule), "write sha256-{hash} into routes/docs.rs: {policy}");
}

fn lines(home: &Home) -> Vec<Value> {
    let text = std::fs::read_to_string(home.data().join("audit.ndjson")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn who_changes_the_node_is_written_down_before_the_answer() {
    let home = Home::new(&plugin_table("http"));
    let server = home.start();
    server.general("e", "k", 1.0);
    server.get("/snapshot");
    assert_eq!(lines(&home), Vec::<Value>::new(), "reading and posting change nothing");
    let reload = |token: &str| {
        let request = Request::new("POST", "/api/reload?secret=1").token(token).body("");
        request.header("x-request-id", "mine").send(server.address).status
    };
    assert_eq!(reload(TOKEN), 200);
    assert_eq!(reload("wrong"), 401);
    assert_eq!(server.operate("/api/plugin/nobody/restart").status, 404);
    assert_eq!(server.post("/x/http/secret", "text/plain", "hidden").status, 200);
    let refused = Request::new("POST", "/event").token("wrong");
    assert_eq!(refused.body(general("f", "k", 1.0).to_string()).send(server.address).status, 401);
    let told: Vec<_> = lines(&home)
        .iter()
        .map(|line| {
            assert_eq!(line["client"], "127.0.0.1");
            assert!(line["time"].as_str().unwrap().ends_with('Z'));
            let token = line["token"].as_str().unwrap_or("-");
            let [path, method] = ["path", "method"].map(|name| line[name].as_str().unwrap());
            format!("{token} {method} {path} {}", line["status"])
        })
        .collect();
    assert_eq!(
        told,
        [
            "default POST /api/reload 200",
            "- POST /api/reload 401",
            "default POST /api/plugin/nobody/restart 404",
            "default POST /x/http/secret 200",
            "- POST /event 401",
        ]
    );
    assert_eq!(lines(&home)[0]["request_id"], "mine");
    let text = std::fs::read_to_string(home.data().join("audit.ndjson")).unwrap();
    assert!(!text.contains("secret=") && !text.contains("hidden") && !text.contains(TOKEN));
}

#[test]
fn who_hangs_up_before_the_answer_is_written_down_too() {
    let home = Home::new(&plugin_table("http"));
    let server = home.start();
    for _ in 0..10 {
        let mut wire = Wire::open(server.address);
        wire.write(&Request::new("POST", "/x/http/secret").token(TOKEN).body("hidden").bytes());
    }
    wait("a line for each", || lines(&home).len() == 10);
    assert!(lines(&home).iter().all(|line| line["token"] == "default"));
}

#[test]
fn who_has_no_token_reaches_nothing_that_is_written_down_without_bound() {
    let home = Home::new("");
    let server = home.start();
    for _ in 0..100 {
        assert_eq!(server.operate("/event/").status, 404);
        Request::new("POST", "/event/").send(server.address).problem(404);
        Request::new("DELETE", "/docs/").send(server.address).problem(405);
    }
    server.get("/docs/nothing").problem(404);
    let of_strangers = lines(&home).iter().filter(|line| line["token"].is_null()).count();
    assert!((10..200).contains(&of_strangers), "{of_strangers}");
    assert_eq!(lines(&home).len() - of_strangers, 100, "the known one's are all there");
    assert!(!home.log().contains("WARN"), "{}", home.log());
}

#[test]
fn a_token_that_may_not_do_what_it_tries_is_written_down() {
    let home = Home::new("[[auth.tokens]]\nname = 'one'\ntoken = 'secret'\nsources = ['one-*']\n");
    let server = home.start();
    let mut event = general("e", "k", 1.0);
    event["source"] = "two".into();
    // Read together, alone, and by hyper's way.
    let post = || {
        let post = Request::new("POST", "/event").token("secret");
        post.header("content-type", "application/json").body(event.to_string())
    };
    let mut wire = Wire::open(server.address);
    wire.write(&post().bytes().repeat(3));
    (0..3).for_each(|_| drop(wire.answer().problem(403)));
    wire.ask(&post()).problem(403);
    wire.ask(&post().header("x-other", "y")).problem(403);
    let told: Vec<_> = lines(&home).iter().map(|line| line["status"].clone()).collect();
    assert_eq!(told, [403; 5]);
    assert!(lines(&home).iter().all(|line| line["token"] == "one" && line["path"] == "/event"));
}

#[test]
fn an_audit_log_that_takes_nothing_keeps_nobody_from_working_and_catches_up() {
    let home = Home::new("");
    // A folder stands where the file belongs.
    let file = home.data().join("audit.ndjson");
    std::fs::create_dir_all(&file).unwrap();
    let server = home.start();
    assert_eq!(server.operate("/api/reload").status, 200);
    assert_eq!(server.operate("/api/plugin/nobody/restart").status, 404);
    assert_eq!(server.json("/ready")["degraded"]["audit"]["waiting"], 2);
    assert!(server.get("/metrics").text().contains("\nshimmer_audit_waiting_entries 2\n"));
    assert!(home.log().contains("the audit log cannot be written"));
    std::fs::remove_dir(&file).unwrap();
    wait("the lines", || lines(&home).len() == 2);
    assert_eq!(lines(&home)[0]["path"], "/api/reload");
    assert_eq!(lines(&home)[1]["status"], 404);
    wait("no more degraded", || server.json("/ready").get("degraded").is_none());
}

#[test]
fn a_proxy_names_the_client_when_it_is_trusted() {
    let ask = |home: &Home, event: &str| {
        let server = home.start();
        let named = |request: Request| request.header("x-forwarded-for", "6.6.6.6, 203.0.113.9");
        let reload = named(Request::new("POST", "/api/reload")).token(TOKEN).body("");
        assert_eq!(reload.send(server.address).status, 200);
        // The limit is each client's, and not the proxy's.
        let post = |client: &str| {
            let request = Request::new("POST", "/event").header("x-forwarded-for", client);
            let body = general(&format!("{event}-{client}"), "k", 1.0).to_string();
            request.token(TOKEN).body(body).send(server.address).status
        };
        let posted = [post("203.0.113.9"), post("203.0.113.9"), post("203.0.113.10")];
        (lines(home).last().unwrap()["client"].clone(), posted)
    };
    let limit = "[limits]\nevents_per_second = 1\n";
    let trusting = Home::new(&format!("{limit}[server]\ntrusted_proxies = ['127.0.0.0/8']\n"));
    let (client, posted) = ask(&trusting, "a");
    assert_eq!(client, "203.0.113.9");
    assert_eq!(posted, [200, 429, 200]);
    let (client, posted) = ask(&Home::new(limit), "b");
    assert_eq!(client, "127.0.0.1", "a stranger's word counts for nothing");
    assert_eq!(posted, [200, 429, 429]);
    let said = Home::new("[server]\ntrusted_proxies = ['10.0.0.0/33']\n").run(&["config", "check"]);
    assert_eq!(said.code, Some(78));
    assert!(said.err.contains("shimmer.toml:2") && said.err.contains("network"), "{said:?}");
}
