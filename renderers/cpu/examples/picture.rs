//! Renders one picture to a file: `picture RE IM ZOOM SIZE FORMULA PALETTE RELIEF SAMPLES OUT.png`.
//!
//! The rule: nothing that the program `shimmer render` does better; this is for looking at a change.

use shimmer_cpu::{Cpu, CpuOptions};
use shimmer_fractal::{Control, Formula, Palette, Picture, Relief, Style, View, Viewport};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [re, im, zoom, size, formula, palette, relief, samples, out] = &arguments[..] else {
        panic!("picture RE IM ZOOM SIZE FORMULA PALETTE RELIEF SAMPLES OUT.png");
    };
    let size = size.parse().expect("a size");
    let viewport = Viewport::parse([re, im], zoom, [size; 2]).expect("a viewport");
    let formula = Formula::parse(formula, None).expect("a formula");
    let view = View::new(viewport, formula, None).expect("a view");
    let relief = match &**relief {
        "flat" => Relief::Flat,
        "slope" => Relief::Slope,
        _ => Relief::Outlined,
    };
    let palette = Palette::named(palette).expect("a palette");
    let style = Style { palette, relief, ..Style::default() };
    let cpu = Cpu::new(CpuOptions::default()).expect("threads");
    let samples = samples.parse().expect("samples");
    let control = Control::default();
    let picture = Picture::render(&cpu, &view, &style, samples, &control).expect("a picture");
    std::fs::write(out, picture.to_png().expect("a file's bytes")).expect("a file");
}
