//! Flags of the commands that draw.
//!
//! The rule: numbers stay text, so that a bad one is refused in the words of whoever knows the limits.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};

#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    /// Draw every view at half its size, and twice at most.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Whose figures beside the processor's: auto (a graphics processor, if there is one), gpu (any
    /// device, also a program that plays one) or cpu (none).
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub(crate) backend: String,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Numbers stay text, since pictures go deeper than any number type.
#[derive(Args, Debug)]
pub(crate) struct RenderArgs {
    /// Real part of the centre, a decimal number of any length.
    #[arg(long, default_value = "-0.5", allow_hyphen_values = true)]
    pub(crate) re: String,
    /// Imaginary part of the centre.
    #[arg(long, default_value = "0", allow_hyphen_values = true)]
    pub(crate) im: String,
    /// Magnification, also as 1.5e320; at 1 the picture is 4 units high.
    #[arg(long, default_value = "1", allow_hyphen_values = true)]
    pub(crate) zoom: String,
    /// Pixels, or characters, of a row [default: 1024, or 80 characters]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) width: Option<String>,
    /// Rows [default: 768, or 32 of characters]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) height: Option<String>,
    /// Iterations after which a point counts as inside [default: more for deeper views]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) max_iter: Option<String>,
    /// What is iterated: mandelbrot, julia, burning-ship or tricorn.
    #[arg(long, default_value = "mandelbrot")]
    pub(crate) formula: String,
    /// Constant of the Julia set [default: -0.8,0.156]
    #[arg(long, value_name = "RE,IM", allow_hyphen_values = true)]
    pub(crate) c: Option<String>,
    /// Colours: shimmer, ember, ocean, aurora, orchid or slate.
    #[arg(long, default_value = "shimmer")]
    pub(crate) palette: String,
    /// Points along each side of a pixel, 1 to 8, whose light is averaged.
    #[arg(long, value_name = "N", default_value = "1", allow_hyphen_values = true)]
    pub(crate) samples: String,
    /// Who draws: cpu, gpu (any device, also a program that plays one), or auto, which measures both
    /// where the picture is worth it and the machine has a graphics processor.
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub(crate) backend: String,
    /// Threads of the processor, 0 for as many as the machine has.
    #[arg(long, value_name = "N", default_value = "0", allow_hyphen_values = true)]
    pub(crate) threads: String,
    /// Pictures of a flight, 2 to 100000, from the view above to the one below or along --path.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) frames: Option<String>,
    /// Frames a second of an animated PNG.
    #[arg(
        long,
        value_name = "N",
        default_value = "30",
        requires = "frames",
        allow_hyphen_values = true
    )]
    pub(crate) fps: String,
    /// Real part of the flight's last centre [default: as --re]
    #[arg(long, value_name = "RE", requires = "frames", allow_hyphen_values = true)]
    pub(crate) to_re: Option<String>,
    /// Imaginary part of the flight's last centre [default: as --im]
    #[arg(long, value_name = "IM", requires = "frames", allow_hyphen_values = true)]
    pub(crate) to_im: Option<String>,
    /// Magnification at the flight's end [default: as --zoom]
    #[arg(long, value_name = "ZOOM", requires = "frames", allow_hyphen_values = true)]
    pub(crate) to_zoom: Option<String>,
    /// File with the stops of a flight.
    #[arg(
        long,
        value_name = "FILE.toml",
        requires = "frames",
        conflicts_with_all = ["re", "im", "zoom", "to_re", "to_im", "to_zoom"],
        value_hint = ValueHint::FilePath
    )]
    pub(crate) path: Option<PathBuf>,
    /// Form of the output [default: by the file's name; ascii on a terminal]
    #[arg(long)]
    pub(crate) format: Option<PictureFormat>,
    /// File to write, - for the standard output; for numbered frames with a place for the number, as
    /// frames/%05d.png.
    #[arg(long, short, default_value = "-", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
}

/// What a picture is written as.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum PictureFormat {
    /// A picture with lossless compression.
    Png,
    /// The same, smaller and slower.
    Webp,
    /// A flight in one file, as browsers show it.
    Apng,
    /// Characters.
    Ascii,
    /// The numbers themselves.
    Raw,
}

impl PictureFormat {
    /// The one that a file's name asks for.
    pub(crate) fn of(output: &Path) -> Self {
        match output.extension().and_then(|extension| extension.to_str()) {
            Some("webp") => Self::Webp,
            Some("apng") => Self::Apng,
            Some("txt") => Self::Ascii,
            Some("raw") => Self::Raw,
            _ if output == Path::new("-") && std::io::stdout().is_terminal() => Self::Ascii,
            _ => Self::Png,
        }
    }
}
