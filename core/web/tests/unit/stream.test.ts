// The stream's plain parts against simple models of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoff } from '../../src/stream/backoff.ts';
import type { Row, StreamEvent } from '../../src/stream/event.ts';
import { everything, Feed, KEPT_ROWS } from '../../src/stream/feed.ts';
import { ranges } from '../../src/stream/ranges.ts';
import { Rolling } from '../../src/stream/rolling.ts';
import { Rollup } from '../../src/stream/rollup.ts';
import { MAX_SERIES, SeriesTable } from '../../src/stream/series.ts';

/** A small generator, so that a failure can be run again. */
function random(seed: number) {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

const event = (seq: number, more: Partial<StreamEvent> = {}): StreamEvent => ({
  seq,
  event_id: `e${seq}`,
  timestamp: '2026-01-01T00:00:00Z',
  received_at: '2026-01-01T00:00:00Z',
  kind: 'k',
  value: 1,
  source: 's',
  origin: 'o',
  ...more,
});

test('waits grow, differ and end at the bound', () => {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const [least, most] = [backoff(attempt, () => 0), backoff(attempt, () => 1)];
    assert.ok(least >= 125 && most <= 10_000 && most === 2 * least, `${attempt}: ${least} ${most}`);
    if (attempt > 0) assert.ok(most >= backoff(attempt - 1, () => 1));
  }
  assert.equal(
    backoff(99, () => 1),
    10_000,
  );
});

test('a rollup knows what a list of all values knows', () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const next = random(seed);
    const [step, length] = [[0.25, 1, 15][seed % 3]!, 8 + (seed % 5)];
    const rollup = new Rollup(step, length);
    const all: [number, number][] = [];
    let now = 1000;
    for (let i = 0; i < 300; i += 1) {
      now += next() * step * 0.7;
      // Some come late: those that still have a bucket count.
      const time = next() < 0.1 ? now - next() * step * (length - 2) : now;
      const value = next() * 10 - 5;
      rollup.add(time, value);
      all.push([time, value]);
    }
    const buckets = length - 1;
    const starts = rollup.starts(now, buckets);
    const averages = rollup.column(now, buckets, 'avg');
    const lasts = rollup.column(now, buckets, 'last');
    starts.forEach((start, i) => {
      const within = all.filter(([time]) => Math.floor(time / step) * step === start);
      if (within.length === 0) return assert.equal(averages[i], null);
      const mean = within.reduce((sum, [, value]) => sum + value, 0) / within.length;
      assert.ok(Math.abs(averages[i]! - mean) < 1e-9, `seed ${seed}, bucket ${i}`);
      assert.equal(lasts[i], within.at(-1)![1]);
    });
  }
});

test('a value older than all buckets is dropped, and an old bucket is not taken for a new one', () => {
  const rollup = new Rollup(1, 4);
  rollup.add(100, 5);
  rollup.add(104.5, 7);
  rollup.add(100.5, 9);
  assert.deepEqual(rollup.column(104.9, 4, 'avg'), [null, null, null, 7]);
});

test('what is remembered fills empty buckets alone', () => {
  const rollup = new Rollup(1, 4);
  rollup.add(102.5, 7);
  for (const time of [99, 101, 102, NaN, -5]) rollup.fill(time, 1);
  assert.deepEqual(rollup.column(103, 4, 'avg'), [null, 1, 7, null]);
});

test('the rolling window holds the newest values and no others', () => {
  const next = random(7);
  const rolling = new Rolling(5);
  assert.equal(rolling.figures(), null);
  const all: number[] = [];
  for (let i = 0; i < 40; i += 1) {
    all.push(next() * 1.5);
    rolling.push(all.at(-1)!);
    const newest = all.slice(-5);
    const figures = rolling.figures()!;
    assert.equal(figures.count, newest.length);
    assert.equal(figures.min, Math.min(...newest));
    assert.equal(figures.max, Math.max(...newest));
    assert.ok(Math.abs(figures.avg - newest.reduce((a, b) => a + b) / newest.length) < 1e-12);
    assert.equal(
      rolling.histogram(0, 1.5, 15).reduce((a, b) => a + b),
      newest.length,
    );
  }
  rolling.push(1.5);
  assert.ok(rolling.histogram(0, 1.5, 15)[14]! >= 1, 'the greatest score has a bin');
});

test('the feed keeps the newest rows, whatever the size of what comes', () => {
  const feed = new Feed();
  let seq = 0;
  const batch = (size: number): Row[] => Array.from({ length: size }, () => event((seq += 1)));
  for (const size of [1, 10, KEPT_ROWS - 1, 3, KEPT_ROWS * 3, 1, 500, 1999]) {
    feed.push(batch(size));
    const all = feed.all() as StreamEvent[];
    assert.equal(all.length, Math.min(seq, KEPT_ROWS));
    assert.equal(feed.size, all.length);
    all.forEach((row, i) => assert.equal(row.seq, seq - i));
  }
  assert.equal(feed.added, seq);
  assert.deepEqual(feed.newest(3, everything), feed.all().slice(0, 3));
});

test('a filter looks at every field, and a gap always passes', () => {
  const feed = new Feed();
  feed.push([
    event(1, { kind: 'a', subject: 'x', source: 'one' }),
    { type: 'gap', from: 2, to: 3 },
    event(4, { kind: 'b', subject: 'y', source: 'two', wisdom: 'Trust the Process' }),
  ]);
  const seqs = (change: object) =>
    feed.newest(10, { ...everything, ...change }).map(row => ('seq' in row ? row.seq : 'gap'));
  assert.deepEqual(seqs({}), [4, 'gap', 1]);
  assert.deepEqual(seqs({ kind: 'a' }), ['gap', 1]);
  assert.deepEqual(seqs({ subject: 'y' }), [4, 'gap']);
  assert.deepEqual(seqs({ source: 'one' }), ['gap', 1]);
  assert.deepEqual(seqs({ text: 'trust THE' }), [4, 'gap']);
  assert.deepEqual(seqs({ kind: 'a', source: 'two' }), ['gap']);
});

test('series beyond the bound are counted, and beauty feeds the rolling score', () => {
  const table = new SeriesTable(3);
  for (let i = 0; i < MAX_SERIES + 5; i += 1) table.add(event(i, { kind: `k${i}` }), 1000);
  assert.equal(table.all.length, MAX_SERIES);
  assert.equal(table.others.size, 5);
  assert.equal(table.figures(), null);
  for (const value of [0.2, 0.4, 0.6, 0.8]) table.add(event(0, { kind: 'beauty', value }), 1001);
  const figures = table.figures()!;
  assert.deepEqual([figures.count, figures.min, figures.max], [3, 0.4, 0.8]);
  for (const [i, range] of ranges.entries()) {
    const buckets = Math.ceil(range.seconds / range.step) + 1;
    const column = table.average[i]!.column(1001, buckets, 'last');
    assert.ok(Math.abs(column.at(-1)! - 0.6) < 1e-12, range.id);
  }
});
