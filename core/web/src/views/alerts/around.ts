// The series around an alert as columns of a chart. The rule: what was expected stands behind every point.

import { points, type History } from '../../stream/history';
import { ranges, type Range } from '../../stream/ranges';
import { within, type Series } from '../../stream/series';
import type { Columns } from '../../ui/Chart.svelte';
import type { Alert } from './alerts';

/** Most points that are drawn. */
const MOST = 360;

/** The shortest range of the page's own buckets in which the beginning of an alert still stands. */
export function rangeFor(startsAt: number, now: number): Range {
  const age = (now - startsAt) * 1.25;
  return ranges.find(range => range.seconds >= age) ?? ranges[ranges.length - 1]!;
}

/** What the page itself has seen. */
export function seen(series: Series | undefined, alert: Alert, now: number): Columns {
  if (!series) return [[], [], [], []];
  const range = rangeFor(Date.parse(alert.starts_at) / 1000, now);
  const rollup = within(series.rollups, range);
  const buckets = Math.min(MOST, Math.ceil(range.seconds / range.step));
  return columns(alert, rollup.starts(now, buckets), rollup.column(now, buckets, 'avg'));
}

/** What the history plugin has kept. */
export function kept(history: History, alert: Alert): Columns {
  const kept = points(history).slice(-MOST);
  return columns(
    alert,
    kept.map(({ time }) => time),
    kept.map(({ value }) => value),
  );
}

/** Empty buckets inside are left out, so that few values are seen as points; the ends stay and the band spans all. */
function columns(alert: Alert, times: number[], values: (number | null)[]): Columns {
  const last = times.length - 1;
  const kept = times.map((_, i) => i).filter(i => values[i] !== null || i === 0 || i === last);
  const edge = (at: number | null | undefined) => kept.map(() => at ?? null);
  return [
    kept.map(i => times[i]!),
    kept.map(i => values[i]!),
    edge(alert.expected?.high),
    edge(alert.expected?.low),
  ];
}

/** The question to the history plugin: as long before the alert as it has lasted, half an hour at least. */
export function question(alert: Alert, now: number): string {
  const start = Date.parse(alert.starts_at) / 1000;
  const end = alert.resolution_time ? Date.parse(alert.resolution_time) / 1000 : now;
  const room = Math.max(1800, end - start);
  const [from, to] = [start - room, Math.min(now, end + room)];
  const iso = (seconds: number) => new Date(1000 * seconds).toISOString();
  return String(
    new URLSearchParams({
      kind: alert.labels?.kind ?? alert.type,
      subject: alert.subject,
      from: iso(from),
      to: iso(to),
      step: String(Math.max(1, Math.ceil((to - from) / MOST))),
      agg: 'avg',
    }),
  );
}
