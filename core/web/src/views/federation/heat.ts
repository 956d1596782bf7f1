// Buckets of the heatmap as rows of cells. The rule: a column is a stretch of time whether events fell into it or not, and
// an empty cell is null, never nought.

export interface Cell {
  avg: number;
  count: number;
}
export interface Bucket extends Cell {
  start: string;
  min: number;
  max: number;
  nodes: Record<string, Cell>;
  weighted_avg?: number | null;
}
export interface Heatmap {
  node_id: string;
  bucket_seconds: number;
  buckets: Bucket[];
}
export interface HeatRow {
  name: string;
  cells: (Cell | null)[];
}
export interface Heat {
  /** Starts of the columns, in milliseconds since the epoch. */
  starts: number[];
  rows: HeatRow[];
  /** Least and greatest average; null without any. */
  low: number | null;
  high: number | null;
}

export const COLUMNS = 40;
/** Nodes that have a row; the rest is in the first one with all others. */
export const MOST_ROWS = 32;

export function heat(map: Heatmap): Heat {
  const step = map.bucket_seconds * 1000;
  const at = new Map(map.buckets.map(bucket => [Date.parse(bucket.start), bucket]));
  const last = Math.max(...at.keys());
  if (!isFinite(last)) return { starts: [], rows: [], low: null, high: null };
  const starts = Array.from({ length: COLUMNS }, (_, i) => last - (COLUMNS - 1 - i) * step);
  const row = (name: string, of: (bucket: Bucket) => Cell | undefined): HeatRow => ({
    name,
    cells: starts.map(start => {
      const cell = at.has(start) ? of(at.get(start)!) : undefined;
      return cell && cell.count > 0 ? { avg: cell.avg, count: cell.count } : null;
    }),
  });
  const nodes = new Set(map.buckets.flatMap(bucket => Object.keys(bucket.nodes)));
  const names = [...nodes].sort().slice(0, MOST_ROWS);
  // Where no source of a minute counts, it has no weighted average.
  const weigh = ({ weighted_avg, count }: Bucket) =>
    typeof weighted_avg === 'number' ? { avg: weighted_avg, count } : undefined;
  const rows = [
    row('All nodes', bucket => bucket),
    ...(map.buckets.some(weigh) ? [row('All, weighted', weigh)] : []),
    ...names.map(name => row(name, bucket => bucket.nodes[name])),
  ];
  const averages = rows.flatMap(({ cells }) => cells.flatMap(cell => cell?.avg ?? []));
  const ends = averages.length > 0 ? [Math.min(...averages), Math.max(...averages)] : [];
  return { starts, rows, low: ends[0] ?? null, high: ends[1] ?? null };
}

/** The colour of a part of the scale, 0..=1; the least still differs from an empty cell. */
export const shade = (part: number): string =>
  `color-mix(in oklab, var(--accent) ${Math.round(12 + 88 * part)}%, var(--raised))`;

/** The cells of a row as stops of a gradient, one beside the other; what is empty is clear. */
export function stops(cells: readonly (Cell | null)[], { low, high }: Heat): string {
  const [least, spread] = [low ?? 0, (high ?? 0) - (low ?? 0)];
  return cells
    .map((cell, i) => {
      const part = cell && spread > 0 ? (cell.avg - least) / spread : 0.5;
      const from = (100 * i) / COLUMNS;
      return `${cell && isFinite(part) ? shade(part) : '#0000'} ${from}% ${from + 100 / COLUMNS}%`;
    })
    .join();
}

/** All events of a row and their average. */
export function total(cells: readonly (Cell | null)[]) {
  let [count, sum] = [0, 0];
  for (const cell of cells) {
    count += cell?.count ?? 0;
    sum += cell ? cell.avg * cell.count : 0;
  }
  return { count, avg: count > 0 ? sum / count : null };
}
