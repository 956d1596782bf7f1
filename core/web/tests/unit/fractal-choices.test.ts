// What an address chooses, and how a view is written as a picture; how the map moves by itself.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choices, drawnBy, fitted, iterations, picture } from '../../src/views/fractal/choices';
import { Motion, Speed } from '../../src/views/fractal/motion';
import { HOME, readZoom } from '../../src/views/fractal/place';

const read = (text: string) => choices(new URLSearchParams(text));

test('an empty address has the usual values', () => {
  const { bad, place, ...rest } = read('');
  assert.deepEqual(bad, []);
  assert.deepEqual(place, HOME);
  assert.deepEqual(rest, {
    mode: 'stream',
    formula: 'mandelbrot',
    palette: 'shimmer',
    ascii: false,
    kiosk: false,
  });
});

test('a bad value is named and the usual one takes its place', () => {
  const all = 'mode=fly&formula=newton&palette=red&re=9&im=x&zoom=-1&format=svg';
  const { bad, place, mode } = read(all);
  assert.deepEqual(bad, ['mode', 'formula', 'palette', 'format', 're', 'im', 'zoom']);
  assert.deepEqual(place, HOME);
  assert.equal(mode, 'stream');
  const good = read('mode=explore&zoom=zz&palette=ocean');
  assert.deepEqual([good.bad, good.mode, good.palette], [['zoom'], 'explore', 'ocean']);
});

test('a view as a picture and as a command', () => {
  const look = { formula: 'julia', palette: 'ember' } as const;
  const { path, command, name } = picture({ ...HOME, zoom: readZoom('1e4')! }, look, [800, 600]);
  const query = new URLSearchParams(path.split('?')[1]);
  assert.deepEqual(
    ['re', 'im', 'zoom', 'width', 'c', 'max_iter'].map(one => query.get(one)),
    ['-0.5', '0', '10000', '800', '-0.8,0.156', '2328'],
  );
  assert.equal(name, 'julia-10000.png');
  assert.equal(
    command,
    'shimmer render --re=-0.5 --im=0 --zoom=10000 --width=800 --height=600 --palette=ember ' +
      '--formula=julia --c=-0.8,0.156 --output=julia-10000.png',
  );
});

test('pictures are never more than the server draws', () => {
  assert.deepEqual(fitted(800, 600, 1e9), [800, 600]);
  for (const zoom of [0, 100, 4096]) {
    const { path } = picture({ ...HOME, zoom }, read(''), [4000, 3000]);
    const query = new URLSearchParams(path.split('?')[1]);
    const pixels = Number(query.get('width')) * Number(query.get('height'));
    assert.ok(pixels <= 4_194_304 && pixels * iterations(zoom) <= 1e11, path);
    assert.ok(pixels > 50_000);
  }
});

test('who drew it', () => {
  assert.deepEqual(drawnBy('render;dur=12.5;desc=gpu'), { backend: 'gpu', ms: 12.5 });
  assert.equal(drawnBy(null), null);
  assert.equal(drawnBy('cache;dur=1'), null);
});

test('a movement is spent whole, whatever the frames', () => {
  for (const frame of [4, 16, 50]) {
    const motion = new Motion();
    motion.push({ x: 100, y: -40, zoom: 2 }, 90);
    const sum = { x: 0, y: 0, zoom: 0 };
    for (let i = 0; motion.moves; i += 1) {
      assert.ok(i < 1000);
      const { x, y, zoom } = motion.spend(frame);
      sum.x += x;
      sum.y += y;
      sum.zoom += zoom;
    }
    assert.ok(Math.abs(sum.x - 100) < 0.2 && Math.abs(sum.y + 40) < 0.2);
    assert.ok(Math.abs(sum.zoom - 2) < 0.002);
  }
  const still = new Motion();
  still.push({ x: 100, zoom: 1 }, 0);
  assert.deepEqual(still.spend(16), { x: 100, y: 0, zoom: 1 });
  assert.ok(!still.moves, 'all at once');
});

test('a hand that rests before it lets go does not throw', () => {
  const speed = new Speed();
  for (let at = 0; at <= 100; at += 10) speed.moved(5, 0, at);
  const thrown = speed.at(110);
  assert.ok(thrown.x > 0.4 && thrown.x <= 0.5, String(thrown.x));
  assert.deepEqual(speed.at(300), { x: 0, y: 0 });
});
