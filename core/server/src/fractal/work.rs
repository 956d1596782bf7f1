//! One picture: everything it depends on, and how it is made.
//!
//! The rule: equal works give equal pictures, so a work is the key under which its picture is kept and
//! shared.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use shimmer_backend::{Backend, Backends};
use shimmer_fractal::{
    Control, Decimal, Palette, Picture, Region, RenderError, Renderer, Style, View, ascii,
};

use super::Lane;

/// Views of so few steps never take longer than a fraction of a second.
const QUICK_STEPS: u64 = 1 << 28;
/// What an entry of the cache costs besides its texts; an estimate.
const ENTRY_BYTES: usize = 512;

/// A picture that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Work {
    pub(crate) view: View,
    /// The pixels of the view that are shown.
    pub(crate) frame: Region,
    pub(crate) palette: &'static str,
    /// Density of the colours in hundredths.
    pub(crate) density: u16,
    pub(crate) form: Form,
}

/// What is made of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// The members `ascii` and `png_base64` of a JSON object.
    Json {
        columns: u32,
        rows: u32,
    },
    /// Characters.
    Ascii {
        columns: u32,
        rows: u32,
    },
    Png,
    Webp,
}

/// A finished picture.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    pub(crate) body: Bytes,
    /// Who drew it.
    pub(crate) backend: Backend,
    /// From the first step to the last byte.
    pub(crate) seconds: f64,
}

impl Work {
    /// Pixels times iterations.
    pub(crate) fn steps(&self) -> u64 {
        self.frame.pixels() as u64 * u64::from(self.view.max_iter())
    }

    /// The queue it waits in.
    pub(crate) fn lane(&self) -> Lane {
        let is_quick = self.view.precision().is_direct() && self.steps() <= QUICK_STEPS;
        if is_quick { Lane::Quick } else { Lane::Deep }
    }

    /// Bytes that it holds on to while it is kept with its picture.
    pub(crate) fn bytes(&self, drawn: &Drawn) -> usize {
        let [re, im] = self.view.viewport().centre();
        let numbers = [re, im, self.view.viewport().zoom()].map(Decimal::bytes);
        ENTRY_BYTES + numbers.iter().sum::<usize>() + drawn.body.len()
    }

    /// Draws it.
    pub(crate) fn draw(&self, backends: &Backends, cancel: &AtomicBool) -> Result<Drawn, String> {
        let begun = Instant::now();
        let control = Control { cancel: Some(cancel), progress: None };
        let palette = Palette::named(self.palette).map_err(|refused| refused.to_string())?;
        let density = f32::from(self.density) / 100.0;
        let style = Style { palette, density, ..Style::default() };
        let failed = |error: RenderError| error.to_string();
        let choice = backends.choose(&self.view, style.channels(), &control).map_err(failed)?;
        let raw = choice.render(&self.view, self.region(), style.channels(), &control);
        let raw = raw.map_err(failed)?;
        let picture = || Picture::of(&raw, self.frame, &style);
        let png = || picture().to_png().map_err(|error| error.to_string());
        let body = match self.form {
            Form::Ascii { columns, rows } => ascii(&raw, columns, rows).into_bytes(),
            Form::Json { columns, rows } => members(&ascii(&raw, columns, rows), &png()?),
            Form::Png => png()?,
            Form::Webp => picture().to_webp().map_err(|error| error.to_string())?,
        };
        let seconds = begun.elapsed().as_secs_f64();
        Ok(Drawn { body: body.into(), backend: choice.backend(), seconds })
    }

    /// What has to be rendered: a frame inside the view needs its neighbours' light.
    fn region(&self) -> Region {
        let all = Region::all(self.view.viewport());
        if self.frame == all { all } else { self.frame.with_margin() }
    }
}

impl Form {
    /// The type of the answer.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json { .. } => "application/json",
            Self::Ascii { .. } => "text/plain; charset=utf-8",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
        }
    }
}

/// `"ascii":"..","png_base64":".."`: the two members that are long, written once.
fn members(text: &str, png: &[u8]) -> Vec<u8> {
    let mut members = String::with_capacity(2 * text.len() + png.len() * 4 / 3 + 64);
    members.push_str("\"ascii\":");
    // A text of characters is JSON but for its line feeds.
    members.push_str(&serde_json::Value::from(text).to_string());
    members.push_str(",\"png_base64\":\"");
    STANDARD.encode_string(png, &mut members);
    members.push('"');
    members.into_bytes()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use shimmer_backend::BackendOptions;
    use shimmer_fractal::{Formula, TileAddress, Viewport};

    /// A small work; those of different numbers differ.
    pub(crate) fn work(number: u64) -> Work {
        let viewport = Viewport::whole([8, 8]).unwrap();
        let frame = Region::all(&viewport);
        let view = View::new(viewport, Formula::Mandelbrot, Some(number + 1)).unwrap();
        Work { view, frame, palette: "shimmer", density: 100, form: Form::Png }
    }

    /// A picture of so many bytes.
    pub(crate) fn drawn(bytes: usize) -> Drawn {
        Drawn { body: vec![0; bytes].into(), backend: Backend::Cpu, seconds: 0.0 }
    }

    #[test]
    fn deep_and_long_works_have_a_lane_of_their_own() {
        let of = |zoom: &str, side: u32, max_iter: u64| {
            let viewport = Viewport::parse(["-0.5", "0"], zoom, [side; 2]).unwrap();
            let frame = Region::all(&viewport);
            let view = View::new(viewport, Formula::Mandelbrot, Some(max_iter)).unwrap();
            Work { view, frame, ..work(0) }.lane()
        };
        assert_eq!(of("1", 512, 1_000), Lane::Quick);
        assert_eq!(of("1", 512, 10_000), Lane::Deep);
        assert_eq!(of("1", 2_048, 1_000), Lane::Deep);
        assert_eq!(of("1e20", 64, 1_000), Lane::Deep);
    }

    #[test]
    fn every_form_is_drawn_and_a_tile_knows_its_neighbours() {
        let backends = Backends::new(BackendOptions { backend: Backend::Cpu, threads: 1 }).unwrap();
        let go = AtomicBool::new(false);
        let body = |work: &Work| work.draw(&backends, &go).unwrap().body;
        assert!(body(&work(50)).starts_with(b"\x89PNG"));
        assert!(body(&Work { form: Form::Webp, ..work(50) }).starts_with(b"RIFF"));
        let text = body(&Work { form: Form::Ascii { columns: 5, rows: 3 }, ..work(50) });
        assert_eq!(
            text.split(|byte| *byte == b'\n').map(<[u8]>::len).collect::<Vec<_>>(),
            [5, 5, 5, 0]
        );
        let members = body(&Work { form: Form::Json { columns: 5, rows: 3 }, ..work(50) });
        let object = format!("{{{}}}", std::str::from_utf8(&members).unwrap());
        let object: serde_json::Value = serde_json::from_str(&object).unwrap();
        assert_eq!(object["ascii"].as_str().unwrap().as_bytes(), text);
        let png = STANDARD.decode(object["png_base64"].as_str().unwrap()).unwrap();
        assert_eq!(png, body(&work(50)));
        // The same square once as a picture, which ends at its edge, and once as a tile.
        let tile = TileAddress::parse("3", "3", "4").unwrap();
        let view = |viewport| View::new(viewport, Formula::Mandelbrot, Some(60)).unwrap();
        let alone = view(tile.viewport());
        let frame = Region::all(alone.viewport());
        let (around, of_tile) = tile.surroundings();
        let alone = body(&Work { view: alone, frame, ..work(0) });
        assert_ne!(alone, body(&Work { view: view(around), frame: of_tile, ..work(0) }));
    }

    #[test]
    fn cancelled_is_no_picture() {
        let backends = Backends::new(BackendOptions { backend: Backend::Cpu, threads: 1 }).unwrap();
        assert!(work(50).draw(&backends, &AtomicBool::new(true)).is_err());
    }
}
