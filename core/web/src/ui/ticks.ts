// Where an axis has its marks. The rule: steps are those that people count in, and there are never more marks than fit.

/** Seconds, minutes, hours and days as clocks divide them. */
const CLOCK_STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
];
const DAY_S = 86_400;

/** Multiples of 1, 2 or 5 times a power of ten from `low` to `high`, at most `most`. */
export function valueTicks(low: number, high: number, most: number): number[] {
  const span = high - low;
  if (!(span > 0) || !isFinite(span) || most < 1) return [];
  const power = 10 ** Math.floor(Math.log10(span / most));
  const step = power * ([1, 2, 5].find(times => (times * power * most) / span >= 1) ?? 10);
  return multiples(low, high, step, 0, most);
}

/** Whole seconds, minutes or hours of the reader's clock; times in seconds since the epoch. */
export function timeTicks(low: number, high: number, most: number, offset = zone(high)): number[] {
  const span = high - low;
  if (!(span > 0) || !isFinite(span) || most < 1) return [];
  const days = DAY_S * Math.ceil(span / most / DAY_S);
  const step = CLOCK_STEPS.find(one => one * most >= span) ?? days;
  return multiples(low, high, step, offset, most);
}

/** Seconds by which the reader's clock is ahead of UTC. */
const zone = (time: number) => -60 * new Date(time * 1000).getTimezoneOffset();

function multiples(low: number, high: number, step: number, offset: number, most: number) {
  const first = Math.ceil((low + offset) / step);
  const last = Math.floor((high + offset) / step);
  // At both ends of a span that is a multiple itself stands a mark: one more than steps.
  const count = Math.min(last - first, most) + 1;
  // Rounded, so that 3 times 0.1 is 0.3.
  return Array.from({ length: Math.max(0, count) }, (_, i) =>
    Number(((first + i) * step - offset).toPrecision(15)),
  );
}

/** Bounds of an axis that hold all values with a little room. */
export function padded(columns: readonly (readonly (number | null)[])[]): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const column of columns) {
    for (const value of column) {
      if (value === null) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (low > high) return [0, 1];
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - room, high + room];
}
