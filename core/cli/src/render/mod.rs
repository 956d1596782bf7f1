//! `shimmer render`: a picture of a fractal, without a node.
//!
//! The rule: what cannot be drawn is refused in one line before any work; a file appears whole or not
//! at all.

mod animation;
mod bar;
pub(crate) mod output;

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::anyhow;
use shimmer_backend::{Backend, BackendOptions, Backends};
use shimmer_fractal::{
    Channels, Control, Formula, MAX_SAMPLES, Palette, Picture, Raw, Refused, Region, Renderer,
    Style, View, Viewport, ascii, ascii_viewport,
};

use crate::args::{PictureFormat, RenderArgs};
use crate::failure::{Failure, Outcome};
use crate::log;
use crate::signals::Stop;
use animation::Frames;
use bar::Bar;

/// Pixels of a picture, and characters of a text, when none are given.
const SIZE: [u32; 2] = [1024, 768];
const CELLS: [u32; 2] = [80, 32];
/// The most threads that can be asked for.
const MAX_THREADS: u64 = 1_024;

/// Runs `shimmer render`.
pub(crate) fn render(args: &RenderArgs) -> Outcome {
    let job = Job::read(args).map_err(usage)?;
    let to_terminal = args.output == Path::new("-") && io::stdout().is_terminal();
    if to_terminal && job.format != PictureFormat::Ascii {
        let message = "a picture does not go to a terminal: give --output FILE or --format ascii";
        return Err(Failure::Usage(message.to_owned()));
    }
    log::plain(job.backends.backend == Backend::Gpu);
    let stop = Stop::watch()?;
    let backends = Backends::new(job.backends).map_err(anyhow::Error::new)?;
    if let Some(frames) = &job.frames {
        return Ok(frames.draw(&job, &args.output, &backends, &stop)?);
    }
    let bar = Bar::new();
    let report = |part: f32| bar.show(part);
    let control = Control { cancel: Some(stop.flag()), progress: Some(&report) };
    let drawn = match job.draw(&backends, &control) {
        Err(_) if stop.is_set() => return Err(anyhow!("interrupted, nothing was written").into()),
        drawn => drawn?,
    };
    drop(bar);
    Ok(output::write(&args.output, |output| drawn.write_to(output))?)
}

/// What is to be drawn, checked.
struct Job {
    view: View,
    style: Style,
    samples: u16,
    backends: BackendOptions,
    format: PictureFormat,
    /// None for one picture.
    frames: Option<Frames>,
}

impl Job {
    fn read(args: &RenderArgs) -> Result<Self, Refused> {
        let format = args.format.unwrap_or_else(|| PictureFormat::of(&args.output));
        let text = format == PictureFormat::Ascii;
        let [width, height] = if text { CELLS } else { SIZE };
        let side = |field, given: &Option<String>, usual: u32| match given {
            Some(text) => integer(field, text, u64::from(u32::MAX)).map(|side| side as u32),
            None => Ok(usual),
        };
        let size = [side("width", &args.width, width)?, side("height", &args.height, height)?];
        let mut viewport = Viewport::parse([&args.re, &args.im], &args.zoom, size)?;
        if text {
            viewport = ascii_viewport(&viewport, size[0], size[1])?;
        }
        let constant = args.c.as_deref().map(Formula::parse_constant).transpose()?;
        let formula = Formula::parse(&args.formula, constant)?;
        let max_iter = args.max_iter.as_deref();
        let max_iter = max_iter.map(|text| integer("max_iter", text, u64::MAX)).transpose()?;
        let samples = integer("samples", &args.samples, u64::from(MAX_SAMPLES))?.max(1) as u16;
        let threads = integer("threads", &args.threads, MAX_THREADS)? as usize;
        let backends = BackendOptions { backend: args.backend.parse()?, threads };
        let palette = Palette::named(&args.palette)?;
        let style = Style { palette, ..Style::default() };
        let frames = Frames::read(args, format, viewport.clone(), max_iter)?;
        let view = View::new(viewport, formula, max_iter)?;
        Ok(Self { view, style, samples, backends, format, frames })
    }

    fn draw(&self, backends: &Backends, control: &Control<'_>) -> anyhow::Result<Drawn> {
        let raw = || {
            let renderer = backends.choose(&self.view, Channels::Smooth, control)?;
            let all = Region::all(self.view.viewport());
            renderer.render(&self.view, all, Channels::Smooth, control)
        };
        match self.format {
            PictureFormat::Raw => Ok(Drawn::Counts(raw()?)),
            PictureFormat::Ascii => {
                let raw = raw()?;
                let text = ascii(&raw, raw.region.width, raw.region.height / 2);
                Ok(Drawn::File(text.into_bytes()))
            }
            PictureFormat::Png | PictureFormat::Webp | PictureFormat::Apng => {
                Ok(Drawn::File(self.encode(&self.picture(&self.view, backends, control)?)?))
            }
        }
    }

    fn picture(
        &self,
        view: &View,
        backends: &Backends,
        control: &Control<'_>,
    ) -> anyhow::Result<Picture> {
        let (fine, channels) = (view.supersampled(self.samples), self.style.channels());
        let renderer = backends.choose(&fine, channels, control)?;
        Ok(Picture::render(&renderer, view, &self.style, self.samples, control)?)
    }

    fn encode(&self, picture: &Picture) -> anyhow::Result<Vec<u8>> {
        Ok(match self.format {
            PictureFormat::Webp => picture.to_webp()?,
            _ => picture.to_png()?,
        })
    }
}

/// One picture, before it goes anywhere.
enum Drawn {
    /// As large in memory as its file: made into bytes only on the way there.
    Counts(Raw),
    /// The bytes of its file.
    File(Vec<u8>),
}

impl Drawn {
    fn write_to(&self, to: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Counts(raw) => raw.write_to(to),
            Self::File(bytes) => to.write_all(bytes),
        }
    }
}

/// A whole number of at most `most`.
fn integer(field: &'static str, text: &str, most: u64) -> Result<u64, Refused> {
    let number = text.trim().parse::<u64>();
    let number =
        number.map_err(|_| Refused::new(field, format!("is no whole number: {text:?}")))?;
    if number > most {
        return Err(Refused::new(field, format!("is more than {most}")));
    }
    Ok(number)
}

fn usage(refused: Refused) -> Failure {
    Failure::Usage(format!("--{} {}", refused.field.replace('_', "-"), refused.problem))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    pub(crate) fn args(words: &[&str]) -> RenderArgs {
        let Command::Render(args) =
            Cli::parse_from([&["shimmer", "render"], words].concat()).command
        else {
            panic!("another command")
        };
        *args
    }

    #[test]
    fn what_cannot_be_drawn_is_refused_by_its_flag() {
        let long = "1".repeat(1 << 20);
        for (words, start) in [
            (&["--zoom", "abc"][..], "--zoom "),
            (&["--zoom", "NaN"], "--zoom "),
            (&["--re", &long], "--re "),
            (&["--width", "0"], "--width "),
            (&["--width=1000000000"], "--width "),
            (&["--height=-1"], "--height is no whole number"),
            (&["--max-iter=1000000000000"], "--max-iter "),
            (&["--samples=9"], "--samples "),
            (&["--threads=x"], "--threads "),
            (&["--backend=cuda"], "--backend is none of auto, cpu, gpu"),
            (&["--palette=mud"], "--palette "),
            (&["--formula=newton"], "--formula "),
            (&["--formula=julia", "--c=1"], "--c is not of the form RE,IM"),
        ] {
            let Err(refused) = Job::read(&args(words)) else { panic!("{words:?} was taken") };
            let Failure::Usage(message) = usage(refused) else { panic!("no usage error") };
            assert!(message.starts_with(start) && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn the_format_follows_the_file_and_the_size_the_format() {
        let job = |words: &[&str]| Job::read(&args(words)).unwrap();
        assert_eq!(job(&["--output", "a.webp"]).format, PictureFormat::Webp);
        assert_eq!(job(&["--output", "a.txt"]).format, PictureFormat::Ascii);
        assert_eq!(job(&["--output", "a"]).format, PictureFormat::Png);
        let text = job(&["--format", "ascii"]);
        // Two pixels a character, one above the other.
        assert_eq!((text.view.viewport().width(), text.view.viewport().height()), (80, 64));
        let ones = job(&["--re=-0.5", "--zoom", "1.5e320", "--format", "raw", "--width", "2"]);
        assert_eq!((ones.view.viewport().width(), ones.view.viewport().height()), (2, 768));
    }

    #[test]
    fn raw_is_the_counts_and_nothing_else() {
        let job = Job::read(&args(&[
            "--format",
            "raw",
            "--width",
            "8",
            "--height",
            "4",
            "--max-iter",
            "50",
        ]));
        let job = job.unwrap();
        let backends = Backends::new(job.backends).unwrap();
        let mut bytes = Vec::new();
        job.draw(&backends, &Control::default()).unwrap().write_to(&mut bytes).unwrap();
        let counts: Vec<_> =
            bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        assert_eq!(counts.len(), 32);
        assert!(counts.contains(&-1.0) && counts.iter().any(|count| *count > 0.0));
    }
}
