// Places of the map: exact at every depth.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cover, levelFor, MAX_COVER } from '../../src/views/fractal/cover';
import { famous } from '../../src/views/fractal/famous';
import {
  cellOf,
  digitsOf,
  HOME,
  MAX_ZOOM,
  offset,
  onTheWay,
  panned,
  readIm,
  readRe,
  readZoom,
  settled,
  words,
  zoomed,
  zoomText,
  type Place,
} from '../../src/views/fractal/place';

/** The same numbers each time. */
function random(seed: number) {
  return () => (seed = (seed * 16807) % 2147483647) / 2147483647;
}
const DEPTHS = [-2, 0, 1, 10.5, 52, 53.7, 333.25, 1000, 2047.9, 4095.9, 4096];

/** A place of random digits at a depth. */
function somewhere(zoom: number, next: () => number): Place {
  const digits = () => Array.from({ length: 1300 }, () => Math.floor(next() * 10)).join('');
  return settled({ re: readRe(`-1.${digits()}`)!, im: readIm(`0.${digits()}`)!, zoom });
}

test('what was written is read back exactly, and written the same again', () => {
  const next = random(7);
  for (const zoom of DEPTHS) {
    const place = somewhere(zoom, next);
    const text = words(place);
    // A zero or two at the end are not written.
    const spare = digitsOf(zoom) + 3 - text.re.length;
    assert.ok(spare >= 0 && spare < 4, 'as many digits as the zoom needs');
    const back = { re: readRe(text.re)!, im: readIm(text.im)!, zoom: readZoom(text.zoom)! };
    assert.deepEqual(back, place);
    assert.deepEqual(words(back), text);
  }
});

test('a link shows the very pixels', () => {
  const next = random(11);
  for (const zoom of DEPTHS) {
    const place = panned(somewhere(zoom, next), 123.4, -56.7, 900);
    const { x, y } = offset(place, settled(place), 900);
    assert.ok(Math.hypot(x, y) < 1 / 8, `zoom ${zoom}: off by ${x}, ${y}`);
  }
});

test('decimals of every form, and nothing else', () => {
  for (const [text, same] of [
    ['-0.5', '-5e-1'],
    ['+.25', '2.5E-1'],
    ['-1.', '-1.000'],
    ['0', '-0'],
    ['1e0', '10e-1'],
  ] as const) {
    assert.equal(readRe(text), readRe(same), text);
    assert.notEqual(readRe(text), null, text);
  }
  const long = '0.' + '1'.repeat(5000);
  for (const text of [
    '',
    '.',
    'e5',
    '1e',
    'abc',
    '0x1',
    '1 ',
    '1,5',
    '--1',
    'NaN',
    '1e99999',
    long,
  ])
    assert.equal(readRe(text), null, text.slice(0, 20));
  assert.deepEqual(
    ['1.5', '1.51', '-2.5', '-2.51'].map(text => readRe(text) !== null),
    [true, false, true, false],
  );
  assert.deepEqual(
    ['2', '2.01', '-2', '-3'].map(text => readIm(text) !== null),
    [true, false, true, false],
  );
});

test('zooms as people write them', () => {
  for (const [text, shown] of [
    ['1', '1'],
    ['0.25', '0.25'],
    ['12345.6', '12345.6'],
    ['999999.9', '1e6'],
    ['1e40', '1e40'],
    ['1.5e320', '1.5e320'],
    ['1' + '0'.repeat(320), '1e320'],
    ['0.01e42', '1e40'],
    ['1e1233', '1e1233'],
  ] as const) {
    assert.equal(zoomText(readZoom(text)!), shown);
  }
  assert.equal(zoomText(readZoom('1.2345e34')!, 2), '1.2e34');
  for (const text of ['0', '-1', '1e-1', '1e1234', 'x', ''])
    assert.equal(readZoom(text), null, text);
});

test('the point under the pointer stays where it is', () => {
  const next = random(3);
  for (const zoom of [3, 5, 52, 400.3, 4000]) {
    const place = { ...somewhere(zoom, next), zoom };
    for (const by of [-0.7, 0.01, 1, 3.3]) {
      const [x, y] = [next() * 900 - 450, next() * 700 - 350];
      const point = panned(place, x, y, 700);
      const after = zoomed(place, zoom + by, x, y, 700);
      const seen = offset(after, point, 700);
      assert.ok(Math.hypot(seen.x - x, seen.y - y) < 1e-6, `${zoom} ${by}: ${seen.x} ${x}`);
      assert.equal(after.zoom, zoom + by);
    }
  }
});

test('there and back is where we were', () => {
  const next = random(5);
  for (const zoom of DEPTHS) {
    const place = somewhere(zoom, next);
    const back = panned(panned(place, 37, -21, 800), -37, 21, 800);
    assert.deepEqual(back, place);
  }
  const deepest = zoomed(HOME, 9999, 10, 10, 800);
  assert.equal(deepest.zoom, MAX_ZOOM);
  assert.equal(panned(HOME, 1e9, 0, 800).re, readRe('1.5'), 'the map ends where its tiles do');
});

test('tiles as the server counts them', () => {
  assert.deepEqual(cellOf(HOME, 0), { column: 0n, row: 0n, x: 0.5, y: 0.5 });
  const corner = { re: readRe('-2.5')!, im: readIm('2')!, zoom: 0 };
  assert.deepEqual(cellOf(corner, 5), { column: 0n, row: 0n, x: 0, y: 0 });
  // -1.5 - i is the middle of 1/0/1.
  const middle = { re: readRe('-1.5')!, im: readIm('-1')!, zoom: 0 };
  assert.deepEqual(cellOf(middle, 1), { column: 0n, row: 1n, x: 0.5, y: 0.5 });
  const deep = cellOf({ re: readRe('1.5')!, im: readIm('-2')!, zoom: 0 }, 4096);
  assert.equal(deep.column, 1n << 4096n, 'the end of the grid');
});

test('a cover holds every pixel, from the middle outwards, and never too many', () => {
  const next = random(9);
  for (const [width, height, ratio] of [
    [360, 400, 3],
    [1240, 540, 1],
    [3840, 2000, 1],
    [7680, 4000, 1],
  ] as const) {
    const size = { width, height, ratio };
    for (const zoom of [4, 7.49, 60.5, 4090]) {
      const place = somewhere(zoom, next);
      const level = levelFor(place, size);
      const { tiles, left, top, side } = cover(place, size, level);
      assert.ok(tiles.length > 0 && tiles.length <= MAX_COVER, `${tiles.length} tiles`);
      if (width < 2000) assert.ok(side * ratio > 180 && side * ratio < 363, `sharp: ${side}`);
      const keys = new Set(tiles.map(tile => `${tile.x},${tile.y}`));
      for (const [x, y] of [
        [0, 0],
        [width - 1, height - 1],
        [width / 2, height / 2],
      ] as const) {
        const at = `${Math.floor((x - left) / side)},${Math.floor((y - top) / side)}`;
        assert.ok(keys.has(at), `${at} of ${width} at ${zoom}`);
      }
      assert.equal(tiles[0]!.key, tiles.find(tile => tile.x === 0 && tile.y === 0)!.key);
    }
  }
});

test('a cover is kept while it has the same tiles', () => {
  const size = { width: 1000, height: 600, ratio: 1 };
  const first = cover(HOME, size, 3);
  const moved = cover(panned(HOME, 1, 0, 600), size, 3, first);
  assert.equal(moved, first);
  assert.notEqual(cover(panned(HOME, 300, 0, 600), size, 3, first), first);
});

test('a flight begins with the whole set and ends at its goal', () => {
  for (const { re, im, zoom } of famous) {
    const goal = { re: readRe(re)!, im: readIm(im)!, zoom: readZoom(zoom)! };
    assert.deepEqual(onTheWay(goal, 0), HOME);
    assert.deepEqual(onTheWay(goal, goal.zoom), goal);
    let far = Infinity;
    for (let z = 0; z <= goal.zoom; z += 0.25) {
      const { x, y } = offset(onTheWay(goal, z), goal, 600);
      assert.ok(Math.hypot(x, y) <= far, 'the goal comes nearer to the middle of the screen');
      far = Math.hypot(x, y);
    }
    assert.equal(far, 0);
  }
});
