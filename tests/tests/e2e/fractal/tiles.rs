//! `GET /fractal/tiles/{z}/{x}/{y}.png`.

use super::{colours, figure, known, pixels, png, post_beauty, renders};
use crate::http::Request;
use crate::server::TestServer;

const SIDE: usize = 256;

fn tile(server: &TestServer, z: u32, x: &str, y: &str) -> Vec<u8> {
    let answer = png(server, &format!("/fractal/tiles/{z}/{x}/{y}.png"));
    assert_eq!(pixels(&answer.body).0, [256, 256]);
    answer.body
}

#[test]
fn four_tiles_are_one_picture_without_seams() {
    let server = TestServer::start();
    // Half the way to full beauty the colours are as dense as those of tiles.
    post_beauty(&server, "b", 0.75);
    let whole = png(&server, "/fractal?format=png&max_iter=300");
    let (_, whole) = pixels(&whole.body);
    for (x, y) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        let path = format!("/fractal/tiles/1/{x}/{y}.png?max_iter=300");
        let (_, tile) = pixels(&png(&server, &path).body);
        for row in 0..SIDE {
            // At the outer edge a tile sees its neighbours, and the picture ends.
            if row == [0, SIDE - 1][y] {
                continue;
            }
            let columns = 3 * (1 - x)..3 * (SIDE - x);
            let (ours, theirs) = (row * SIDE * 3, ((y * SIDE + row) * 2 + x) * SIDE * 3);
            let same = tile[ours..][columns.clone()] == whole[theirs..][columns];
            assert!(same, "tile {x} {y}, row {row}");
        }
    }
}

#[test]
fn the_first_tile_is_the_square_around_the_set() {
    let server = TestServer::start();
    let (_, first) = pixels(&tile(&server, 0, "0", "0"));
    let at = |x: usize, y: usize| &first[3 * (y * SIDE + x)..][..3];
    let inside = at(128, 128).to_owned();
    // -0.5 and -1 are inside, -2.25 and 0.5 are not; 64 pixels are one unit, -2.5 is on the left.
    assert_eq!(at(96, 128), inside);
    assert_ne!(at(16, 128), inside);
    assert_ne!(at(192, 128), inside);
    // The set is its own mirror image, in shape if not in light.
    for y in 0..SIDE {
        let row = |y: usize| (0..SIDE).map(|x| at(x, y) == inside).collect::<Vec<_>>();
        assert_eq!(row(y), row(SIDE - 1 - y), "row {y}");
    }
}

#[test]
fn tiles_reach_any_depth() {
    let server = TestServer::start();
    // The tip of the set lies at -2, an eighth of the way from the left; the needle is at half height.
    for z in [4, 40, 100, 1_000, 4_096] {
        let (mut x, mut y) = ("1".to_owned(), "1".to_owned());
        for _ in 0..z - 3 {
            x = doubled(&x);
        }
        for _ in 0..z - 1 {
            y = doubled(&y);
        }
        let drawn = tile(&server, z, &x, &y);
        assert!(colours(&drawn) > 16, "{z}: {} colours", colours(&drawn));
    }
}

/// Twice a decimal number.
fn doubled(number: &str) -> String {
    let mut carry = 0;
    let mut digits: Vec<u8> = number
        .bytes()
        .rev()
        .map(|digit| {
            let sum = 2 * (digit - b'0') + carry;
            carry = sum / 10;
            b'0' + sum % 10
        })
        .collect();
    if carry > 0 {
        digits.push(b'0' + carry);
    }
    digits.reverse();
    String::from_utf8(digits).unwrap()
}

#[test]
fn what_is_no_tile_says_why() {
    let server = TestServer::start();
    let long = "9".repeat(10_000);
    for path in ["1/2/0", "0/0/1", "3/-1/0", &format!("60/{long}/0")] {
        server.get(&format!("/fractal/tiles/{path}.png")).problem(404);
    }
    for path in ["1/0/0", "1/0/0.jpg", "1/0/0/0.png", "1", ""] {
        server.get(&format!("/fractal/tiles/{path}")).problem(404);
    }
    for (path, field) in [
        ("4097/0/0.png", "z"),
        ("x/0/0.png", "z"),
        ("1/0x0/0.png", "x"),
        ("1/0/1.5.png", "y"),
        ("1/0/0.png?palette=mud", "palette"),
        ("1/0/0.png?formula=newton", "formula"),
        ("1/0/0.png?max_iter=0", "max_iter"),
        ("1/0/0.png?formula=julia&c=7,7", "c"),
    ] {
        assert_eq!(server.get(&format!("/fractal/tiles/{path}")).bad_fields(), [field], "{path}");
    }
    assert_eq!(renders(&server), 0.0);
}

#[test]
fn a_tile_stays_the_same_whatever_happens() {
    let server = TestServer::start();
    let path = "/fractal/tiles/5/9/15.png?palette=ember&formula=julia";
    let first = png(&server, path);
    let etag = first.header("etag").unwrap().to_owned();
    assert!(
        first
            .header("cache-control")
            .is_some_and(|c| c.contains("public") && c.contains("immutable"))
    );
    post_beauty(&server, "b", 1.4);
    assert_eq!(known(&server, path, &etag).status, 304);
    let again = png(&server, path);
    assert_eq!((again.header("etag"), &again.body), (Some(&*etag), &first.body));
    assert_eq!(renders(&server), 1.0);
    let head = Request::new("HEAD", path).send(server.address);
    assert_eq!((head.status, head.header("etag")), (200, Some(&*etag)));
    assert_ne!(png(&server, &path.replace("ember", "ocean")).header("etag"), Some(&*etag));
    let route = "route=\"/fractal/tiles/{z}/{x}/{y}.png\",status=\"200\"";
    assert_eq!(figure(&server, &format!("shimmer_http_requests_total{{{route}}}")), 4.0);
}
