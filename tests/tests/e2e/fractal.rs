//! Fractals as clients get them: pictures, tiles, and what happens when too many are asked for.

mod flood;
mod pictures;
mod tiles;

use crate::http::{Answer, Request};
use crate::server::{TestServer, beauty};

/// A view that nobody draws within a test: the orbit of the point where periods double for ever neither
/// escapes nor closes, and each of its three million steps has ten thousand binary digits.
const ENDLESS: &str = "/fractal?re=-1.4011551890920506006547&zoom=1e3000&width=64&height=64";

/// Red, green, blue of every pixel, and the sides.
fn pixels(png: &[u8]) -> ([u32; 2], Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut rgb).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    ([info.width, info.height], rgb)
}

fn colours(png: &[u8]) -> usize {
    let (_, rgb) = pixels(png);
    rgb.chunks(3).collect::<std::collections::HashSet<_>>().len()
}

/// An answer that must be a picture.
#[track_caller]
fn png(server: &TestServer, path: &str) -> Answer {
    let answer = server.get(path);
    assert_eq!(answer.status, 200, "{path:.80}: {}", answer.text());
    assert_eq!(answer.header("content-type"), Some("image/png"));
    answer
}

/// A figure of `/metrics`; 0 where there is none yet.
fn figure(server: &TestServer, series: &str) -> f64 {
    let page = server.get("/metrics").text();
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

fn renders(server: &TestServer) -> f64 {
    figure(server, "shimmer_renders_total{backend=\"cpu\",result=\"ok\"}")
}

fn known(server: &TestServer, path: &str, etag: &str) -> Answer {
    Request::new("GET", path).header("if-none-match", etag).send(server.address)
}

fn post_beauty(server: &TestServer, id: &str, score: f64) {
    assert_eq!(server.event(&beauty(id, score)).status, 200);
}
