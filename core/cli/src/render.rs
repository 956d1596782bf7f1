//! `shimmer render`: a picture of a fractal, without a node.
//!
//! The rule: what cannot be drawn is refused in one line before any work; a file appears whole or not
//! at all.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use shimmer_cpu::{Cpu, CpuOptions};
use shimmer_fractal::{
    Channels, Control, Formula, MAX_SAMPLES, Palette, Picture, Refused, Region, Renderer, Style,
    View, Viewport, ascii, ascii_viewport,
};

use crate::args::{PictureFormat, RenderArgs};
use crate::failure::{Failure, Outcome};

/// Pixels of a picture, and characters of a text, when none are given.
const SIZE: [u32; 2] = [1024, 768];
const CELLS: [u32; 2] = [80, 32];
/// A picture that is done by then needs no bar.
const BAR_AFTER: Duration = Duration::from_millis(500);
/// The most threads that can be asked for.
const MAX_THREADS: u64 = 1_024;

/// Runs `shimmer render`.
pub(crate) fn render(args: &RenderArgs) -> Outcome {
    let job = Job::read(args).map_err(usage)?;
    let to_terminal = args.output == Path::new("-") && std::io::stdout().is_terminal();
    if to_terminal && job.format != PictureFormat::Ascii {
        let message = "a picture does not go to a terminal: give --output FILE or --format ascii";
        return Err(Failure::Usage(message.to_owned()));
    }
    let cpu = Cpu::new(CpuOptions { threads: job.threads, ..CpuOptions::default() })
        .map_err(|error| anyhow!(error))?;
    let bytes = job.draw(&cpu).map_err(|error| anyhow!(error))?;
    write(&args.output, &bytes)?;
    Ok(())
}

/// What is to be drawn, checked.
struct Job {
    view: View,
    style: Style,
    samples: u16,
    threads: usize,
    format: PictureFormat,
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
        let palette = Palette::named(&args.palette)?;
        let style = Style { palette, ..Style::default() };
        Ok(Self { view: View::new(viewport, formula, max_iter)?, style, samples, threads, format })
    }

    /// The bytes of the file.
    fn draw(&self, renderer: &dyn Renderer) -> anyhow::Result<Vec<u8>> {
        let bar = Bar::new();
        let report = |part: f32| bar.show(part);
        let control = Control { cancel: None, progress: Some(&report) };
        let raw = || {
            let all = Region::all(self.view.viewport());
            renderer.render(&self.view, all, Channels::Smooth, &control)
        };
        let picture = || Picture::render(renderer, &self.view, &self.style, self.samples, &control);
        let bytes = match self.format {
            PictureFormat::Raw => raw()?.to_bytes(),
            PictureFormat::Ascii => {
                let raw = raw()?;
                ascii(&raw, raw.region.width, raw.region.height / 2).into_bytes()
            }
            PictureFormat::Png => picture()?.to_png()?,
            PictureFormat::Webp => picture()?.to_webp()?,
        };
        bar.end();
        Ok(bytes)
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

fn write(output: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if output == Path::new("-") {
        let mut out = std::io::stdout().lock();
        out.write_all(bytes)?;
        return Ok(out.flush()?);
    }
    // Beside the file, so that the renaming stays within one file system.
    let mut partial = output.as_os_str().to_owned();
    partial.push(".part");
    let written = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, output));
    if written.is_err() {
        drop(std::fs::remove_file(&partial));
    }
    written.with_context(|| format!("cannot write {}", output.display()))
}

/// A bar on stderr for work that lasts, with the time that is left.
struct Bar {
    bar: ProgressBar,
    begun: Instant,
}

impl Bar {
    const STEPS: f32 = 1_000.0;

    fn new() -> Self {
        let bar = ProgressBar::new(Self::STEPS as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3} %  {eta} left") {
            bar.set_style(style);
        }
        Self { bar, begun: Instant::now() }
    }

    fn show(&self, part: f32) {
        if self.begun.elapsed() > BAR_AFTER {
            self.bar.set_position((part * Self::STEPS) as u64);
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn args(words: &[&str]) -> RenderArgs {
        let Command::Render(args) =
            Cli::parse_from([&["shimmer", "render"], words].concat()).command
        else {
            panic!("another command")
        };
        args
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
        let cpu = Cpu::new(CpuOptions { threads: 1, ..CpuOptions::default() }).unwrap();
        let bytes = job.unwrap().draw(&cpu).unwrap();
        let counts: Vec<_> =
            bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        assert_eq!(counts.len(), 32);
        assert!(counts.contains(&-1.0) && counts.iter().any(|count| *count > 0.0));
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.png");
        write(&file, b"picture").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"picture");
        // A folder cannot be replaced by a file.
        assert!(write(folder.path(), b"picture").is_err());
        let nowhere = folder.path().join("no/a.png");
        let error = write(&nowhere, b"picture").unwrap_err().to_string();
        assert!(error.contains("a.png"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
