// Addresses and texts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  clock,
  count,
  duration,
  line,
  memory,
  percent,
  score,
  value,
} from '../../src/lib/format.ts';
import { href, parse } from '../../src/lib/route.ts';

const KNOWN = ['live', 'fractal', 'plugins', 'federation'];

test('every address leads to a view', () => {
  const view = (path: string) => parse(path, '', KNOWN).view;
  for (const path of ['/', '/ui', '/ui/', '/ui/live', '/ui/nothing', '/other', '/ui//', '']) {
    assert.equal(view(path), 'live', path);
  }
  assert.equal(view('/ui/fractal'), 'fractal');
  assert.equal(view('/federated/map'), 'federation');
  assert.deepEqual(parse('/ui/plugins/a%2Fb/', '?x=1', KNOWN).rest, ['a/b']);
  assert.deepEqual(parse('/ui/plugins/%zz', '', KNOWN).rest, ['%zz']);
  assert.equal(parse('/ui/live', '?kind=a%20b', KNOWN).query.get('kind'), 'a b');
});

test('what lasts goes along, the rest does not', () => {
  const present = new URLSearchParams('kiosk=&theme=light&kind=a');
  assert.equal(href('/ui/dao', present), '/ui/dao?kiosk=&theme=light');
  assert.equal(href('/ui/dao', new URLSearchParams(), { a: 'b c' }), '/ui/dao?a=b+c');
});

test('foreign text becomes one harmless line', () => {
  assert.equal(line('a\nb\u0000c\u007f'), 'a␊b␀c␡');
  assert.equal(line('\u202eevil\u2066'), '\ufffdevil\ufffd');
  assert.equal(line('🦀'.repeat(10), 3), '🦀🦀🦀…');
  assert.equal(line('x'.repeat(1e6)).length, 201);
  assert.equal(line(null), '');
  assert.equal(line({}), '[object Object]');
  assert.equal(line('<b>&amp;'), '<b>&amp;');
});

test('numbers read at a glance', () => {
  assert.deepEqual([count(12345), count(null), count(NaN)], ['12,345', '–', '–']);
  assert.deepEqual(
    [value(0.000001), value(1e300), value(-12.3456789), value(0)],
    ['1.000e-6', '1.000e+300', '-12.3457', '0'],
  );
  assert.deepEqual([score(0.5), percent(12.34), memory(7.14)], ['0.500', '12.3 %', '7.1 MB']);
  assert.deepEqual([59, 61, 3700, 90_000].map(duration), ['59s', '1m 1s', '1h 1m', '1d 1h']);
  assert.match(clock('2026-01-01T00:00:05Z'), /^\d\d:\d\d:05$/);
  assert.equal(clock('nonsense'), '–');
});
