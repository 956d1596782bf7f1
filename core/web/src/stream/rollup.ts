// Buckets of time. The rule: a bucket takes any number of values and costs the same, and old buckets make room for new
// ones in place.

/** What a bucket is asked for: the mean of its values, or its last one. */
export type Figure = 'avg' | 'last';

/** The newest `length` buckets of `step` seconds, as columns. */
export class Rollup {
  readonly step: number;
  readonly length: number;
  #index: Float64Array;
  #count: Float64Array;
  #sum: Float64Array;
  #last: Float64Array;

  constructor(step: number, length: number) {
    this.step = step;
    this.length = length;
    this.#index = new Float64Array(length).fill(-1);
    this.#count = new Float64Array(length);
    this.#sum = new Float64Array(length);
    this.#last = new Float64Array(length);
  }

  /** Adds a value at `time`, seconds since the epoch; one that is older than all buckets is dropped. */
  add(time: number, value: number) {
    const index = Math.floor(time / this.step);
    const at = index % this.length;
    const held = this.#index[at] ?? -1;
    if (!(index >= held) || index < 0) return;
    if (index > held) {
      this.#index[at] = index;
      this.#count[at] = 0;
      this.#sum[at] = 0;
    }
    this.#count[at]! += 1;
    this.#sum[at]! += value;
    this.#last[at] = value;
  }

  /** Gives a bucket that holds nothing a value of its own; one that is too old, or not a time, is dropped. */
  fill(time: number, value: number) {
    const index = Math.floor(time / this.step);
    if (this.#index[index % this.length] !== index) this.add(time, value);
  }

  /** The start of each bucket of the last `buckets` up to `now`, oldest first. */
  starts(now: number, buckets: number): number[] {
    const last = Math.floor(now / this.step);
    return Array.from({ length: buckets }, (_, i) => (last - buckets + 1 + i) * this.step);
  }

  /** One figure of the same buckets; null where a bucket holds nothing. */
  column(now: number, buckets: number, figure: Figure): (number | null)[] {
    const last = Math.floor(now / this.step);
    const column = new Array<number | null>(buckets).fill(null);
    for (let i = 0; i < buckets; i += 1) {
      const index = last - buckets + 1 + i;
      const at = index % this.length;
      if (index < 0 || this.#index[at] !== index) continue;
      column[i] = figure === 'avg' ? this.#sum[at]! / this.#count[at]! : this.#last[at]!;
    }
    return column;
  }
}
