// Buckets of time. The rule: a bucket takes any number of values and costs the same, and old buckets make room for new
// ones in place.

/** What a bucket knows of its values. */
export interface Bucket {
  /** Start, in seconds since the epoch. */
  start: number;
  count: number;
  avg: number;
  min: number;
  max: number;
}

/** The newest `length` buckets of `step` seconds, as columns. */
export class Rollup {
  readonly step: number;
  readonly length: number;
  #index: Float64Array;
  #count: Float64Array;
  #sum: Float64Array;
  #min: Float64Array;
  #max: Float64Array;

  constructor(step: number, length: number) {
    this.step = step;
    this.length = length;
    this.#index = new Float64Array(length).fill(-1);
    this.#count = new Float64Array(length);
    this.#sum = new Float64Array(length);
    this.#min = new Float64Array(length);
    this.#max = new Float64Array(length);
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
      this.#min[at] = Infinity;
      this.#max[at] = -Infinity;
    }
    this.#count[at]! += 1;
    this.#sum[at]! += value;
    if (value < this.#min[at]!) this.#min[at] = value;
    if (value > this.#max[at]!) this.#max[at] = value;
  }

  /** Calls `visit` for each bucket with values that starts after `now - length * step`, oldest first. */
  each(now: number, visit: (bucket: Bucket) => void) {
    const last = Math.floor(now / this.step);
    const bucket: Bucket = { start: 0, count: 0, avg: 0, min: 0, max: 0 };
    for (let index = last - this.length + 1; index <= last; index += 1) {
      const at = index % this.length;
      if (index < 0 || this.#index[at] !== index) continue;
      bucket.start = index * this.step;
      bucket.count = this.#count[at]!;
      bucket.avg = this.#sum[at]! / bucket.count;
      bucket.min = this.#min[at]!;
      bucket.max = this.#max[at]!;
      visit(bucket);
    }
  }
}
