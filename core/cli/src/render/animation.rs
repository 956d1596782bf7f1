//! `shimmer render --frames`: a flight as an animated PNG or as numbered pictures.
//!
//! The rule: one picture is held at a time, and a picture that is there is whole, so that a run which
//! was interrupted goes on where it stopped.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde::Deserialize;
use shimmer_backend::Backends;
use shimmer_fractal::{Animation, Control, Flight, MAX_FRAMES, Picture, Refused, View, Viewport};

use super::bar::Bar;
use super::output::{self, Output};
use super::{Job, integer};
use crate::args::{PictureFormat, RenderArgs};
use crate::signals::Stop;

/// Much more than [`shimmer_fractal::MAX_STOPS`] stops at usual depths take.
const MAX_PATH_BYTES: u64 = 4 << 20;
const MAX_FPS: u64 = 1_000;
/// Digits that a number in a file's name can be asked to have.
const MAX_DIGITS: usize = 9;

/// What `--frames` and the flags beside it ask for.
pub(super) struct Frames {
    flight: Flight,
    count: u32,
    per_second: u16,
    /// Where given; else each frame has its own.
    max_iter: Option<u64>,
    /// None for one file with all of them.
    numbered: Option<Numbered>,
}

impl Frames {
    /// Reads the flags, for a flight that begins at `start` unless a file says otherwise.
    pub(super) fn read(
        args: &RenderArgs,
        format: PictureFormat,
        start: Viewport,
        max_iter: Option<u64>,
    ) -> Result<Option<Self>, Refused> {
        let numbered = Numbered::parse(&args.output)?;
        let Some(count) = &args.frames else {
            return match (format, numbered) {
                (PictureFormat::Apng, _) => Err(Refused::new("format", "apng needs --frames")),
                (_, Some(_)) => Err(Refused::new("output", "with a %d needs --frames")),
                _ => Ok(None),
            };
        };
        match (format, &numbered) {
            (PictureFormat::Apng | PictureFormat::Png, None)
            | (PictureFormat::Png | PictureFormat::Webp, Some(_)) => {}
            _ => {
                let problem = "is no form of an animation: give --output FILE.apng, or numbered \
                               pictures as %05d.png or %05d.webp";
                return Err(Refused::new("format", problem));
            }
        }
        let count = integer("frames", count, MAX_FRAMES.into())? as u32;
        if count < 2 {
            return Err(Refused::new("frames", "is less than 2"));
        }
        let per_second = integer("fps", &args.fps, MAX_FPS)?.max(1) as u16;
        let size = [start.width(), start.height()];
        let stops = match &args.path {
            Some(file) => stops(file, size)?,
            None => vec![start.clone(), goal(args, size)?],
        };
        if stops[0] == stops[stops.len() - 1] && stops.len() == 2 {
            let problem = "need somewhere to go: give --to-zoom, --to-re and --to-im, or --path";
            return Err(Refused::new("frames", problem));
        }
        let flight = Flight::new(stops)?;
        Ok(Some(Self { flight, count, per_second, max_iter, numbered }))
    }

    /// Draws all frames to `output`.
    pub(super) fn draw(
        &self,
        job: &Job,
        output: &Path,
        backends: &Backends,
        stop: &Stop,
    ) -> anyhow::Result<()> {
        let bar = Bar::new();
        let draw = |index: u32| {
            let viewport = self.flight.frame(index, self.count);
            let view = View::new(viewport, job.view.formula().clone(), self.max_iter)?;
            let report = |part: f32| bar.show((index as f32 + part) / self.count as f32);
            let control = Control { cancel: Some(stop.flag()), progress: Some(&report) };
            job.picture(&view, backends, &control)
        };
        match &self.numbered {
            Some(numbered) => self.draw_numbered(job, numbered, draw, stop),
            None => self.draw_one_file(job, output, draw, stop),
        }
    }

    fn draw_one_file(
        &self,
        job: &Job,
        path: &Path,
        draw: impl Fn(u32) -> anyhow::Result<Picture>,
        stop: &Stop,
    ) -> anyhow::Result<()> {
        let viewport = job.view.viewport();
        let size = [viewport.width(), viewport.height()];
        let mut output = Output::open(path)?;
        let mut animation = Animation::begin(&mut output, size, self.count, self.per_second)?;
        for index in 0..self.count {
            let picture = draw(index);
            if stop.is_set() {
                return Err(anyhow!("interrupted, nothing was written"));
            }
            animation.add(&picture?)?;
        }
        animation.finish()?;
        output.finish()
    }

    fn draw_numbered(
        &self,
        job: &Job,
        numbered: &Numbered,
        draw: impl Fn(u32) -> anyhow::Result<Picture>,
        stop: &Stop,
    ) -> anyhow::Result<()> {
        let mut kept = 0;
        for index in 0..self.count {
            let path = numbered.path(index + 1);
            if path.exists() {
                kept += 1;
                continue;
            }
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("cannot make {}", folder.display()))?;
            }
            let picture = draw(index);
            if stop.is_set() {
                let done = "the same command goes on from there";
                return Err(anyhow!("interrupted after {index} of {} frames: {done}", self.count));
            }
            let bytes = job.encode(&picture?)?;
            output::write(&path, |output| output.write_all(&bytes))?;
        }
        if kept > 0 {
            eprintln!("kept {kept} frames that were there; remove them to have them drawn anew");
        }
        Ok(())
    }
}

/// The end of a flight without a file.
fn goal(args: &RenderArgs, size: [u32; 2]) -> Result<Viewport, Refused> {
    let [re, im, zoom] =
        [(&args.to_re, &args.re), (&args.to_im, &args.im), (&args.to_zoom, &args.zoom)]
            .map(|(to, from)| to.as_deref().unwrap_or(from));
    Viewport::parse([re, im], zoom, size).map_err(|refused| {
        let field = match refused.field {
            "re" => "to_re",
            "im" => "to_im",
            "zoom" => "to_zoom",
            other => other,
        };
        Refused { field, ..refused }
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PathFile {
    stop: Vec<StopText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StopText {
    re: String,
    im: String,
    zoom: String,
}

/// The stops of a file.
fn stops(file: &Path, size: [u32; 2]) -> Result<Vec<Viewport>, Refused> {
    let refused = |problem: String| Refused::new("path", format!("{}: {problem}", file.display()));
    let mut text = String::new();
    let read = std::fs::File::open(file)
        .and_then(|file| file.take(MAX_PATH_BYTES + 1).read_to_string(&mut text));
    match read.map_err(|error| refused(error.to_string()))? as u64 {
        0..=MAX_PATH_BYTES => {}
        _ => return Err(refused(format!("has more than {MAX_PATH_BYTES} bytes"))),
    }
    let path: PathFile = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        refused(format!("line {line}: {}", error.message()))
    })?;
    let stops = path.stop.iter().enumerate().map(|(at, stop)| {
        Viewport::parse([&stop.re, &stop.im], &stop.zoom, size)
            .map_err(|error| refused(format!("stop {}: {error}", at + 1)))
    });
    stops.collect()
}

/// A file's name with a place for a number, as in `frames/%05d.png`.
#[derive(Debug, PartialEq)]
struct Numbered {
    before: String,
    digits: usize,
    after: String,
}

impl Numbered {
    /// None for a name without `%`.
    fn parse(output: &Path) -> Result<Option<Self>, Refused> {
        let Some((before, rest)) = output.to_str().and_then(|name| name.split_once('%')) else {
            return Ok(None);
        };
        let place = rest.split_once('d').filter(|(digits, after)| {
            let is_width = digits.is_empty() || digits.starts_with('0');
            is_width && digits.bytes().all(|byte| byte.is_ascii_digit()) && !after.contains('%')
        });
        let digits = |(digits, after)| Some((format!("0{digits}").parse().ok()?, after));
        match place.and_then(digits) {
            Some((digits @ 0..=MAX_DIGITS, after)) => {
                Ok(Some(Self { before: before.to_owned(), digits, after: str::to_owned(after) }))
            }
            _ => Err(Refused::new("output", "has a % that is not of the form %d or %05d")),
        }
    }

    fn path(&self, number: u32) -> PathBuf {
        let Self { before, digits, after } = self;
        PathBuf::from(format!("{before}{number:0digits$}{after}"))
    }
}

#[cfg(test)]
mod tests;
