// When a lost connection is tried again. The rule: waits grow and differ, so that a restarted server is not met by all
// its readers at once.

const FIRST_MS = 250;
const LONGEST_MS = 10_000;

/** Milliseconds before attempt `attempt`, counted from 0; `random` is uniform in [0, 1). */
export function backoff(attempt: number, random: () => number = Math.random): number {
  const most = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 16));
  return most * (0.5 + random() / 2);
}
