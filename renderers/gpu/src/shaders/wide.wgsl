// Numbers with exponents of their own, and one step of a difference in numbers with and without.
//
// The rule: `f(z + d) - f(z)` is never formed by subtracting two large numbers.

const ZERO_EXPONENT: i32 = -16777216;
// A difference this much below its constant is as good as none.
const NOTHING_BELOW: i32 = 60;

// A number with an exponent of its own.
struct Wide {
    m: real,
    e: i32,
}

const NOTHING: Wide = Wide(real(0.0), ZERO_EXPONENT);

// (x + iy) 2^e.
struct Pair {
    v: vec2<real>,
    e: i32,
}

fn larger(v: vec2<real>) -> f32 {
    return f32(max(abs(v.x), abs(v.y)));
}

// 2^k, 0 below and 2^127 above the range of singles.
fn pow2(k: i32) -> f32 {
    return bitcast<f32>(u32(clamp(k, -127, 127) + 127) << 23u);
}

fn exponent_of(value: f32) -> i32 {
    return i32((bitcast<u32>(value) >> 23u) & 255u) - 127;
}

// v 2^-k, in two steps, since 2^-127 is no normal single.
fn lowered(v: vec2<real>, k: i32) -> vec2<real> {
    return v * real(pow2(-k / 2)) * real(pow2(-k - (-k / 2)));
}

fn wide(value: real, e: i32) -> Wide {
    let k = exponent_of(f32(value));
    if k == -127 {
        return Wide(real(0.0), ZERO_EXPONENT);
    }
    return Wide(lowered(vec2<real>(value, value), k).x, e + k);
}

fn wide_sum(a: Wide, b: Wide) -> Wide {
    let e = max(a.e, b.e);
    return wide(a.m * real(pow2(a.e - e)) + b.m * real(pow2(b.e - e)), e);
}

fn wide_product(a: Wide, b: Wide) -> Wide {
    return wide(a.m * b.m, max(a.e + b.e, ZERO_EXPONENT));
}

fn wide_minus(a: Wide) -> Wide {
    return Wide(-a.m, a.e);
}

fn wide_double(a: Wide) -> Wide {
    return Wide(a.m, a.e + 1);
}

// The larger part brought near one. A value far below 2^floor is not followed.
fn normal(v: vec2<real>, e: i32, floor: i32) -> Pair {
    let k = exponent_of(larger(v));
    if k == -127 {
        return Pair(vec2<real>(), max(e, floor));
    }
    let raised = max(e + k, floor - NOTHING_BELOW) - e;
    return Pair(lowered(v, raised), e + raised);
}

fn paired(x: Wide, y: Wide, floor: i32) -> Pair {
    let e = max(x.e, y.e);
    return normal(vec2<real>(x.m * real(pow2(x.e - e)), y.m * real(pow2(y.e - e))), e, floor);
}

fn sum(a: Pair, b: Pair, floor: i32) -> Pair {
    let e = max(a.e, b.e);
    return normal(a.v * real(pow2(a.e - e)) + b.v * real(pow2(b.e - e)), e, floor);
}

fn product(a: vec2<real>, b: vec2<real>) -> vec2<real> {
    return vec2<real>(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

// The derivative at z applied to a column.
fn tangent(z: vec2f, column: vec2f) -> vec2f {
    let w = z + z;
    let v = vec2f(w.x * column.x - w.y * column.y, w.x * column.y + w.y * column.x);
    if FORMULA == 2u || (FORMULA == 1u && (z.x < 0.0) != (z.y < 0.0)) {
        return vec2f(v.x, -v.y);
    }
    return v;
}

// (|c + d| - |c|) without the loss of digits, after laser blaster's `diffabs`.
fn wide_difference_of_absolutes(c: Wide, d: Wide) -> Wide {
    let after = wide_sum(c, d);
    if c.m >= real(0.0) {
        if after.m >= real(0.0) {
            return d;
        }
        return wide_minus(wide_sum(wide_double(c), d));
    }
    if after.m >= real(0.0) {
        return wide_sum(wide_double(c), d);
    }
    return wide_minus(d);
}

// The same for c and d 2^e, in units of 2^e.
fn difference_of_absolutes(c: real, d: real, e: i32) -> real {
    let zero = real(0.0);
    let sign = select(real(1.0), real(-1.0), c < zero);
    if e < -115 {
        // Points off the axes by 2^-50 or more are not folded by so little.
        return sign * d;
    }
    let scaled = c * real(pow2(-e));
    let after = scaled + d;
    if (after < zero) == (c < zero) {
        return sign * d;
    }
    return -sign * (scaled + scaled + d);
}

// f(z + d) - f(z) for d = w 2^e, in units of 2^e; `scale` is 2^e.
fn stepped(z: vec2<real>, w: vec2<real>, e: i32, scale: real) -> vec2<real> {
    let sum = z + z + w * scale;
    if FORMULA == 1u {
        let folded = difference_of_absolutes(
            z.x * z.y,
            z.x * w.y + w.x * z.y + w.x * w.y * scale,
            e,
        );
        return vec2<real>(sum.x * w.x - sum.y * w.y, folded + folded);
    }
    let v = product(sum, w);
    if FORMULA == 2u {
        return vec2<real>(v.x, -v.y);
    }
    return v;
}

struct WidePoint {
    x: Wide,
    y: Wide,
}

// The same with an exponent for every number.
fn wide_stepped(z: WidePoint, d: WidePoint) -> WidePoint {
    let sum_x = wide_sum(wide_double(z.x), d.x);
    let sum_y = wide_sum(wide_double(z.y), d.y);
    let re = wide_sum(wide_product(sum_x, d.x), wide_minus(wide_product(sum_y, d.y)));
    if FORMULA == 1u {
        let cross = wide_sum(wide_product(z.x, d.y), wide_product(d.x, z.y));
        let difference = wide_sum(cross, wide_product(d.x, d.y));
        let folded = wide_difference_of_absolutes(wide_product(z.x, z.y), difference);
        return WidePoint(re, wide_double(folded));
    }
    let im = wide_sum(wide_product(sum_x, d.y), wide_product(sum_y, d.x));
    if FORMULA == 2u {
        return WidePoint(re, wide_minus(im));
    }
    return WidePoint(re, im);
}
