//! Requests as they come.

use proptest::prelude::*;
use shimmer_view::{Histogram, Rolling};

use super::*;
use crate::http::Answer;

fn figures(avg: Option<f64>) -> Figures {
    Figures {
        rolling: avg.map(|avg| Rolling { count: 3, avg, min: avg, max: avg }),
        events_total: 3,
        distribution: Histogram::default(),
        weighted_avg: None,
    }
}

fn wish(query: &str, avg: Option<f64>) -> Result<Wish, Refused> {
    Wish::picture(&Query::parse(Some(query)).unwrap(), &FractalSection::default(), &figures(avg))
}

fn tile(path: &str, query: &str) -> Result<Wish, Refused> {
    Wish::tile(path, &Query::parse(Some(query)).unwrap(), &FractalSection::default())
}

/// The fields that a refusal names.
fn fields(refusal: &Answer) -> Vec<String> {
    let document: serde_json::Value = serde_json::from_slice(&refusal.body).unwrap();
    let errors = document["errors"].as_array().unwrap();
    errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn nothing_asked_for_is_the_whole_set_with_the_least_detail() {
    let Wish { work, shown } = wish("", None).unwrap();
    let viewport = work.view.viewport();
    assert_eq!(*viewport, Viewport::whole([512, 512]).unwrap());
    assert_eq!((work.view.max_iter(), work.density), (32, 50));
    assert_eq!(work.form, Form::Json { columns: 80, rows: 32 });
    let shown = shown.unwrap();
    assert_eq!((shown.beauty_avg, shown.detail), (None, 0.0));
    let julia = wish("formula=julia", None).unwrap().work;
    assert_eq!(julia.view.viewport().centre()[0].to_string(), "0");
}

#[test]
fn beauty_drives_detail_unless_the_client_does() {
    let work = |query: &str, avg| wish(query, Some(avg)).unwrap().work;
    let max_iter = |query, avg| work(query, avg).view.max_iter();
    assert!(max_iter("", 0.2) < max_iter("", 1.4));
    assert!(work("", 0.2).density < work("", 1.4).density);
    assert_eq!(max_iter("max_iter=77", 1.4), 77);
    let julia = |query, avg| work(query, avg).view.formula().clone();
    assert_ne!(julia("formula=julia", 0.2), julia("formula=julia", 1.4));
    let given = "formula=julia&c=-0.1,0.65";
    assert_eq!(julia(given, 0.2), julia(given, 1.4));
}

#[test]
fn what_is_wrong_is_refused_by_its_name() {
    let long = "1".repeat(30_000);
    for (query, field) in [
        ("zoom=abc", "zoom"),
        ("zoom=NaN", "zoom"),
        ("zoom=0", "zoom"),
        ("zoom=1e10001", "zoom"),
        (&format!("re={long}"), "re"),
        ("im=x", "im"),
        ("width=0", "width"),
        ("width=1000000000", "width"),
        ("width=18446744073709551616", "width"),
        ("width=-1", "width"),
        ("height=0", "height"),
        ("height=1000000000", "height"),
        ("width=1&height=4000000", "height"),
        ("width=2048&height=2048&zoom=1e3000", "max_iter"),
        ("width=4096&height=4096", "width"),
        ("max_iter=0", "max_iter"),
        ("max_iter=1000000000000", "max_iter"),
        ("max_iter=10000000", "max_iter"),
        ("max_iter=1000001&zoom=1e15&width=8&height=8", "max_iter"),
        ("max_iter=10000000&zoom=1e3000&width=8&height=8", "max_iter"),
        ("palette=mud", "palette"),
        ("formula=newton", "formula"),
        ("formula=julia&c=1", "c"),
        ("c=9,9&formula=julia", "c"),
        ("format=gif", "format"),
        ("format=webp&width=20000&height=2", "width"),
        ("cols=0", "cols"),
        ("rows=1001", "rows"),
    ] {
        assert_eq!(fields(&wish(query, None).unwrap_err().into_answer()), [field], "{query:.60}");
    }
    for (path, query, field) in [
        ("4097/0/0.png", "", "z"),
        ("x/0/0.png", "", "z"),
        ("1/x/0.png", "", "x"),
        ("1/0/.png", "", "y"),
        ("1/0/0.png", "palette=mud", "palette"),
        ("1/0/0.png", "max_iter=10000000", "max_iter"),
    ] {
        assert_eq!(
            fields(&tile(path, query).unwrap_err().into_answer()),
            [field],
            "{path} {query}"
        );
    }
    for path in ["1/2/0.png", "1/0/-1.png", "1/0/0", "1/0", "1/0/0/0.png", "1/0/0.jpg", ""] {
        assert_eq!(tile(path, "").unwrap_err().status(), 404, "{path}");
    }
}

#[test]
fn the_tag_says_what_the_answer_depends_on_and_no_more() {
    let tag = |query: &str, avg| wish(query, Some(avg)).unwrap().etag(Backend::Cpu);
    assert_eq!(tag("", 0.5), tag("re=-0.50&zoom=1.0&width=512&unknown=1", 0.5));
    // JSON says the average itself, a picture shows its hundredths.
    assert_ne!(tag("", 0.5), tag("", 0.5001));
    assert_eq!(tag("format=png", 0.5), tag("format=png", 0.5001));
    assert_ne!(tag("format=png", 0.5), tag("format=png", 0.52));
    let mut tags: Vec<String> = [
        "format=png",
        "format=webp",
        "format=ascii",
        "format=json",
        "format=json&rows=3",
        "format=png&palette=ember",
        "format=png&re=-0.51",
        "format=png&zoom=2",
        "format=png&width=511",
        "format=png&max_iter=9",
        "format=png&formula=tricorn",
        "format=png&formula=julia",
    ]
    .iter()
    .map(|query| tag(query, 0.5))
    .collect();
    tags.push(wish("format=png", Some(0.5)).unwrap().etag(Backend::Gpu));
    tags.push(tile("1/0/0.png", "").unwrap().etag(Backend::Cpu));
    tags.push(tile("1/0/1.png", "").unwrap().etag(Backend::Cpu));
    let count = tags.len();
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), count);
    assert!(tags.iter().all(|tag| tag.len() == 36 && tag.starts_with("W/\"")));
}

const NAMES: [&str; 12] = [
    "format", "width", "height", "cols", "rows", "palette", "re", "im", "zoom", "max_iter",
    "formula", "c",
];

proptest! {
    #[test]
    fn any_query_is_read_or_refused_by_a_name(
        pairs in prop::collection::vec(
            (prop::sample::select(NAMES.to_vec()), "[-+0-9a-z.,%]{0,12}|-?[0-9]{1,4}|julia|webp"), 0..6
        ),
        avg in prop::option::of(0.0..1.5_f64),
    ) {
        let text: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let Ok(query) = Query::parse(Some(&text.join("&"))).map(|_| text.join("&")) else {
            return Ok(());
        };
        match wish(&query, avg) {
            Ok(wish) => {
                prop_assert!(wish.work.steps() <= FractalSection::default().max_steps);
                prop_assert!(wish.work.frame.pixels() as u64 <= FractalSection::default().max_pixels);
            }
            Err(refused) => {
                prop_assert_eq!(refused.status(), 400);
                for field in fields(&refused.into_answer()) {
                    prop_assert!(NAMES.contains(&field.as_str()), "{}", field);
                    // A deep view chooses its limit, which may be too high for its size.
                    let named = field == "max_iter" || pairs.iter().any(|(name, _)| *name == field);
                    prop_assert!(named, "{} in {}", field, query);
                }
            }
        }
    }

    #[test]
    fn any_address_is_read_or_refused(path in "[0-9a-z./-]{0,12}|[0-9]{1,4}/[0-9]{1,3}/[0-9]{1,3}\\.png") {
        if let Err(refused) = tile(&path, "") {
            prop_assert!(matches!(refused.status().as_u16(), 400 | 404));
        }
    }
}
