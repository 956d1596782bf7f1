//! Flights from the command line to the files.
//!
//! The rule: small pictures of the real renderer, read back from the disk.

use shimmer_backend::{Backend, BackendOptions};

use super::super::tests::args;
use super::*;

const SMALL: &[&str] = &["--width=24", "--height=16", "--frames=5", "--max-iter=100"];
const THERE: &[&str] = &["--to-zoom=40", "--to-re=-0.75", "--to-im=0.1"];

fn job(words: &[&str]) -> Result<Job, Refused> {
    Job::read(&args(words))
}

fn draw(words: &[&str], output: &Path, stop: &Stop) -> anyhow::Result<()> {
    let output_text = output.to_str().expect("a plain path");
    let job = job(&[SMALL, words, &["--output", output_text]].concat())?;
    let options = BackendOptions { backend: Backend::Cpu, threads: 1 };
    let backends = Backends::new(options)?;
    job.frames.as_ref().expect("a flight").draw(&job, output, &backends, stop)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn numbered_frames_are_written_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("new/%03d.png");
    draw(THERE, &output, &Stop::never()).unwrap();
    let frames = folder.path().join("new");
    assert_eq!(names(&frames), ["001.png", "002.png", "003.png", "004.png", "005.png"]);
    // One that is there stays, and one that is missing comes back as it was.
    let [third, last] = ["003.png", "005.png"].map(|name| frames.join(name));
    let before = std::fs::read(&last).unwrap();
    std::fs::write(&third, "mine").unwrap();
    std::fs::remove_file(&last).unwrap();
    draw(THERE, &output, &Stop::never()).unwrap();
    assert_eq!(std::fs::read(&third).unwrap(), b"mine");
    assert_eq!(std::fs::read(&last).unwrap(), before);
}

#[test]
fn frames_are_the_pictures_that_render_draws() {
    let folder = tempfile::tempdir().unwrap();
    draw(THERE, &folder.path().join("%d.png"), &Stop::never()).unwrap();
    let goal = ["--width=24", "--height=16", "--max-iter=100", "--format=png"];
    let goal = job(&[&goal[..], &["--zoom=40", "--re=-0.75", "--im=0.1"]].concat()).unwrap();
    let backends = Backends::new(goal.backends).unwrap();
    let mut picture = Vec::new();
    goal.draw(&backends, &Control::default()).unwrap().write_to(&mut picture).unwrap();
    assert_eq!(std::fs::read(folder.path().join("5.png")).unwrap(), picture);
}

#[test]
fn an_interrupted_flight_leaves_whole_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    let stopped = Stop::never();
    stopped.flag().store(true, std::sync::atomic::Ordering::Relaxed);
    let error = draw(THERE, &folder.path().join("%d.png"), &stopped).unwrap_err().to_string();
    assert!(error.contains("interrupted after 0 of 5 frames"), "{error}");
    let error = draw(THERE, &folder.path().join("a.apng"), &stopped).unwrap_err().to_string();
    assert!(error.contains("interrupted, nothing was written"), "{error}");
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[test]
fn an_animation_holds_every_frame() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.apng");
    draw(THERE, &file, &Stop::never()).unwrap();
    draw(THERE, &folder.path().join("%d.png"), &Stop::never()).unwrap();
    // In a file of one picture and of many the compressed rows are the same.
    let animation = std::fs::read(&file).unwrap();
    assert!(animation.windows(4).any(|word| word == b"acTL"));
    for number in 1..=5 {
        let png = std::fs::read(folder.path().join(format!("{number}.png"))).unwrap();
        let rows = png.windows(4).position(|word| word == b"IDAT").unwrap() + 4;
        let rows = &png[rows..png.len() - 16];
        assert!(animation.windows(rows.len()).any(|part| part == rows), "{number}");
    }
    assert_eq!(names(folder.path()).len(), 6, "and nothing half done");
}

#[test]
fn a_path_is_read_and_its_mistakes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("path.toml");
    let path = format!("--path={}", file.display());
    let read = |text: &str| {
        std::fs::write(&file, text).unwrap();
        job(&["--frames=9", "--output=a.apng", "--width=24", "--height=16", &path])
    };
    let stop = |zoom: &str| format!("[[stop]]\nre = \"-1\"\nim = \"0\"\nzoom = \"{zoom}\"\n");
    let frames = read(&format!("{}{}{}", stop("1"), stop("1e50"), stop("1e500"))).unwrap();
    let frames = frames.frames.expect("a flight");
    assert_eq!(frames.flight.frame(8, 9).zoom().to_string(), "1e500");
    for (text, problem) in [
        (stop("1"), "--path has 1 stops"),
        (format!("{}{}", stop("1"), stop("x")), "stop 2: zoom is not a decimal number"),
        (format!("{}zooom = 1", stop("1")), "line 5: unknown field `zooom`"),
        (stop("1").replace("\"0\"", "0"), "line 3: invalid type: integer"),
        (format!("{}{}", stop("1"), stop("1")), "somewhere to go"),
        ("#".repeat(MAX_PATH_BYTES as usize + 1), "has more than 4194304 bytes"),
    ] {
        let Err(refused) = read(&text) else { panic!("{problem} was taken") };
        let message = format!("--{} {}", refused.field, refused.problem);
        assert!(message.contains(problem), "{message}");
    }
}

#[test]
fn what_is_no_flight_is_refused() {
    for (words, field, problem) in [
        (&["--frames=1", "--to-zoom=9", "--output=a.apng"][..], "frames", "less than 2"),
        (&["--frames=100001", "--to-zoom=9", "--output=a.apng"], "frames", "more than 100000"),
        (&["--frames=9", "--output=a.apng"], "frames", "somewhere to go"),
        (&["--frames=9", "--to-zoom=x", "--output=a.apng"], "to_zoom", "decimal"),
        (&["--frames=9", "--to-re=2000", "--output=a.apng"], "to_re", "1000"),
        (&["--frames=9", "--to-zoom=9", "--output=a.webp"], "format", "%05d.webp"),
        (&["--frames=9", "--to-zoom=9", "--output=%d.apng"], "format", "%05d.png"),
        (&["--frames=9", "--to-zoom=9", "--fps=x", "--output=a.apng"], "fps", "whole number"),
        (&["--frames=9", "--to-zoom=9", "--output=%x.png"], "output", "%05d"),
        (&["--frames=9", "--to-zoom=9", "--output=%d%d.png"], "output", "%05d"),
        (&["--frames=9", "--to-zoom=9", "--output=%010d.png"], "output", "%05d"),
        (&["--output=%d.png"], "output", "--frames"),
        (&["--output=a.apng"], "format", "--frames"),
    ] {
        let Err(refused) = job(words) else { panic!("{words:?} was taken") };
        assert_eq!(refused.field, field, "{words:?}: {refused}");
        assert!(refused.problem.contains(problem), "{words:?}: {refused}");
    }
}

#[test]
fn numbers_stand_where_the_name_says() {
    let path = |name: &str, number| {
        Numbered::parse(Path::new(name)).unwrap().expect("a place").path(number)
    };
    assert_eq!(path("a/%05d.png", 42), Path::new("a/00042.png"));
    assert_eq!(path("%d-x.webp", 7), Path::new("7-x.webp"));
    assert_eq!(path("%02d.png", 12_345), Path::new("12345.png"));
    assert_eq!(Numbered::parse(Path::new("a.png")), Ok(None));
}
