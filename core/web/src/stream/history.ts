// What the history plugin remembers of the time before the page was opened. The rule: it fills buckets that are empty,
// and never touches what the page has seen itself.

import { get } from '../lib/api';
import type { Range } from './ranges';
import type { Rollup } from './rollup';
import { within, type SeriesTable } from './series';

interface Answer {
  buckets?: { start?: string; value?: number | null; avg?: number | null }[];
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
  const answer = await get<Answer>(`/api/history?${query}`, { signal });
  for (const { start, value, avg } of answer.buckets ?? []) {
    const figure = value ?? avg;
    if (typeof start === 'string' && typeof figure === 'number') {
      rollup.fill(Date.parse(start) / 1000, figure);
    }
  }
}
