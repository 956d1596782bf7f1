// Which tiles a view needs. The rule: the number of tiles is bounded whatever the size of the screen.

import { cellOf, MAX_LEVEL, type Place } from './place';

/** Pixels along each side of a tile. */
export const TILE = 256;
/** Tiles of one level on the screen, at most; a larger screen gets coarser ones. */
export const MAX_COVER = 256;

export interface Size {
  readonly width: number;
  readonly height: number;
  /** Device pixels of a pixel. */
  readonly ratio: number;
}

export interface Tile {
  readonly key: string;
  readonly level: number;
  readonly column: bigint;
  readonly row: bigint;
}

/** The tiles of a level that a view shows; nearest to the middle first. */
export interface Cover {
  readonly level: number;
  /** Screen pixels along each side of a tile. */
  side: number;
  /** Where the corner of the tile `column`, `row` lies on the screen. */
  left: number;
  top: number;
  readonly column: bigint;
  readonly row: bigint;
  readonly tiles: readonly (Tile & { readonly x: number; readonly y: number })[];
  /** Columns and rows relative to the first, for telling whether a cover is still right. */
  readonly span: readonly [number, number, number, number];
}

/** Level whose tiles have the size of the screen's pixels; with a fraction. */
export const exactLevel = (place: Place, size: Size) =>
  place.zoom + Math.log2((size.height * size.ratio) / TILE);

const sideAt = (place: Place, size: Size, level: number) =>
  (TILE / size.ratio) * 2 ** (exactLevel(place, size) - level);

/** The level to show: within half of the exact one; below it when `coarse`. */
export function levelFor(place: Place, size: Size, coarse = false): number {
  const exact = exactLevel(place, size);
  let level = Math.min(MAX_LEVEL, Math.max(0, coarse ? Math.floor(exact) : Math.round(exact)));
  for (; level > 0; level -= 1) {
    const side = sideAt(place, size, level);
    const along = (pixels: number) => Math.ceil(pixels / side) + 1;
    if (along(size.width) * along(size.height) <= MAX_COVER) break;
  }
  return level;
}

/** The tiles of `level`; `before` is given back with new positions where it has the same tiles. */
export function cover(place: Place, size: Size, level: number, before?: Cover): Cover {
  const side = sideAt(place, size, level);
  const cell = cellOf(place, level);
  const left = size.width / 2 - cell.x * side;
  const top = size.height / 2 - cell.y * side;
  const span = [
    Math.floor(-left / side),
    Math.floor(-top / side),
    Math.ceil((size.width - left) / side),
    Math.ceil((size.height - top) / side),
  ] as const;
  if (
    before?.level === level &&
    before.column === cell.column &&
    before.row === cell.row &&
    span.every((one, i) => one === before.span[i])
  ) {
    Object.assign(before, { side, left, top });
    return before;
  }
  const end = 1n << BigInt(level);
  const tiles = [];
  for (let y = span[1]; y < span[3]; y += 1) {
    for (let x = span[0]; x < span[2]; x += 1) {
      const column = cell.column + BigInt(x);
      const row = cell.row + BigInt(y);
      if (column < 0n || row < 0n || column >= end || row >= end) continue;
      // Powers of two are written without a division, which counts at a thousand digits.
      tiles.push({
        key: `${level}/${column.toString(32)}/${row.toString(32)}`,
        level,
        column,
        row,
        x,
        y,
      });
    }
  }
  const away = (tile: { x: number; y: number }) =>
    Math.hypot(tile.x + 0.5 - cell.x, tile.y + 0.5 - cell.y);
  tiles.sort((a, b) => away(a) - away(b));
  return { level, side, left, top, column: cell.column, row: cell.row, tiles, span };
}
