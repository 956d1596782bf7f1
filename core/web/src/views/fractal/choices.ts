// What an address chooses. The rule: a value that is not known is named, and the usual one takes its place.

import { HOME, readIm, readRe, readZoom, words, type Place } from './place';

export const MODES = ['stream', 'explore'] as const;
export const FORMULAS = ['mandelbrot', 'julia', 'burning-ship', 'tricorn'] as const;
export const PALETTES = ['shimmer', 'ember', 'ocean', 'aurora', 'orchid', 'slate'] as const;

export interface Choices {
  readonly mode: (typeof MODES)[number];
  readonly formula: (typeof FORMULAS)[number];
  readonly palette: (typeof PALETTES)[number];
  readonly ascii: boolean;
  /** On a wall: the picture alone. */
  readonly kiosk: boolean;
  readonly place: Place;
  /** Parameters with a value that is not known. */
  readonly bad: readonly string[];
}

export function choices(query: URLSearchParams): Choices {
  const bad: string[] = [];
  function one<T>(name: string, read: (text: string) => T | null, usual: T): T {
    const text = query.get(name);
    const value = text === null ? usual : read(text);
    if (value === null) bad.push(name);
    return value ?? usual;
  }
  const among =
    <T extends string>(all: readonly T[]) =>
    (text: string) =>
      all.find(one => one === text) ?? null;
  return {
    mode: one('mode', among(MODES), 'stream'),
    formula: one('formula', among(FORMULAS), 'mandelbrot'),
    palette: one('palette', among(PALETTES), 'shimmer'),
    ascii: one('format', among(['ascii']), '' as string) === 'ascii',
    kiosk: query.has('kiosk'),
    place: {
      re: one('re', readRe, HOME.re),
      im: one('im', readIm, HOME.im),
      zoom: one('zoom', readZoom, HOME.zoom),
    },
    bad,
  };
}

/** The constant of the Julia set that tiles show. */
const CONSTANT = '-0.8,0.156';
/** What the server draws at most when nothing else is configured: pixels, and pixels times iterations. */
const MAX_PIXELS = 4_194_304;
const MAX_STEPS = 1e11;

/** The server's own limit of iterations for a zoom, so that a saved picture shows what its tiles do. */
export const iterations = (zoom: number) =>
  Math.trunc(1000 + 100 * Math.max(0, zoom) + 200 * Math.max(0, zoom - 50));

/** `width` by `height` or, where that is more than the server draws, the same shape smaller. */
export function fitted(width: number, height: number, most: number): [number, number] {
  const scale = Math.min(1, Math.sqrt(most / (width * height)));
  return [Math.max(1, Math.floor(width * scale)), Math.max(1, Math.floor(height * scale))];
}

/** The same view as a picture: where the server draws it, the command that does, and a name for the file. */
export function picture(place: Place, look: Pick<Choices, 'formula' | 'palette'>, size: number[]) {
  const max = iterations(place.zoom);
  const most = Math.min(MAX_PIXELS, Math.floor(MAX_STEPS / max));
  const [width, height] = fitted(size[0] ?? 1, size[1] ?? 1, most);
  const { formula, palette } = look;
  const all = {
    ...words(place),
    width: String(width),
    height: String(height),
    palette,
    formula,
    ...(formula === 'julia' ? { c: CONSTANT } : {}),
  };
  const name = `${formula}-${all.zoom}.png`;
  const flags = Object.entries(all).map(([flag, value]) => `--${flag}=${value}`);
  return {
    path: `/fractal?${new URLSearchParams({ format: 'png', ...all, max_iter: String(max) })}`,
    command: `shimmer render ${flags.join(' ')} --output=${name}`,
    name,
  };
}

/** Who drew an answer and how long it took, of a `Server-Timing` header. */
export function drawnBy(header: string | null): { backend: string; ms: number } | null {
  const [, ms, backend = ''] = /render;dur=([\d.]+);desc=([\w-]+)/.exec(header ?? '') ?? [];
  return ms === undefined ? null : { backend, ms: Number(ms) };
}
