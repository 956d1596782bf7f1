// Columns of a chart out of buckets.

import type { Range } from '../../stream/ranges';
import type { Figure, Rollup } from '../../stream/rollup';
import { within } from '../../stream/series';
import type { Columns } from '../../ui/Chart.svelte';

/** Buckets of a range that stand on the chart, the one that is still filling among them. */
const buckets = (range: Range) => Math.ceil(range.seconds / range.step) + 1;

/** Times, then a column for each series. */
export function columns(
  series: readonly (readonly Rollup[])[],
  range: Range,
  now: number,
  figure: Figure,
): Columns {
  const length = buckets(range);
  const chosen = series.map(rollups => within(rollups, range));
  const times = chosen[0]?.starts(now, length) ?? [];
  return [times, ...chosen.map(rollup => rollup.column(now, length, figure))];
}
