// The mesh and its heatmap, without a page.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COLUMNS, heat, MOST_ROWS, stops, total } from '../../src/views/federation/heat';
import { gossiped, MOST_DRAWN, quiet, ring, type Peer } from '../../src/views/federation/mesh';

const peer = (id: string, last_gossip: string | null): Peer => ({
  node_id: id,
  peer_id: id,
  address: 'ws://x:8091',
  direction: 'in',
  latency_ms: 1,
  last_gossip,
  score: 0,
});
const minute = (n: number) => new Date(60_000 * n).toISOString();
const bucket = (n: number, nodes: Record<string, { avg: number; count: number }>, more = {}) => {
  const all = total(Object.values(nodes));
  return { start: minute(n), avg: all.avg ?? 0, count: all.count, min: 0, max: 1, nodes, ...more };
};

test('peers stand in a ring, none below the node, no more than are drawn', () => {
  assert.deepEqual(ring(1), [{ x: 0, y: -37 }]);
  const [right, left] = ring(2);
  assert.ok(Math.abs(right!.x - 36) < 1e-9 && Math.abs(right!.y) < 1e-9 && left!.x < -35);
  for (let count = 1; count <= MOST_DRAWN; count += 1)
    assert.ok(
      ring(count).every(({ x, y }) => y < 0 || Math.abs(x) > 3),
      `${count}`,
    );
  assert.equal(ring(1000).length, MOST_DRAWN);
});

test('gossip is what has moved since the former answer', () => {
  const before = [peer('a', minute(1)), peer('b', null)];
  assert.deepEqual(gossiped(before, before), []);
  assert.deepEqual(gossiped(before, [peer('a', minute(2)), peer('b', minute(2))]), ['a', 'b']);
  assert.deepEqual(gossiped(before, [peer('new', minute(2))]), []);
});

test('a peer is quiet after a minute, and before its first word', () => {
  const now = Date.parse(minute(10));
  assert.equal(quiet(peer('a', new Date(now - 59_000).toISOString()), now), false);
  assert.equal(quiet(peer('a', new Date(now - 61_000).toISOString()), now), true);
  assert.equal(quiet(peer('a', null), now), true);
});

test('columns are stretches of time, whether something fell into them or not', () => {
  const shape = heat({
    node_id: 'a',
    bucket_seconds: 60,
    buckets: [
      bucket(100, { a: { avg: 0.2, count: 1 }, b: { avg: 0.8, count: 3 } }),
      bucket(102, { b: { avg: 0.5, count: 2 } }, { weighted_avg: 0.4 }),
      bucket(103, { b: { avg: 0, count: 0 } }),
    ],
  });
  assert.deepEqual([shape.starts.length, shape.starts.at(-1)], [COLUMNS, 103 * 60_000]);
  assert.deepEqual(
    shape.rows.map(row => row.name),
    ['All nodes', 'All, weighted', 'a', 'b'],
  );
  assert.deepEqual(shape.rows[3]?.cells.slice(-4), [
    { avg: 0.8, count: 3 },
    null,
    { avg: 0.5, count: 2 },
    null,
  ]);
  assert.deepEqual(shape.rows[1]?.cells.slice(-4), [null, null, { avg: 0.4, count: 2 }, null]);
  assert.deepEqual([shape.low, shape.high], [0.2, 0.8]);
  const gradient = stops(shape.rows[2]!.cells, shape).split(/,(?=[c#])/);
  assert.equal(gradient.length, COLUMNS);
  assert.match(gradient.at(-4)!, /accent\) 12%.* 90% 92.5%$/);
  assert.match(gradient.at(-1)!, /^#0000 97.5% 100%$/);
});

test('a heatmap is bounded, and may be empty', () => {
  const nodes = Object.fromEntries(
    Array.from({ length: 100 }, (_, i) => [`n${i}`, { avg: 1, count: 1 }]),
  );
  const shape = heat({ node_id: 'a', bucket_seconds: 60, buckets: [bucket(1, nodes)] });
  assert.equal(shape.rows.length, MOST_ROWS + 1);
  assert.deepEqual(heat({ node_id: 'a', bucket_seconds: 60, buckets: [] }).rows, []);
});

test('an average over a row weighs its cells by their events', () => {
  assert.deepEqual(total([{ avg: 1, count: 3 }, null, { avg: 0, count: 1 }]), {
    count: 4,
    avg: 0.75,
  });
  assert.deepEqual(total([null]), { count: 0, avg: null });
});
