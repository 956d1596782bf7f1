//! What a request asks for.
//!
//! The rule: everything that is wrong is refused here, by the name of its parameter and before any
//! queue; what is left depends on the request, the stream's statistics and nothing else.

use std::hash::Hash;

use shimmer_backend::Backend;
use shimmer_fractal::{
    Formula, MAX_WEBP_SIDE, Palette, Refused as Misfit, Region, TileAddress, TileError, View,
    Viewport, check_cells, default_max_iter, detail, julia_constant,
};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::{Form, Work};
use crate::config::FractalSection;
use crate::fold::Figures;
use crate::http::{Problem, Query, Refused};

/// Pixels of a picture and cells of its text, where none are given.
const SIZE: u32 = 512;
const COLUMNS: u32 = 80;
const ROWS: u32 = 32;
/// Most iterations of a deep view, unless its depth asks for more: each may take 220 bytes while it is drawn. Where
/// the depth does, a step takes so long that the time for a picture ends long before the memory is full.
const DEEP_ITER: u32 = 1_000_000;
/// Density of a tile's colours in hundredths: tiles show the same whatever happens.
const TILE_DENSITY: u16 = 100;

/// A request, read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wish {
    pub(crate) work: Work,
    /// What the stream has to do with it; nothing with a tile.
    pub(crate) shown: Option<Shown>,
}

/// The stream's part in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shown {
    pub(crate) beauty_avg: Option<f64>,
    pub(crate) beauty_weighted_avg: Option<f64>,
    /// 0 to 1, of the average in hundredths.
    pub(crate) detail: f64,
}

impl Wish {
    /// `GET /fractal`.
    pub(crate) fn picture(
        query: &Query<'_>,
        section: &FractalSection,
        figures: &Figures,
    ) -> Result<Self, Refused> {
        let beauty_avg = figures.rolling.map(|rolling| rolling.avg);
        // In hundredths, so that a stream that hardly moves keeps its picture.
        let beauty = beauty_avg.map(|avg| (avg * 100.0).round() / 100.0);
        let formula = formula(query, || julia_constant(beauty))?;
        let home = if matches!(formula, Formula::Julia { .. }) { "0" } else { "-0.5" };
        let text = |name, usual| query.text(name).unwrap_or(usual);
        let size = [number(query, "width")?, number(query, "height")?];
        let size = size.map(|side| side.unwrap_or(SIZE.into()));
        if size[0].saturating_mul(size[1]) > section.max_pixels {
            let (field, other) = match query.text("width") {
                Some(_) => ("width", "height"),
                None => ("height", "width"),
            };
            let most = section.max_pixels;
            let message = format!("times {other} must be {most} or less, fractal.max_pixels");
            return Err(Problem::field(field, message));
        }
        // What a u32 cannot hold is refused by the viewport like everything beyond its own bound.
        let size = size.map(|side| u32::try_from(side).unwrap_or(u32::MAX));
        let centre = [text("re", home), text("im", "0")];
        let viewport = Viewport::parse(centre, text("zoom", "1"), size).map_err(misfit)?;
        let cells = [number(query, "cols")?, number(query, "rows")?];
        let form = form(text("format", "json"), cells, size)?;
        let detail = detail(beauty, viewport.zoom());
        let frame = Region::all(&viewport);
        let work = Work {
            view: view(query, viewport, formula, detail.max_iter)?,
            frame,
            palette: palette(query)?,
            density: (detail.density * 100.0).round() as u16,
            form,
        };
        let shown =
            Shown { beauty_avg, beauty_weighted_avg: figures.weighted_avg, detail: detail.level };
        Self { work, shown: Some(shown) }.bounded(section)
    }

    /// `GET /fractal/tiles/{z}/{x}/{y}.png`, given what stands behind `tiles/`.
    pub(crate) fn tile(
        path: &str,
        query: &Query<'_>,
        section: &FractalSection,
    ) -> Result<Self, Refused> {
        let nothing =
            || Problem::new(http::StatusCode::NOT_FOUND, "a tile's path is tiles/{z}/{x}/{y}.png");
        let mut parts = path.split('/');
        let (Some(z), Some(x), Some(file), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(nothing());
        };
        let y = file.strip_suffix(".png").ok_or_else(nothing)?;
        let address = TileAddress::parse(z, x, y).map_err(|error| match error {
            TileError::Refused(refused) => misfit(refused),
            TileError::OutsideGrid(_) => {
                Problem::new(http::StatusCode::NOT_FOUND, error.to_string())
            }
        })?;
        let formula = formula(query, Formula::default_constant)?;
        let max_iter = default_max_iter(address.viewport().zoom());
        let (viewport, frame) = address.surroundings();
        let work = Work {
            view: view(query, viewport, formula, max_iter)?,
            frame,
            palette: palette(query)?,
            density: TILE_DENSITY,
            form: Form::Png,
        };
        Self { work, shown: None }.bounded(section)
    }

    fn bounded(self, section: &FractalSection) -> Result<Self, Refused> {
        if self.work.steps() <= section.max_steps {
            return Ok(self);
        }
        let (pixels, max_iter) = (self.work.frame.pixels(), self.work.view.max_iter());
        let message = format!(
            "of {max_iter} times {pixels} pixels is more than {} steps, fractal.max_steps",
            section.max_steps
        );
        Err(Problem::field("max_iter", message))
    }

    /// The validator of the answer: a hash of all that it depends on. It is weak, since another drawing
    /// takes another time, and another renderer rounds otherwise.
    pub(crate) fn etag(&self, backend: Backend) -> String {
        let mut hasher = SipHasher13::new();
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        backend.to_string().hash(&mut hasher);
        self.work.hash(&mut hasher);
        // The picture has the average in hundredths; the numbers beside it are exact.
        if let (Form::Json { .. }, Some(shown)) = (self.work.form, self.shown) {
            let averages = [shown.beauty_avg, shown.beauty_weighted_avg];
            averages.map(|average| average.map(f64::to_bits)).hash(&mut hasher);
        }
        format!("W/\"{:032x}\"", u128::from(hasher.finish128()))
    }
}

fn misfit(refused: Misfit) -> Refused {
    Problem::field(refused.field, refused.problem)
}

fn number(query: &Query<'_>, name: &'static str) -> Result<Option<u64>, Refused> {
    query.parsed(name, "a whole number")
}

fn formula(
    query: &Query<'_>,
    usual: impl FnOnce() -> [shimmer_fractal::Decimal; 2],
) -> Result<Formula, Refused> {
    let constant = match query.text("c") {
        Some(text) => Formula::parse_constant(text).map_err(misfit)?,
        None => usual(),
    };
    let name = query.text("formula").unwrap_or(Formula::NAMES[0]);
    Formula::parse(name, Some(constant)).map_err(misfit)
}

fn palette(query: &Query<'_>) -> Result<&'static str, Refused> {
    match query.text("palette") {
        Some(name) => Palette::named(name).map(|palette| palette.name()).map_err(misfit),
        None => Ok(Palette::default().name()),
    }
}

fn view(
    query: &Query<'_>,
    viewport: Viewport,
    formula: Formula,
    usual_max_iter: u32,
) -> Result<View, Refused> {
    let max_iter = number(query, "max_iter")?.unwrap_or(usual_max_iter.into());
    let view = View::new(viewport, formula, Some(max_iter)).map_err(misfit)?;
    let most = DEEP_ITER.max(usual_max_iter);
    if view.precision().is_direct() || view.max_iter() <= most {
        return Ok(view);
    }
    let zoom = view.viewport().zoom().to_float_exp().log2() / std::f64::consts::LOG2_10;
    let message =
        format!("must be {most} or less for a zoom of 1e{zoom:.0}: its orbit is kept in memory");
    Err(Problem::field("max_iter", message))
}

fn form(format: &str, cells: [Option<u64>; 2], size: [u32; 2]) -> Result<Form, Refused> {
    let cell = |given: Option<u64>, usual| {
        given.map_or(usual, |cells| u32::try_from(cells).unwrap_or(u32::MAX))
    };
    let (columns, rows) = (cell(cells[0], COLUMNS), cell(cells[1], ROWS));
    check_cells(columns, rows).map_err(misfit)?;
    match format {
        "json" => Ok(Form::Json { columns, rows }),
        "ascii" => Ok(Form::Ascii { columns, rows }),
        "png" => Ok(Form::Png),
        "webp" => {
            for (field, side) in ["width", "height"].into_iter().zip(size) {
                if side > MAX_WEBP_SIDE {
                    let message = format!("must be {MAX_WEBP_SIDE} or less for format=webp");
                    return Err(Problem::field(field, message));
                }
            }
            Ok(Form::Webp)
        }
        _ => Err(Problem::field("format", "must be json, png, ascii or webp")),
    }
}

#[cfg(test)]
#[path = "wish_tests.rs"]
mod tests;
