// What follows from alerts, without a page.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  beyond,
  chosen,
  look,
  matchers,
  matchersOf,
  news,
  written,
  type Alert,
} from '../../src/views/alerts/alerts';
import { kept, question, rangeFor, seen } from '../../src/views/alerts/around';
import { Rollup } from '../../src/stream/rollup';
import { ranges } from '../../src/stream/ranges';

const alert = (id: string, more: Partial<Alert> = {}): Alert => ({
  id,
  type: 'latency',
  severity: 'warning',
  subject: 'ec2',
  description: `alert ${id}`,
  score: 0.8,
  timestamp: '2026-01-01T00:00:10Z',
  recommended_actions: [],
  resolved: false,
  resolution_time: null,
  state: 'firing',
  fingerprint: '0123456789abcdef',
  labels: { kind: 'latency', subject: 'ec2' },
  expected: { low: 10, high: 14 },
  value: 50,
  method: 'robust z',
  starts_at: '2026-01-01T00:00:00Z',
  acked_by: null,
  reduced_sensitivity: false,
  runbook_url: '',
  ...more,
});
const none = { state: '', severity: '', kind: '', subject: '' };

test('the most pressing comes first', () => {
  const all = [
    alert('done', { state: 'resolved', severity: 'critical' }),
    alert('old', { severity: 'critical' }),
    alert('mild', { severity: 'info' }),
    alert('new', { severity: 'critical', starts_at: '2026-01-01T00:00:01Z' }),
    alert('odd', { state: 'unheard' as Alert['state'] }),
  ];
  assert.deepEqual(
    chosen(all, none).map(one => one.id),
    ['new', 'old', 'mild', 'done', 'odd'],
  );
  const ids = (filter: object) => chosen(all, { ...none, ...filter }).map(one => one.id);
  assert.deepEqual(ids({ state: 'resolved' }), ['done']);
  assert.deepEqual(ids({ severity: 'info', kind: 'latency', subject: 'ec2' }), ['mild']);
  assert.deepEqual(ids({ kind: 'other' }), []);
});

test('only what newly fires is news', () => {
  const before = [alert('a'), alert('b', { state: 'pending' })];
  assert.equal(news(before, before), '');
  assert.equal(news(before, [alert('a', { state: 'resolved' })]), '');
  assert.equal(news(before, [alert('a'), alert('b')]), 'Warning alert: alert b');
  assert.equal(news(before, [alert('b'), alert('c')]), '2 new alerts fire');
});

test('a value is above, below or within what was expected', () => {
  assert.equal(beyond(alert('a')), 'above');
  assert.equal(beyond(alert('a', { value: 3 })), 'below');
  assert.equal(beyond(alert('a', { value: 14 })), 'within');
  assert.equal(beyond(alert('a', { expected: null })), 'within');
});

test('matchers are read as they are written', () => {
  const all = [
    { name: 'kind', op: '=', value: 'la"te\\ncy' },
    { name: 'subject', op: '!~', value: 'ec2.*' },
  ] as const;
  assert.deepEqual(matchers(written(all)), all);
  assert.deepEqual(matchers('a=b\n\n c != "d e" '), [
    { name: 'a', op: '=', value: 'b' },
    { name: 'c', op: '!=', value: 'd e' },
  ]);
  assert.deepEqual(matchersOf(alert('x')), [
    { name: 'kind', op: '=', value: 'latency' },
    { name: 'subject', op: '=', value: 'ec2' },
  ]);
  for (const bad of ['', 'kind', '=x', 'a=b c', 'a="b', 'a b=c', 'a=b\n'.repeat(21)])
    assert.equal(matchers(bad), null, bad);
});

test('an unknown state is shown as it is', () => {
  assert.deepEqual(look('strange'), { tone: 'idle', icon: '●', word: 'Strange' });
});

test('the range reaches back behind the beginning', () => {
  assert.equal(rangeFor(1000, 1010).id, 'live');
  assert.equal(rangeFor(1000, 1055).id, '5m');
  assert.equal(rangeFor(0, 1e9).id, '24h');
});

test('what the page has seen has the band behind every point', () => {
  const rollups = ranges.map(range => new Rollup(range.step, range.seconds / range.step + 2));
  const began = Date.parse('2026-01-01T00:00:00Z') / 1000;
  for (const rollup of rollups) rollup.add(began, 50);
  const series = { key: '', kind: 'latency', subject: 'ec2', rollups };
  const [times, values, high, low] = seen(series, alert('a'), began + 20);
  assert.deepEqual(values, [null, 50, null]);
  assert.equal(times[values?.indexOf(50) ?? -1], began);
  assert.ok(high?.length === times.length && high.every(value => value === 14));
  assert.ok(low?.every(value => value === 10));
  assert.deepEqual(seen(undefined, alert('a'), 0), [[], [], [], []]);
});

test('history is asked around the alert and drawn as it comes', () => {
  const asked = new URLSearchParams(
    question(alert('a'), Date.parse('2026-01-01T00:05:00Z') / 1000),
  );
  assert.equal(asked.get('from'), '2025-12-31T23:30:00.000Z');
  assert.equal(asked.get('to'), '2026-01-01T00:05:00.000Z');
  assert.equal(asked.get('kind'), 'latency');
  const start = '2026-01-01T00:00:00Z';
  const [times, values] = kept({ buckets: [{ start, avg: 3 }, { start: 7 }] }, alert('a'));
  assert.deepEqual(
    [times, values],
    [
      [Date.parse(start) / 1000, 7],
      [3, null],
    ],
  );
});
