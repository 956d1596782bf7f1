// Points as differences from a reference orbit, which lies in buffers as the host defines (`Point` and
// `LOWS`).
//
// The rule: a difference is `w * 2^exponent` with w near one, so nothing is lost at any depth; where the
// orbit comes close to zero, a step is taken with an exponent for every number.

struct State {
    w: vec2<real>,
    // An earlier difference from the critical orbit's beginning; meeting it again means a cycle (R.
    // Brent's method).
    old: vec2<real>,
    old_exponent: i32,
    next_old: u32,
    exponent: i32,
    // Index of the orbit's point, and whether that is the orbit that pixels begin on.
    at: u32,
    is_first: u32,
    n: u32,
    // The derivative, by columns.
    column_exponent: i32,
    column_0: vec2f,
    column_1: vec2f,
}

@group(0) @binding(5) var<storage, read> orbit: array<Point>;
// log2 of the radius of each leap. Leaps stand in the order of a binary tree read from left to right.
@group(0) @binding(6) var<storage, read> radii: array<f32>;
@group(0) @binding(7) var<storage, read> leaps: array<u32>;
// Points that singles cannot hold: index, then mantissa and exponent of each part.
@group(0) @binding(8) var<storage, read> tiny: array<u32>;

// The same bound as on the host.
const TINY: f32 = 8.8817841970012523e-16; // 2^-50
// Differences above 2^this need no exponents of their own even there.
const NARROW_EXPONENT: i32 = -40;
const NO_LEAP: u32 = 0xffffffffu;

fn is_tiny(z: vec2f) -> bool {
    if FORMULA == 1u {
        return min(abs(z.x), abs(z.y)) < TINY;
    }
    return max(abs(z.x), abs(z.y)) < TINY;
}

fn tiny_part(at: u32) -> Wide {
    let m = real(bitcast<f32>(tiny[at])) + real(bitcast<f32>(tiny[at + 1u]));
    return Wide(m, bitcast<i32>(tiny[at + 2u]));
}

// A point of the orbits that `is_tiny`.
fn tiny_point(index: u32) -> WidePoint {
    var low = 0u;
    var high = params.tiny_points;
    while low < high {
        let middle = (low + high) / 2u;
        if tiny[7u * middle] < index {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return WidePoint(tiny_part(7u * low + 1u), tiny_part(7u * low + 4u));
}

struct Found {
    entry: u32,
    steps: u32,
}

struct Leap {
    // Matrices by rows, or a complex number in the first two.
    a: vec4<real>,
    b: vec4<real>,
    a_exponent: i32,
    b_exponent: i32,
}

fn part_at(at: u32, low: u32) -> real {
    let high = real(bitcast<f32>(leaps[at]));
    if LOWS == 0u {
        return high;
    }
    return high + real(bitcast<f32>(leaps[low]));
}

// A map of `parts` numbers, high words before low ones.
fn map_at(at: u32, parts: u32) -> vec4<real> {
    let low = at + parts;
    let top = vec2<real>(part_at(at, low), part_at(at + 1u, low + 1u));
    if FORMULA == 0u {
        return vec4<real>(top, vec2<real>());
    }
    return vec4<real>(top, part_at(at + 2u, low + 2u), part_at(at + 3u, low + 3u));
}

// Maps come before their exponents.
fn leap_at(entry: u32) -> Leap {
    let parts = select(4u, 2u, FORMULA == 0u);
    let map = parts * (1u + LOWS);
    let at = (2u * map + 2u) * entry;
    return Leap(
        map_at(at, parts),
        map_at(at + map, parts),
        bitcast<i32>(leaps[at + 2u * map]),
        bitcast<i32>(leaps[at + 2u * map + 1u]),
    );
}

fn apply(map: vec4<real>, v: vec2<real>) -> vec2<real> {
    if FORMULA == 0u {
        return product(map.xy, v);
    }
    return vec2<real>(dot(map.xy, v), dot(map.zw, v));
}

// a v + b c.
fn leapt(leap: Leap, v: Pair, c: Pair, floor: i32) -> Pair {
    let left = Pair(apply(leap.a, v.v), v.e + leap.a_exponent);
    if JULIA {
        return normal(left.v, left.e, floor);
    }
    return sum(left, Pair(apply(leap.b, c.v), c.e + leap.b_exponent), floor);
}

// A pixel on its way, with what follows from its exponents.
var<private> s: State;
var<private> scale: real;
var<private> constant: vec2<real>;
var<private> scaled_constant: vec2<real>;
var<private> scaled_growth: f32;
var<private> is_done: bool;

fn wide_difference() -> WidePoint {
    return WidePoint(wide(s.w.x, s.exponent), wide(s.w.y, s.exponent));
}

fn set_difference(d: Pair) {
    s.w = d.v;
    s.exponent = d.e;
    scale = real(pow2(d.e));
    scaled_constant = constant * real(pow2(params.exponent - d.e));
}

fn set_columns(column_0: vec2f, column_1: vec2f, e: i32) {
    let largest = max(max(abs(column_0.x), abs(column_0.y)), max(abs(column_1.x), abs(column_1.y)));
    let floor = growth_floor();
    let k = select(exponent_of(largest), 0, largest == 0.0);
    let raised = max(e + k, floor - NOTHING_BELOW) - e;
    let factor = pow2(-raised / 2);
    let rest = pow2(-raised - (-raised / 2));
    s.column_0 = column_0 * factor * rest;
    s.column_1 = column_1 * factor * rest;
    s.column_exponent = e + raised;
    scaled_growth = params.spacing * pow2(params.exponent - s.column_exponent);
    if JULIA {
        scaled_growth = 0.0;
    }
}

// Below this a difference is nothing beside the constant's.
fn difference_floor() -> i32 {
    return select(params.exponent, ZERO_EXPONENT, JULIA);
}

fn growth_floor() -> i32 {
    return select(params.exponent + exponent_of(params.spacing), ZERO_EXPONENT, JULIA);
}

// A pixel's point as seen from the reference, in units of 2^params.exponent.
fn seen(pixel: u32) -> vec2<real> {
    let offset = vec2<real>(params.offset.xy) + vec2<real>(params.offset.zw);
    let spacing = real(params.spacing) + real(params.spacing_low);
    return offset + vec2<real>(from_middle(pixel)) * spacing;
}

fn begin_at(pixel: u32) {
    s.n = params.head_steps;
    s.at = params.head_steps;
    s.is_first = select(0u, 1u, JULIA);
    s.old_exponent = ZERO_EXPONENT;
    s.next_old = 0u;
    let exponent = params.exponent + params.head_exponent;
    let head = vec4<real>(params.head) + vec4<real>(params.head_low);
    let d = normal(apply(head, seen(pixel)), exponent, difference_floor());
    s.w = d.v;
    s.exponent = d.e;
    s.column_0 = vec2f(apply(head, vec2<real>(real(params.spacing), real(0.0))));
    s.column_1 = vec2f(apply(head, vec2<real>(real(0.0), real(params.spacing))));
    s.column_exponent = exponent;
}

// The longest leap for the difference that stays within the limit on steps.
fn longest_leap() -> Found {
    var best = Found(NO_LEAP, 0u);
    let index = s.at - 1u;
    let is_aligned = (index & ((1u << params.leap_level) - 1u)) == 0u;
    if s.at == 0u || !is_aligned || s.n >= params.max_iter {
        return best;
    }
    let most = params.max_iter - s.n;
    let range = select(params.critical_leaps, params.first_leaps, s.is_first == 1u);
    let size = log2(max(larger(s.w), 1.0e-37)) + f32(s.exponent);
    let leaf = index >> params.leap_level;
    for (var level = 0u; level < 24u; level++) {
        let steps = 1u << (params.leap_level + level);
        let within = leaf >> level;
        let entry = ((2u * within + 1u) << level) - 1u;
        if (within << level) != leaf || steps > most || entry >= range.y {
            break;
        }
        if !(size < radii[range.x + entry]) {
            break;
        }
        best = Found(range.x + entry, steps);
    }
    return best;
}

fn leap_over(found: Found) {
    let leap = leap_at(found.entry);
    let c = Pair(constant, params.exponent);
    set_difference(leapt(leap, Pair(s.w, s.exponent), c, difference_floor()));
    if DISTANCE {
        let floor = growth_floor();
        let right = Pair(vec2<real>(vec2f(params.spacing, 0.0)), params.exponent);
        let column = Pair(vec2<real>(s.column_0), s.column_exponent);
        let column_0 = leapt(leap, column, right, floor);
        var column_1 = Pair(vec2<real>(), column_0.e);
        if FORMULA != 0u {
            let up = Pair(vec2<real>(vec2f(0.0, params.spacing)), params.exponent);
            let column = Pair(vec2<real>(s.column_1), s.column_exponent);
            column_1 = leapt(leap, column, up, floor);
        }
        let e = max(column_0.e, column_1.e);
        set_columns(
            vec2f(column_0.v) * pow2(column_0.e - e),
            vec2f(column_1.v) * pow2(column_1.e - e),
            e,
        );
    }
    s.at += found.steps;
    s.n += found.steps;
}

// Takes the derivative one step on, and whether it is still near one.
fn grow_columns(z: vec2f) -> bool {
    s.column_0 = tangent(z, s.column_0) + vec2f(scaled_growth, 0.0);
    var largest = max(abs(s.column_0.x), abs(s.column_0.y));
    if FORMULA != 0u {
        s.column_1 = tangent(z, s.column_1) + vec2f(0.0, scaled_growth);
        largest = max(largest, max(abs(s.column_1.x), abs(s.column_1.y)));
    }
    return largest < 1.0e9 && largest > 1.0e-9;
}

fn step_narrow(reference: vec2<real>, z: vec2f) {
    if DISTANCE && !grow_columns(z) {
        set_columns(s.column_0, s.column_1, s.column_exponent);
    }
    let w = stepped(reference, s.w, s.exponent, scale) + scaled_constant;
    let largest = larger(w);
    if largest > 1.0e6 || largest < 1.0e-6 {
        set_difference(normal(w, s.exponent, difference_floor()));
    } else {
        s.w = w;
    }
    s.at++;
    s.n++;
}

fn step_wide(reference: WidePoint, d: WidePoint) {
    let z_x = wide_sum(reference.x, d.x);
    let z_y = wide_sum(reference.y, d.y);
    if DISTANCE {
        let z = paired(z_x, z_y, ZERO_EXPONENT);
        let e = max(s.column_exponent + z.e, growth_floor());
        let shrink = pow2(s.column_exponent + z.e - e);
        let growth = select(params.spacing * pow2(params.exponent - e), 0.0, JULIA);
        // Signs of parts too small beside each other are those of the wide numbers.
        let turn = select(1.0, -1.0, FORMULA == 1u && (z_x.m < real(0.0)) != (z_y.m < real(0.0)));
        var column_0 = vec2f(product(z.v + z.v, vec2<real>(s.column_0)));
        var column_1 = vec2f(product(z.v + z.v, vec2<real>(s.column_1)));
        if FORMULA == 2u {
            column_0.y = -column_0.y;
            column_1.y = -column_1.y;
        }
        column_0.y *= turn;
        column_1.y *= turn;
        column_0 = column_0 * shrink + vec2f(growth, 0.0);
        column_1 = select(vec2f(0.0), column_1 * shrink + vec2f(0.0, growth), FORMULA != 0u);
        set_columns(column_0, column_1, e);
    }
    let next = wide_stepped(reference, d);
    let e = params.exponent;
    let x = wide_sum(next.x, wide(constant.x, e));
    let y = wide_sum(next.y, wide(constant.y, e));
    set_difference(paired(x, y, difference_floor()));
    s.at++;
    s.n++;
}

fn escaped(pixel: u32, z: vec2f, norm_sqr: f32) {
    var slope = 0.0;
    if DISTANCE {
        if FORMULA == 0u {
            slope = length(s.column_0);
        } else {
            let unit = z / sqrt(norm_sqr);
            slope = length(vec2f(dot(unit, s.column_0), dot(unit, s.column_1)));
        }
        let half = s.column_exponent / 2;
        slope = min(slope * pow2(half), 1.0e37) * pow2(s.column_exponent - half);
    }
    finish(pixel, s.n, norm_sqr, min(slope, LARGEST));
}

fn is_past_limit() -> bool {
    return s.n >= params.max_iter + MOST_PAST_LIMIT;
}

// Goes on as a difference from the critical orbit's beginning, which is zero (rebasing, Zhuoran 2021).
// Whether this has come to where it was before: then it never leaves.
fn rebase(z: Pair) -> bool {
    set_difference(z);
    s.at = 0u;
    s.is_first = 0u;
    if all(s.w == s.old) && s.exponent == s.old_exponent {
        return true;
    }
    if s.n >= s.next_old {
        s.old = s.w;
        s.old_exponent = s.exponent;
        s.next_old = 2u * s.n;
    }
    return false;
}

// Follows a difference that needs neither an exponent nor leaps, which late in deep orbits most do, and
// returns the trips taken. Kept apart, since some devices spend time on branches not taken.
fn run_near(pixel: u32, trips: u32) -> u32 {
    let c = constant * real(pow2(params.exponent));
    var old = s.old * real(pow2(s.old_exponent));
    var orbits = select(params.critical, params.first, s.is_first == 1u);
    var d = s.w * scale;
    var taken = 0u;
    while taken < trips {
        taken++;
        var reference = whole(orbit[orbits.x + s.at]);
        let z_real = reference + d;
        let z = vec2f(z_real);
        let norm_sqr = dot(z, z);
        if norm_sqr > BAILOUT_SQR {
            escaped(pixel, z, norm_sqr);
            is_done = true;
            break;
        }
        if s.n >= params.max_iter && (norm_sqr <= RADIUS_SQR || is_past_limit()) {
            finish(pixel, INTERIOR, 0.0, 0.0);
            is_done = true;
            break;
        }
        if larger(z_real) < larger(d) || s.at == orbits.y {
            d = z_real;
            reference = vec2<real>();
            orbits = params.critical;
            s.at = 0u;
            s.is_first = 0u;
            if all(d == old) {
                finish(pixel, INTERIOR, 0.0, 0.0);
                is_done = true;
                break;
            }
            if s.n >= s.next_old {
                old = d;
                s.old = d;
                s.old_exponent = 0;
                s.next_old = 2u * s.n;
            }
            if larger(d) < params.near {
                break;
            }
        }
        d = stepped(reference, d, 0, real(1.0)) + c;
        s.at++;
        s.n++;
        if DISTANCE && !grow_columns(z) {
            break;
        }
        if larger(d) < params.near {
            break;
        }
    }
    set_difference(normal(d, 0, difference_floor()));
    set_columns(s.column_0, s.column_1, s.column_exponent);
    return taken;
}

// Runs a pixel for some trips; whether it is still on its way.
fn advance(pixel: u32) -> bool {
    constant = seen(pixel);
    if JULIA {
        constant = vec2<real>();
    }
    if params.begin == 1u {
        begin_at(pixel);
        if is_in_large_component(point(pixel)) {
            finish(pixel, INTERIOR, 0.0, 0.0);
            return false;
        }
    } else {
        s = states[pixel];
    }
    set_difference(Pair(s.w, s.exponent));
    set_columns(s.column_0, s.column_1, s.column_exponent);
    for (var trip = 0u; trip < params.trips; trip++) {
        if larger(s.w * scale) >= params.near {
            trip += run_near(pixel, params.trips - trip) - 1u;
            if is_done {
                return false;
            }
            continue;
        }
        let orbits = select(params.critical, params.first, s.is_first == 1u);
        let raw = orbit[orbits.x + s.at];
        var reference = whole(raw);
        var is_wide = s.exponent < NARROW_EXPONENT && is_tiny(raw.xy);
        let z_real = reference + s.w * scale;
        let z = vec2f(z_real);
        let norm_sqr = dot(z, z);
        if norm_sqr > BAILOUT_SQR {
            escaped(pixel, z, norm_sqr);
            return false;
        }
        if s.n >= params.max_iter && (norm_sqr <= RADIUS_SQR || is_past_limit()) {
            finish(pixel, INTERIOR, 0.0, 0.0);
            return false;
        }
        let is_end = s.at == orbits.y;
        var wide_reference = WidePoint(NOTHING, NOTHING);
        var is_back = false;
        if is_wide {
            wide_reference = tiny_point(orbits.x + s.at);
            let d = wide_difference();
            let x = wide_sum(wide_reference.x, d.x);
            let y = wide_sum(wide_reference.y, d.y);
            let whole = paired(x, y, difference_floor());
            if whole.e < exponent_of(larger(s.w)) + s.exponent || is_end {
                is_back = rebase(whole);
                reference = vec2<real>();
                wide_reference = WidePoint(NOTHING, NOTHING);
            }
        } else if larger(z_real) < larger(s.w * scale) || is_end {
            is_back = rebase(normal(z_real, 0, difference_floor()));
            reference = vec2<real>();
            is_wide = s.exponent < NARROW_EXPONENT;
        }
        if is_back {
            finish(pixel, INTERIOR, 0.0, 0.0);
            return false;
        }
        let found = longest_leap();
        if found.entry != NO_LEAP {
            leap_over(found);
        } else if is_wide {
            step_wide(wide_reference, wide_difference());
        } else {
            step_narrow(reference, z);
        }
    }
    states[pixel] = s;
    return true;
}
