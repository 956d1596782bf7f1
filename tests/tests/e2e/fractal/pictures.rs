//! `GET /fractal`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{ENDLESS, colours, figure, known, pixels, png, post_beauty, renders};
use crate::http::{Request, Wire};
use crate::server::{Home, TestServer, wait};

#[test]
fn detail_follows_beauty() {
    let server = TestServer::with("[stats]\nrolling_window = 1\n");
    let calm = server.json("/fractal");
    for (member, value) in [
        ("beauty_avg", Value::Null),
        ("beauty_weighted_avg", Value::Null),
        ("detail", 0.0.into()),
        ("backend", "cpu".into()),
        ("width", 512.into()),
        ("height", 512.into()),
        ("formula", "mandelbrot".into()),
        ("palette", "shimmer".into()),
        ("re", "-0.5".into()),
        ("im", "0".into()),
        ("zoom", "1".into()),
        ("c", Value::Null),
    ] {
        assert_eq!(calm[member], value, "{member}");
    }
    assert!(calm["render_ms"].as_f64().is_some_and(|ms| ms > 0.0));
    let lines: Vec<&str> = calm["ascii"].as_str().unwrap().lines().collect();
    assert_eq!(lines.len(), 32);
    assert!(lines.iter().all(|line| line.len() == 80 && line.is_ascii()));
    assert!(lines[16].contains("@@@@") && !lines[0].contains('@'), "{lines:#?}");
    let picture = |json: &Value| STANDARD.decode(json["png_base64"].as_str().unwrap()).unwrap();
    assert_eq!(pixels(&picture(&calm)).0, [512, 512]);

    let mut seen = vec![(0.0, 32, picture(&calm))];
    for (i, score) in [0.2, 0.9, 1.5].into_iter().enumerate() {
        post_beauty(&server, &format!("b{i}"), score);
        let json = server.json("/fractal");
        assert_eq!(json["beauty_avg"], score);
        let [detail, max_iter] = ["detail", "max_iter"].map(|name| json[name].as_f64().unwrap());
        let last = seen.last().unwrap();
        assert!(detail > last.0 && max_iter as u64 > last.1, "{score}: {detail} {max_iter}");
        assert_ne!(picture(&json), last.2);
        seen.push((detail, max_iter as u64, picture(&json)));
    }
    assert_eq!((seen[3].0, seen[3].1), (1.0, 1_000));
    // A constant that nobody names moves with the stream.
    let julia = || server.json("/fractal?formula=julia&width=64&height=64");
    let moving = julia();
    assert_eq!(moving["re"], "0");
    post_beauty(&server, "b9", 0.5);
    assert_ne!(julia()["c"], moving["c"]);
}

#[test]
fn one_picture_comes_in_every_format() {
    let server = TestServer::start();
    let json = server.json("/fractal?width=96&height=64&cols=24&rows=8");
    let picture = png(&server, "/fractal?format=png&width=96&height=64");
    assert_eq!(STANDARD.encode(&picture.body), json["png_base64"].as_str().unwrap());
    assert_eq!(pixels(&picture.body).0, [96, 64]);
    let text = server.get("/fractal?format=ascii&width=96&height=64&cols=24&rows=8");
    assert_eq!(text.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(text.text(), json["ascii"].as_str().unwrap());
    let webp = server.get("/fractal?format=webp&width=96&height=64");
    assert_eq!(webp.header("content-type"), Some("image/webp"));
    assert!(webp.body.starts_with(b"RIFF") && webp.body[8..].starts_with(b"WEBP"));
    let head = Request::new("HEAD", "/fractal?format=png&width=96&height=64").send(server.address);
    assert_eq!((head.status, head.body.len()), (200, 0));
    for header in ["content-length", "content-type", "etag", "cache-control"] {
        assert_eq!(head.header(header), picture.header(header), "{header}");
    }
    // Coded already, for the most part; a core must not be kept busy with the rest.
    let coded = Request::new("GET", "/fractal").header("accept-encoding", "gzip, br");
    assert_eq!(coded.send(server.address).header("content-encoding"), None);
    // Parameters that nobody knows are nobody's business, as on /snapshot.
    assert_eq!(server.get("/fractal?format=png&width=96&height=64&v=7").body, picture.body);
}

#[test]
fn deep_views_choose_their_own_limit() {
    let server = TestServer::start();
    for (re, im, zoom) in [
        ("-0.743643887037151", "0.131825904205330", "1e9"),
        ("-2", "0", "1e60"),
        ("-2", "0", "1e310"),
    ] {
        let path = format!("/fractal?format=png&width=128&height=128&re={re}&im={im}&zoom={zoom}");
        assert!(colours(&png(&server, &path).body) > 1, "{zoom}");
    }
}

#[test]
fn what_a_client_has_is_not_drawn_again() {
    let server = TestServer::start();
    let path = "/fractal?width=64&height=64";
    let first = server.get(path);
    assert_eq!(first.header("cache-control"), Some("no-cache, no-transform"));
    let etag = first.header("etag").unwrap().to_owned();
    assert_eq!(renders(&server), 1.0);
    // Kept: the very bytes.
    assert_eq!(server.get(path).body, first.body);
    let strong = etag.strip_prefix("W/").unwrap().to_owned();
    for known_as in [etag.clone(), strong, format!("\"x\", {etag}"), "*".to_owned()] {
        let answer = known(&server, path, &known_as);
        assert_eq!((answer.status, answer.header("etag")), (304, Some(&*etag)), "{known_as}");
        assert_eq!(answer.header("cache-control"), first.header("cache-control"));
        assert_eq!(answer.header("content-length"), None);
    }
    assert_eq!(renders(&server), 1.0);
    for (result, count) in [("miss", 1.0), ("hit", 1.0), ("not_modified", 4.0)] {
        let series = format!("shimmer_fractal_lookups_total{{result=\"{result}\"}}");
        assert_eq!(figure(&server, &series), count, "{result}");
    }
    assert!(figure(&server, "shimmer_fractal_cache_bytes") > first.body.len() as f64 / 2.0);
    // A client that has it is told so even where nothing could be drawn any more.
    let narrow = Home::new("[fractal]\ncache_bytes = 0\ntime_limit_ms = 1\n").start();
    assert_eq!(known(&narrow, ENDLESS, "*").status, 304);
    post_beauty(&server, "b", 0.7);
    let other = known(&server, path, &etag);
    assert_eq!(other.status, 200);
    assert_ne!(other.header("etag"), Some(&*etag));
}

#[test]
fn bad_requests_are_refused_by_the_parameters_name() {
    let server = TestServer::with("[fractal]\nqueue = 1\n");
    let long = "1".repeat(30_000);
    for (query, field) in [
        ("zoom=abc", "zoom"),
        ("zoom=NaN", "zoom"),
        ("re=inf", "re"),
        (&format!("im={long}"), "im"),
        ("width=0", "width"),
        ("height=1000000000", "height"),
        ("max_iter=1000000000000", "max_iter"),
        ("max_iter=10000000", "max_iter"),
        ("palette=mud", "palette"),
        ("formula=newton", "formula"),
        ("formula=julia&c=x", "c"),
        ("format=bmp", "format"),
        ("cols=0", "cols"),
        ("rows=1e9", "rows"),
    ] {
        assert_eq!(server.get(&format!("/fractal?{query}")).bad_fields(), [field], "{query:.40}");
    }
    let mut wire = Wire::open(server.address);
    wire.try_write(format!("GET /fractal?re=0.{} HTTP/1.1\r\n", "1".repeat(10 << 20)).as_bytes());
    let answer = wire.answer();
    assert!(matches!(answer.status, 400 | 414 | 431));
    answer.problem(answer.status);
    Request::new("POST", "/fractal").body("").send(server.address).problem(405);
    assert_eq!(renders(&server), 0.0);
}

#[test]
fn limits_are_reloaded() {
    let home = Home::new("[fractal]\nmax_pixels = 4096\nmax_steps = 409600\n");
    let server = home.start();
    let path = "/fractal?format=png&width=64&height=64";
    assert_eq!(server.get(&format!("{path}&max_iter=101")).bad_fields(), ["max_iter"]);
    png(&server, &format!("{path}&max_iter=100"));
    assert_eq!(server.get("/fractal?width=65&height=64").bad_fields(), ["width"]);
    home.configure("[fractal]\nmax_pixels = 8192\n");
    assert_eq!(server.operate("/api/reload").status, 200);
    png(&server, "/fractal?format=png&width=65&height=64");
}

#[test]
fn a_request_says_in_the_log_what_it_was_given() {
    let server = Home::new("").env("LOG_LEVEL", "shimmer_server=debug").start();
    post_beauty(&server, "b", 0.625);
    for from in ["miss", "hit"] {
        let request = Request::new("GET", "/fractal?width=64&height=64");
        request.header("x-request-id", &format!("mine-{from}")).send(server.address);
        wait("the line", || {
            server.home.log().lines().any(|line| {
                let has = |part: &str| line.contains(part);
                has("DEBUG")
                    && has("fractal")
                    && has("beauty_avg=0.625")
                    && has("render_ms=")
                    && has("backend=\"cpu\"")
                    && has(&format!("request_id=\"mine-{from}\""))
                    && has(&format!("from=\"{from}\""))
            })
        });
    }
}

#[test]
fn a_graphics_processor_draws_when_asked_and_is_done_without_when_missing() {
    let path = "/fractal?width=64&height=64";
    let with = TestServer::with("[fractal]\nbackend = \"gpu\"\n");
    let drawn = with.json(path);
    assert_eq!(drawn["backend"], "gpu", "apt-get install mesa-vulkan-drivers: {}", with.home.log());
    let none = "/nonexistent/driver.json";
    let home = Home::new("[fractal]\nbackend = \"gpu\"\n");
    let without = home.env("VK_DRIVER_FILES", none).env("VK_ICD_FILENAMES", none).start();
    assert_eq!(without.json(path)["backend"], "cpu");
    assert_eq!(without.json("/fractal?width=65&height=64")["backend"], "cpu");
    let log = without.home.log();
    let lines = log.lines().filter(|line| line.contains("WARN"));
    let lines: Vec<&str> = lines.filter(|line| line.contains("graphics processor")).collect();
    assert_eq!(lines.len(), 1, "{log}");
}
