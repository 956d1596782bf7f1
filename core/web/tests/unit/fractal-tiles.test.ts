// Tiles on their way: bounded, cancelled, tried again only where that helps.

import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { Problem } from '../../src/lib/api';
import type { Tile } from '../../src/views/fractal/cover';
import { MAX_FLYING, Tiles } from '../../src/views/fractal/tiles';

const tile = (n: number, level = 5): Tile => ({
  key: `${level}/${n}`,
  level,
  column: BigInt(n),
  row: 0n,
});
const row = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => tile(from + i));

class Bitmap {
  closed = false;
  close() {
    assert.ok(!this.closed, 'closed once');
    this.closed = true;
  }
}

/** A server that answers when it is told to. */
function server() {
  const open = new Map<string, { give: (error?: unknown) => Promise<void>; signal: AbortSignal }>();
  const made = new Map<string, Bitmap>();
  const asked: string[] = [];
  const tiles = new Tiles<Bitmap>(
    (tile, signal) =>
      new Promise((resolve, reject) => {
        asked.push(tile.key);
        const give = async (error?: unknown) => {
          open.delete(tile.key);
          const bitmap = new Bitmap();
          if (error) reject(error);
          else {
            made.set(tile.key, bitmap);
            resolve(bitmap);
          }
          for (let i = 0; i < 5; i += 1) await Promise.resolve();
        };
        signal.addEventListener('abort', () => open.delete(tile.key));
        open.set(tile.key, { give, signal });
      }),
    () => {},
  );
  const all = async () => {
    while (open.size > 0) for (const one of [...open.values()]) await one.give();
  };
  return { tiles, open, asked, made, all };
}

beforeEach(() => mock.timers.reset());

test('at most six at once, in the order of the wish', async () => {
  const { tiles, open, asked, all } = server();
  tiles.want(row(0, 20));
  assert.deepEqual(
    asked,
    row(0, MAX_FLYING).map(one => one.key),
  );
  assert.equal(tiles.pending, 20);
  await open.get('5/2')!.give();
  assert.equal(open.size, MAX_FLYING);
  assert.equal(asked.at(-1), '5/6');
  await all();
  assert.equal(tiles.pending, 0);
  assert.ok(tiles.complete(row(0, 20)) && tiles.has(5) && !tiles.has(4));
  assert.equal(new Set(asked).size, asked.length, 'none twice');
});

test('what left the screen is cancelled, and closed when it comes all the same', async () => {
  const { tiles, open, made } = server();
  tiles.want(row(0, 3));
  const [first, second] = [open.get('5/0')!, open.get('5/1')!];
  tiles.want([tile(1), tile(9)]);
  assert.ok(first.signal.aborted && !second.signal.aborted);
  assert.deepEqual([...open.keys()], ['5/1', '5/9']);
  await first.give();
  assert.ok(made.get('5/0')!.closed);
  assert.equal(tiles.get('5/0'), undefined);
});

test('the oldest make room and are closed', async () => {
  const { tiles, made, all } = server();
  for (let from = 0; from < 300; from += 30) {
    tiles.want(row(from, from + 30));
    await all();
    tiles.get('5/0');
  }
  assert.equal(tiles.size, 96);
  assert.equal([...made.values()].filter(one => !one.closed).length, 96);
  assert.ok(tiles.get('5/0'), 'it was looked at all the time');
  assert.ok(!tiles.get('5/1') && made.get('5/1')!.closed);
  tiles.dispose();
  assert.ok([...made.values()].every(one => one.closed));
});

test('what the server will never draw is asked for once', async () => {
  for (const status of [400, 404]) {
    const { tiles, open, asked } = server();
    tiles.want([tile(0)]);
    await open.get('5/0')!.give(new Problem('no', status));
    tiles.want([tile(0), tile(1)]);
    assert.deepEqual(asked, ['5/0', '5/1']);
    assert.equal(tiles.problem, null);
    assert.ok(tiles.complete([tile(0)]), 'nothing more will come of it');
  }
});

test('a busy server is left alone for as long as it says, then asked for one', async () => {
  for (const [status, after] of [
    [503, 2],
    [429, 7],
    [0, 0],
  ] as const) {
    mock.timers.enable({ apis: ['setTimeout'] });
    const { tiles, open, asked, all } = server();
    tiles.want(row(0, 8));
    const busy = new Problem('busy', status, {}, after);
    for (const one of [...open.values()]) await one.give(busy);
    assert.equal(tiles.problem, busy);
    assert.equal(asked.length, MAX_FLYING);
    tiles.want(row(0, 9));
    mock.timers.tick(Math.max(100, after * 1000 - 1));
    assert.equal(open.size, 0, 'not before');
    mock.timers.tick(10_000);
    assert.equal(open.size, 1, 'one to see');
    await [...open.values()][0]!.give();
    assert.equal(tiles.problem, null);
    assert.equal(open.size, MAX_FLYING);
    await all();
    assert.equal(tiles.pending, 0);
    mock.timers.reset();
  }
});
