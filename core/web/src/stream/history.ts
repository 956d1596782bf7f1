// What the history plugin remembers of the time before the page was opened. The rule: it fills buckets that are empty,
// and never touches what the page has seen itself.

import { get } from '../lib/api';
import type { Range } from './ranges';
import type { Rollup } from './rollup';
import { within, type SeriesTable } from './series';

/** Buckets of one series, as the plugin answers them. */
export interface History {
  buckets: { start: string | number; avg?: number | null; value?: number | null }[];
}

export interface Point {
  /** Seconds since the epoch. */
  time: number;
  value: number | null;
}

/** What the buckets say, oldest first; nothing of an answer that has none. */
export function points(history: Partial<History>): Point[] {
  const buckets = Array.isArray(history.buckets) ? history.buckets : [];
  return buckets.map(({ start, avg, value }) => ({
    time: typeof start === 'number' ? start : Date.parse(start) / 1000,
    value: avg ?? value ?? null,
  }));
}

/** Fills the buckets of a range, for the rolling score and then for every series, one question after the other. */
export async function remember(
  table: SeriesTable,
  range: Range,
  now: number,
  signal: AbortSignal,
): Promise<void> {
  const score = [
    [table.average, 'avg'],
    [table.least, 'min'],
    [table.greatest, 'max'],
  ] as const;
  for (const [rollups, agg] of score) {
    await fill(within(rollups, range), range, now, { kind: 'beauty', agg }, signal);
  }
  for (const { kind, subject, rollups } of table.all) {
    await fill(within(rollups, range), range, now, { kind, subject, agg: 'avg' }, signal);
  }
}

async function fill(
  rollup: Rollup,
  range: Range,
  now: number,
  what: Record<string, string>,
  signal: AbortSignal,
) {
  const query = new URLSearchParams({
    ...what,
    from: new Date((now - range.seconds) * 1000).toISOString(),
    to: new Date(now * 1000).toISOString(),
    step: String(range.step),
  });
  for (const { time, value } of points(await get<History>(`/api/history?${query}`, { signal }))) {
    if (value !== null) rollup.fill(time, value);
  }
}
