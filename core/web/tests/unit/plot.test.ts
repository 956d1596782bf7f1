// Axes of charts and what a pointer reads on them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest } from '../../src/ui/plot.ts';
import { padded, timeTicks, valueTicks } from '../../src/ui/ticks.ts';

test('marks of values are round, within the axis, and never too many', () => {
  assert.deepEqual(valueTicks(0, 1.5, 4), [0, 0.5, 1, 1.5]);
  assert.deepEqual(valueTicks(-0.31, 0.31, 4), [-0.2, 0, 0.2]);
  assert.deepEqual(valueTicks(0.1, 0.7, 3), [0.2, 0.4, 0.6]);
  for (let i = 1; i < 500; i += 1) {
    const low = Math.sin(i) * 10 ** ((i % 19) - 9);
    const high = low + Math.abs(Math.cos(i)) * 10 ** ((i % 19) - 9 - (i % 5));
    const most = 2 + (i % 7);
    const marks = valueTicks(low, high, most);
    assert.ok(marks.length <= most + 1, `${low} ${high}: ${marks}`);
    const slack = 1e-9 * Math.max(Math.abs(low), Math.abs(high));
    assert.ok(
      marks.every(mark => mark >= low - slack && mark <= high + slack),
      `${low} ${high}: ${marks}`,
    );
    assert.ok(marks.every((mark, at) => at === 0 || mark > marks[at - 1]!));
  }
});

test('an axis without an extent has no marks', () => {
  for (const [low, high] of [
    [1, 1],
    [2, 1],
    [NaN, 1],
    [0, Infinity],
  ] as const) {
    assert.deepEqual(valueTicks(low, high, 5), []);
    assert.deepEqual(timeTicks(low, high, 5), []);
  }
});

test('marks of time are those of a clock, in the reader’s zone', () => {
  const noon = Date.UTC(2026, 0, 1, 12) / 1000;
  assert.deepEqual(
    timeTicks(noon - 60, noon, 6, 0).map(time => time - noon),
    [-60, -50, -40, -30, -20, -10, 0],
  );
  const day = timeTicks(noon - 86_400, noon, 8, 0);
  assert.ok(day.every(time => time % 10_800 === 0) && day.length === 9);
  // Where clocks stand half an hour apart from UTC, so do the marks.
  const india = timeTicks(noon - 86_400, noon, 8, 19_800);
  assert.ok(india.every(time => (time + 19_800) % 10_800 === 0));
  assert.ok(timeTicks(0, 40 * 86_400, 5, 0).length <= 6);
});

test('an axis holds its values with a little room', () => {
  const [low, high] = padded([[1, null, 3], [2]]);
  assert.ok(low < 1 && low > 0.8 && high > 3 && high < 3.2);
  assert.deepEqual(padded([[null], []]), [0, 1]);
  const [flat, top] = padded([[5, 5]]);
  assert.ok(flat < 5 && top > 5);
  const [zero, one] = padded([[0]]);
  assert.ok(zero < 0 && one > 0);
});

test('a pointer reads the nearest point that holds a value', () => {
  const times = [10, 20, 30, 40];
  assert.equal(nearest([times, [1, null, null, 4]], 22), 0);
  assert.equal(nearest([times, [1, null, null, 4], [null, null, 7, null]], 22), 2);
  assert.equal(nearest([times, [null, null, null, null]], 22), null);
  assert.equal(nearest([[]], 22), null);
});
