// Where the map stands: a centre of thousands of bits, and a zoom that is kept as its logarithm. The rule: a place that
// was written down is read back exactly, at every depth that the server has tiles for.

/** Fractional bits of a centre: the deepest tiles, their pixels, and 24 to spare for parts of a pixel. */
const BITS = 4192;
/** The deepest level of the server's tiles; the zoom ends where it does. */
export const MAX_LEVEL = 4096;
export const MIN_ZOOM = -2;
export const MAX_ZOOM = MAX_LEVEL;
/** Texts are measured before they are read. */
const MAX_LENGTH = 4000;
const MAX_EXPONENT = 4000;
const LOG10_2 = Math.log10(2);
/** A double times 2^30 is still whole enough to become a BigInt without losing what it says. */
const FINE = 30;
/** Doublings within which a flight has turned to its goal. */
const GLIDE = 5;

export interface Place {
  /** In units of 2^-BITS. */
  readonly re: bigint;
  readonly im: bigint;
  /** Binary logarithm of the zoom; at 0 the picture is 4 units high. */
  readonly zoom: number;
}

const ONE = 1n << BigInt(BITS);
/** The square that has tiles. */
const [LEFT, RIGHT, BOTTOM, TOP] = [(-5n * ONE) / 2n, (3n * ONE) / 2n, -2n * ONE, 2n * ONE];

/** The whole set. */
export const HOME: Place = { re: -ONE / 2n, im: 0n, zoom: 0 };

const clamp = <T extends bigint | number>(value: T, low: T, high: T): T =>
  value < low ? low : value > high ? high : value;

/** `[+-]digits[.digits][e[+-]digits]` as whole digits and the power of ten that they are multiplied by. */
function decimal(text: string): { digits: bigint; power: number } | null {
  if (text.length > MAX_LENGTH) return null;
  const [, sign, whole = '', part = '', exponent = '0'] =
    /^([+-]?)(\d*)\.?(\d*)(?:e([+-]?\d{1,5}))?$/i.exec(text) ?? [];
  if (whole + part === '' || Math.abs(Number(exponent)) > MAX_EXPONENT) return null;
  const digits = BigInt(whole + part);
  return { digits: sign === '-' ? -digits : digits, power: Number(exponent) - part.length };
}

function coordinate(text: string, low: bigint, high: bigint): bigint | null {
  const read = decimal(text);
  if (!read) return null;
  const scale = 10n ** BigInt(Math.abs(read.power));
  const value =
    read.power < 0
      ? (((read.digits << BigInt(BITS + 1)) + scale) / scale) >> 1n
      : (read.digits * scale) << BigInt(BITS);
  return value < low || value > high ? null : value;
}

export const readRe = (text: string) => coordinate(text, LEFT, RIGHT);
export const readIm = (text: string) => coordinate(text, BOTTOM, TOP);

/** The logarithm of a zoom such as `1.5e320`. */
export function readZoom(text: string): number | null {
  const read = decimal(text);
  if (!read || read.digits <= 0n) return null;
  const digits = read.digits.toString();
  const head = digits.slice(0, 17);
  const zoom = Math.log2(Number(head)) + (digits.length - head.length + read.power) / LOG10_2;
  // A little more than allowed is the rounding of the six digits that we write.
  return zoom < MIN_ZOOM - 1e-5 || zoom > MAX_ZOOM + 1e-5 ? null : clamp(zoom, MIN_ZOOM, MAX_ZOOM);
}

/** `1.25`, `12345.6`, `1.2e34`, with so many significant digits. */
export function zoomText(zoom: number, significant = 6): string {
  const log10 = zoom * LOG10_2;
  let power = Math.floor(log10);
  let mantissa = (10 ** (log10 - power)).toPrecision(significant);
  if (mantissa.startsWith('10')) {
    mantissa = (1).toPrecision(significant);
    power += 1;
  }
  if (power < 6) return String(Number(`${mantissa}e${power}`));
  return `${Number(mantissa)}e${power}`;
}

/** Digits behind the point that tell parts of a pixel apart. */
export const digitsOf = (zoom: number) => Math.max(4, Math.ceil((zoom + 14) * LOG10_2) + 1);

/** The decimal next to a coordinate with so many digits behind the point, without zeros at its end. */
function text(value: bigint, digits: number): string {
  const rounded = (((value * 10n ** BigInt(digits)) << 1n) + ONE) >> BigInt(BITS + 1);
  const all = (rounded < 0n ? -rounded : rounded).toString().padStart(digits + 1, '0');
  const part = all.slice(-digits).replace(/0+$/, '');
  const whole = all.slice(0, -digits);
  return (rounded < 0n ? '-' : '') + whole + (part && `.${part}`);
}

export interface Words {
  readonly re: string;
  readonly im: string;
  readonly zoom: string;
}

/** A place as an address has it. */
export function words({ re, im, zoom }: Place): Words {
  const digits = digitsOf(zoom);
  return { re: text(re, digits), im: text(im, digits), zoom: zoomText(zoom) };
}

/** The place that the words of `place` say: what a reader of its address will see. */
export function settled(place: Place): Place {
  const { re, im, zoom } = words(place);
  return {
    re: readRe(re) ?? place.re,
    im: readIm(im) ?? place.im,
    zoom: readZoom(zoom) ?? place.zoom,
  };
}

/** So many pixels of a picture `height` high, as a difference of coordinates. */
function distance(pixels: number, zoom: number, height: number): bigint {
  const whole = Math.floor(zoom);
  const units = (pixels * 4 * 2 ** (whole - zoom)) / height;
  // 52 bits behind the point; a zoom below 1 only shifts farther.
  return BigInt(Math.trunc(units * 2 ** 52)) << BigInt(BITS - 52 - whole);
}

const within = (re: bigint, im: bigint, zoom: number): Place => ({
  re: clamp(re, LEFT, RIGHT),
  im: clamp(im, BOTTOM, TOP),
  zoom,
});

/** Moved so that what is `x`, `y` pixels to the right and below comes to the middle. */
export function panned({ re, im, zoom }: Place, x: number, y: number, height: number): Place {
  return within(re + distance(x, zoom, height), im - distance(y, zoom, height), zoom);
}

/** Another zoom; the point `x`, `y` pixels from the middle stays where it is. */
export function zoomed(place: Place, zoom: number, x: number, y: number, height: number): Place {
  const next = clamp(zoom, MIN_ZOOM, MAX_ZOOM);
  const by = (pixels: number) =>
    distance(pixels, place.zoom, height) - distance(pixels, next, height);
  return within(place.re + by(x), place.im - by(y), next);
}

/** On the way from the whole set to `goal`: its middle glides to that of the screen within `GLIDE` doublings. */
export function onTheWay(goal: Place, zoom: number): Place {
  const left = Math.max(0, 1 - zoom / Math.min(GLIDE, goal.zoom || 1));
  // Smooth at both ends; as seen on the screen, so that the plane's part shrinks with the zoom.
  const part = left * left * (3 - 2 * left) * 2 ** -zoom;
  if (!(part > 0)) return { ...goal, zoom };
  const scale = BigInt(Math.round(part * 2 ** 52));
  const between = (from: bigint, to: bigint) => to + (((from - to) * scale) >> 52n);
  return { re: between(HOME.re, goal.re), im: between(HOME.im, goal.im), zoom };
}

/** The pixel, from the middle of `view`, at which the middle of `place` lies. */
export function offset(view: Place, place: Place, height: number): { x: number; y: number } {
  const whole = Math.floor(view.zoom);
  const scale = (height / 4) * 2 ** (view.zoom - whole - FINE);
  const pixels = (from: bigint, to: bigint) =>
    Number((to - from) >> BigInt(BITS - FINE - whole)) * scale;
  return { x: pixels(view.re, place.re), y: -pixels(view.im, place.im) };
}

/** A column and row of a level's grid, and how far into that tile the place lies, 0 to 1. */
export interface Cell {
  readonly column: bigint;
  readonly row: bigint;
  readonly x: number;
  readonly y: number;
}

export function cellOf({ re, im }: Place, level: number): Cell {
  const shift = BigInt(BITS + 2 - level - FINE);
  const split = (from: bigint): [bigint, number] => {
    const fine = from >> shift;
    const whole = fine >> BigInt(FINE);
    return [whole, Number(fine - (whole << BigInt(FINE))) / 2 ** FINE];
  };
  const [column, x] = split(re - LEFT);
  const [row, y] = split(TOP - im);
  return { column, row, x, y };
}
