//! TLS, asked by clients that know nothing of this program: curl and OpenSSL's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::http::{Request, Wire};
use crate::server::{Home, TOKEN, TestServer, finish, general, wait};

const CONFIG: &str = "[server]\ntls_cert = 'cert.pem'\ntls_key = 'key.pem'\n";

/// Makes a certificate for this machine under `name`, in the place of one before it.
fn certify(home: &Home, name: &str) {
    let path = |file: &str| home.path().join(file).display().to_string();
    let mut openssl = Command::new("openssl");
    openssl
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-days", "2", "-subj", &format!("/CN={name}")])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &path("key.pem"), "-out", &path("cert.pem")]);
    let said = finish(openssl, "");
    assert_eq!(said.code, Some(0), "{said:?}");
}

/// A node with a certificate that was just made.
fn start() -> TestServer {
    with("")
}

/// The same with `more` in its section `server`.
fn with(more: &str) -> TestServer {
    let home = Home::new(&format!("{CONFIG}{more}"));
    certify(&home, "first");
    let server = home.spawn();
    wait("ready", || curl(&server, &["/ready"]).0 == 200);
    server
}

fn url(server: &TestServer) -> String {
    format!("https://{}", server.address)
}

fn cert(server: &TestServer) -> PathBuf {
    server.home.path().join("cert.pem")
}

/// Status and body of a request by curl, which gets these arguments after the path.
fn curl(server: &TestServer, args: &[&str]) -> (u16, String) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--http1.1", "--write-out", "\n%{http_code}"]);
    command.arg("--cacert").arg(cert(server));
    command.arg(format!("{}{}", url(server), args[0])).args(&args[1..]);
    let said = finish(command, "");
    let (body, status) = said.out.rsplit_once('\n').unwrap_or_else(|| panic!("{said:?}"));
    (status.parse().unwrap(), body.to_owned())
}

/// A client command with the node's certificate as its authority.
fn client(server: &TestServer, args: &[&str], input: &str) -> crate::server::Said {
    let (url, cert) = (url(server), cert(server).display().to_string());
    server.home.feed(&[args, &["--url", &url, "--ca", &cert]].concat(), input)
}

/// The name in the certificate that a new connection is met with.
fn presented(server: &TestServer) -> String {
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-connect", &server.address.to_string(), "-brief"]);
    let said = finish(openssl, "");
    let line =
        said.err.lines().find(|line| line.contains("CN")).unwrap_or_else(|| panic!("{said:?}"));
    line.rsplit('=').next().unwrap().trim().to_owned()
}

#[test]
fn everything_is_served_through_tls() {
    let server = start();
    assert!(server.home.log().contains("listening on https://"));
    let auth = format!("authorization: Bearer {TOKEN}");
    let event = general("one", "k", 1.0).to_string();
    let json = "content-type: application/json";
    let post = ["/event", "-H", &auth, "-H", json, "--data-binary", &event];
    let (status, told) = curl(&server, &post);
    assert_eq!(status, 200, "{told}");
    let (status, snapshot) = curl(&server, &["/snapshot"]);
    assert!(status == 200 && snapshot.contains("\"one\""), "{snapshot}");
    // A body of several records, and an answer of many.
    let events: Vec<_> =
        (0..3_000).map(|i| general(&format!("e{i}"), "k", f64::from(i)).to_string()).collect();
    let said = client(&server, &["post", "--json"], &(events.join("\n") + "\n"));
    assert_eq!(said.code, Some(0), "{said:?}");
    let (_, snapshot) = curl(&server, &["/snapshot?limit=500"]);
    assert_eq!(snapshot.matches("\"seq\":").count(), 500);
    assert_eq!(client(&server, &["plugin", "list"], "").code, Some(0));
}

#[test]
fn streams_come_whole_and_in_order_through_tls() {
    let server = start();
    let (url, cert) = (url(&server), cert(&server).display().to_string());
    let args = ["tail", "-n", "2000", "--json", "--since", "0", "--url", &url, "--ca", &cert];
    let tail = server.home.command(&args).stdout(Stdio::piped()).spawn().unwrap();
    let mut sse = Command::new("curl");
    sse.args([
        "--silent",
        "--no-buffer",
        "--cacert",
        &cert,
        &format!("{url}/stream/sse?since_seq=0"),
    ]);
    let mut sse = sse.stdout(Stdio::piped()).spawn().unwrap();
    for batch in 0..20 {
        let events: Vec<_> = (batch * 100..batch * 100 + 100)
            .map(|i| general(&format!("e{i}"), "k", f64::from(i)).to_string())
            .collect();
        assert_eq!(client(&server, &["post"], &events.join("\n")).code, Some(0));
    }
    let told = tail.wait_with_output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let seqs = told.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    assert!(seqs.map(|event| event["seq"].clone()).eq((1..=2000).map(|seq| json!(seq))));
    let lines = BufReader::new(sse.stdout.take().unwrap()).lines().map(Result::unwrap);
    let ids = lines.filter_map(|line| Some(line.strip_prefix("id:")?.trim().to_owned()));
    assert!(ids.take(2000).eq((1..=2000).map(|seq| seq.to_string())));
    sse.kill().unwrap();
    sse.wait().unwrap();
}

#[test]
fn a_certificate_is_renewed_in_its_place_and_a_bad_one_is_not_taken() {
    let server = start();
    assert_eq!(presented(&server), "first");
    let old = server.home.path().join("old.pem");
    std::fs::copy(cert(&server), &old).unwrap();
    certify(&server.home, "second");
    assert_eq!(presented(&server), "first", "it is read at a reload");
    let (url, old) = (url(&server), old.display().to_string());
    let said = server.home.run(&["reload", "--url", &url, "--ca", &old]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(presented(&server), "second");
    let said = server.home.run(&["plugin", "list", "--url", &url, "--ca", &old]);
    assert_eq!(said.code, Some(1), "the old one vouches for nobody: {said:?}");
    assert!(said.err.contains("invalid peer certificate"), "{said:?}");
    let said = server.home.run(&["plugin", "list", "--url", &url]);
    assert!(said.code == Some(1) && said.err.contains("--ca FILE"), "{said:?}");
    std::fs::write(server.home.path().join("key.pem"), "nonsense").unwrap();
    let said = client(&server, &["reload"], "");
    assert!(said.code == Some(1) && said.err.contains("key.pem"), "{said:?}");
    assert_eq!(presented(&server), "second");
    let one = Home::new("[server]\ntls_cert = 'cert.pem'\n").run(&["config", "check"]);
    assert!(one.code == Some(78) && one.err.contains("tls_key"), "{one:?}");
    let none = Home::new(CONFIG);
    let args = none.node_args();
    let said = none.run(&args.each_ref().map(String::as_str));
    assert!(said.code == Some(78) && said.err.contains("cert.pem"), "{said:?}");
}

/// The node answers before it has read the body, and closes.
#[test]
fn an_answer_that_comes_before_the_end_of_the_question_comes_whole() {
    let server = start();
    let body = server.home.path().join("body");
    std::fs::write(&body, vec![b'x'; 1 << 20]).unwrap();
    let body = format!("@{}", body.display());
    for _ in 0..20 {
        let args = ["/event", "-H", "Expect:", "-H", "authorization: Bearer wrong"];
        let (status, told) = curl(&server, &[&args[..], &["--data-binary", &body]].concat());
        assert!(status == 401 && told.contains("the token is not valid"), "{status} {told}");
    }
}

#[test]
fn who_takes_no_answer_through_tls_is_given_up() {
    let server = with("max_connections = 1\nsend_timeout_ms = 500\n");
    let mut openssl = Command::new("openssl");
    let address = server.address.to_string();
    openssl.args(["s_client", "-quiet", "-connect", &address]);
    let mut deaf = openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let pages = Request::new("GET", "/openapi.json").bytes().repeat(400);
    let mut input = deaf.stdin.take().unwrap();
    // It reads on until its own output, which nobody reads, takes no more.
    let writing = std::thread::spawn(move || drop(input.write_all(&pages)));
    let mut output = deaf.stdout.take().unwrap();
    output.read_exact(&mut [0]).unwrap();
    wait("the next one's place", || curl(&server, &["/health"]).0 == 200);
    deaf.kill().unwrap();
    deaf.wait().unwrap();
    writing.join().unwrap();
}

#[test]
fn who_speaks_no_tls_is_told_and_who_says_nothing_keeps_nobody_waiting() {
    let server = start();
    let told = Request::new("GET", "/health").send(server.address);
    assert_eq!(told.status, 400);
    assert!(told.text().contains("this port speaks HTTPS"), "{}", told.text());
    let mut silent: Vec<_> = (0..100).map(|_| Wire::open(server.address)).collect();
    for wire in silent.iter_mut().take(50) {
        // The beginning of a handshake, and no more.
        wire.write(&[22, 3, 1, 2, 0, 1]);
    }
    assert_eq!(curl(&server, &["/health"]).0, 200);
}
