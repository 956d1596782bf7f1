// What all kernels share, in `real`, which the host defines as f32 or f64: the pixels of a band, the list of those still on their way, the outcomes.
//
// The rule: a dispatch takes a bounded number of trips for each pixel; where it stops leaves no trace
// in the numbers.

// 0: z^2 + c, 1: (|x| + i|y|)^2 + c, 2: conj(z)^2 + c.
override FORMULA: u32 = 0u;
// Whether the first point varies and not the constant.
override JULIA: bool = false;
// Whether the derivative is followed.
override DISTANCE: bool = false;

const BAILOUT_SQR: f32 = 65536.0;
const RADIUS_SQR: f32 = 4.0;
const INTERIOR: u32 = 0xffffffffu;
// An orbit past the radius leaves within fewer steps; no number that is broken may run for ever.
const MOST_PAST_LIMIT: u32 = 256u;
// Pixels are listed in strips of this many rows, column by column: neighbours need like efforts.
const STRIP: u32 = 8u;
const LARGEST: f32 = 3.0e38;

struct Params {
    // The band's first pixel, and its columns and rows.
    origin: vec2u,
    size: vec2u,
    alive: u32,
    trips: u32,
    max_iter: u32,
    // 1 for the first dispatch of a band.
    begin: u32,
    // Half the columns and rows of the view.
    half: vec2f,
    // First point and end of the critical orbit and of the orbit that pixels begin on.
    critical: vec2u,
    first: vec2u,
    // First leaf and number of entries of the leaps over them.
    critical_leaps: vec2u,
    first_leaps: vec2u,
    leap_level: u32,
    tiny_points: u32,
    // The view's middle as seen from the reference, and the spacing, in units of 2^exponent.
    // High parts, then low ones.
    spacing: f32,
    spacing_low: f32,
    offset: vec4f,
    exponent: i32,
    // The steps that all pixels take together at the beginning, and what becomes of a constant.
    head_steps: u32,
    head_exponent: i32,
    // Differences from here on are larger than the radius of any leap.
    near: f32,
    head: vec4f,
    head_low: vec4f,
    // Sums of three singles each: the view's middle, the constant, the spacing.
    re: vec4f,
    im: vec4f,
    constant_re: vec4f,
    constant_im: vec4f,
    step: vec4f,
}

struct List {
    len: atomic<u32>,
    pixels: array<u32>,
}

struct ListIn {
    len: u32,
    pixels: array<u32>,
}

struct Outcome {
    n: u32,
    norm_sqr: f32,
    slope: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> list_in: ListIn;
@group(0) @binding(2) var<storage, read_write> list_out: List;
@group(0) @binding(3) var<storage, read_write> states: array<State>;
@group(0) @binding(4) var<storage, read_write> outcomes: array<Outcome>;

var<workgroup> survivors: atomic<u32>;
var<workgroup> place: u32;

fn total(parts: vec4f) -> real {
    return real(parts.x) + real(parts.y) + real(parts.z);
}

// Whether a constant lies in the main cardioid or the disk of period 2, by more than roundings.
fn is_in_large_component(c: vec2<real>) -> bool {
    if FORMULA != 0u || JULIA {
        return false;
    }
    let x = c.x - real(0.25);
    let y_sqr = c.y * c.y;
    let q = x * x + y_sqr;
    let left = c.x + real(1.0);
    let margin = real(MARGIN);
    return q * (q + x) < real(0.25) * y_sqr - margin
        || left * left + y_sqr < real(0.0625) - margin;
}

// Column and row of a pixel within the band.
fn position(pixel: u32) -> vec2u {
    let strip = pixel / (params.size.x * STRIP);
    let within = pixel - strip * params.size.x * STRIP;
    let rows = min(STRIP, params.size.y - strip * STRIP);
    return vec2u(within / rows, strip * STRIP + within % rows);
}

// Pixels from the view's middle, to the right and up.
fn from_middle(pixel: u32) -> vec2f {
    let at = vec2f(params.origin + position(pixel));
    return vec2f(at.x + 0.5 - params.half.x, params.half.y - 0.5 - at.y);
}

// The point of a pixel, as far as `real` tells points apart.
fn point(pixel: u32) -> vec2<real> {
    let at = from_middle(pixel);
    let step = total(params.step);
    return vec2<real>(
        real(at.x) * step + total(params.re),
        real(at.y) * step + total(params.im),
    );
}

fn finish(pixel: u32, n: u32, norm_sqr: f32, slope: f32) {
    let at = position(pixel);
    outcomes[at.y * params.size.x + at.x] = Outcome(n, norm_sqr, slope);
}

@compute @workgroup_size(64)
fn advance_all(
    @builtin(global_invocation_id) id: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    var pixel = id.x;
    var is_alive = false;
    if id.x < params.alive {
        if params.begin == 0u {
            pixel = list_in.pixels[id.x];
        }
        is_alive = advance(pixel);
    }
    // A workgroup's survivors stay together, so that neighbours do.
    var rank = 0u;
    if is_alive {
        rank = atomicAdd(&survivors, 1u);
    }
    workgroupBarrier();
    if lane == 0u {
        place = atomicAdd(&list_out.len, atomicLoad(&survivors));
    }
    workgroupBarrier();
    if is_alive {
        list_out.pixels[place + rank] = pixel;
    }
}
