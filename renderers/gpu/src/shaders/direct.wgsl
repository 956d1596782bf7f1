// Points iterated themselves.
//
// The rule: four steps at a time while they cannot overflow, then one by one to find the step of the
// escape.

struct State {
    z: vec2<real>,
    // An earlier point of the orbit; meeting it again means a cycle (R. Brent's method).
    old: vec2<real>,
    n: u32,
    next_old: u32,
    column_0: vec2<real>,
    column_1: vec2<real>,
}

const BLOCK: u32 = 4u;
// Parts up to this stay finite in singles over a block and one square more.
const BLOCK_LIMIT: f32 = 16.0;

fn stepped(z: vec2<real>, c: vec2<real>) -> vec2<real> {
    var product = z.x * z.y;
    if FORMULA == 1u {
        product = abs(product);
    }
    if FORMULA == 2u {
        product = -product;
    }
    return vec2<real>(z.x * z.x - z.y * z.y + c.x, product + product + c.y);
}

// The derivative at z applied to a column.
fn tangent(z: vec2<real>, column: vec2<real>) -> vec2<real> {
    let w = z + z;
    let product = vec2<real>(w.x * column.x - w.y * column.y, w.x * column.y + w.y * column.x);
    if FORMULA == 2u || (FORMULA == 1u && z.x * z.y < real(0.0)) {
        return vec2<real>(product.x, -product.y);
    }
    return product;
}

fn slope_of(z: vec2<real>, norm_sqr: real, column_0: vec2<real>, column_1: vec2<real>) -> f32 {
    // Scaled by |z|, which is at least 256, before squares could overflow.
    let unit = z / sqrt(norm_sqr);
    if FORMULA == 0u {
        return f32(length(column_0));
    }
    return f32(length(vec2<real>(dot(unit, column_0), dot(unit, column_1))));
}

fn is_near(z: vec2<real>) -> bool {
    return max(abs(z.x), abs(z.y)) <= real(BLOCK_LIMIT);
}

fn begin_at(p: vec2<real>) -> State {
    var s: State;
    s.z = vec2<real>(real(0.0), real(0.0));
    s.column_0 = s.z;
    s.column_1 = s.z;
    if JULIA {
        s.z = p;
        s.column_0.x = total(params.step);
        s.column_1.y = s.column_0.x;
    }
    s.old = s.z;
    s.n = 0u;
    s.next_old = 16u;
    return s;
}

// Runs a pixel for some trips; whether it is still on its way.
fn advance(pixel: u32) -> bool {
    let p = point(pixel);
    var c = p;
    var grown = vec2<real>(total(params.step), real(0.0));
    if JULIA {
        c = vec2<real>(total(params.constant_re), total(params.constant_im));
        grown.x = real(0.0);
    }
    var s: State;
    if params.begin == 1u {
        s = begin_at(p);
        if is_in_large_component(c) {
            finish(pixel, INTERIOR, 0.0, 0.0);
            return false;
        }
    } else {
        s = states[pixel];
    }
    let has_blocks = is_near(c);
    var singles = 0u;
    for (var trip = 0u; trip < params.trips; trip++) {
        if has_blocks && singles == 0u && s.n + BLOCK <= params.max_iter && is_near(s.z) {
            var z = s.z;
            var column_0 = s.column_0;
            var column_1 = s.column_1;
            for (var i = 0u; i < BLOCK; i++) {
                if DISTANCE {
                    column_0 = tangent(z, column_0) + grown;
                    if FORMULA != 0u {
                        column_1 = tangent(z, column_1) + grown.yx;
                    }
                }
                z = stepped(z, c);
            }
            if is_near(z) {
                s.z = z;
                s.column_0 = column_0;
                s.column_1 = column_1;
                s.n += BLOCK;
                if s.z.x == s.old.x && s.z.y == s.old.y {
                    finish(pixel, INTERIOR, 0.0, 0.0);
                    return false;
                }
                if s.n >= s.next_old {
                    s.old = s.z;
                    s.next_old = 2u * s.n;
                }
                continue;
            }
            singles = BLOCK;
        }
        let norm_sqr = s.z.x * s.z.x + s.z.y * s.z.y;
        if norm_sqr > real(BAILOUT_SQR) {
            var slope = 0.0;
            if DISTANCE {
                slope = slope_of(s.z, norm_sqr, s.column_0, s.column_1);
            }
            finish(pixel, s.n, f32(norm_sqr), min(slope, LARGEST));
            return false;
        }
        let is_inside = s.n >= params.max_iter && norm_sqr <= real(RADIUS_SQR);
        if is_inside || s.n >= params.max_iter + MOST_PAST_LIMIT {
            finish(pixel, INTERIOR, 0.0, 0.0);
            return false;
        }
        if DISTANCE {
            s.column_0 = tangent(s.z, s.column_0) + grown;
            if FORMULA != 0u {
                s.column_1 = tangent(s.z, s.column_1) + grown.yx;
            }
        }
        s.z = stepped(s.z, c);
        s.n++;
        singles = max(singles, 1u) - 1u;
    }
    states[pixel] = s;
    return true;
}
