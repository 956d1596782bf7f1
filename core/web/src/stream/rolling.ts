// The newest values of a stream: the window over which the server takes its rolling average.

export interface Figures {
  count: number;
  avg: number;
  min: number;
  max: number;
}

/** The last `length` values. */
export class Rolling {
  #values: Float64Array;
  #count = 0;
  #next = 0;

  constructor(length: number) {
    this.#values = new Float64Array(length);
  }

  get length(): number {
    return this.#values.length;
  }

  push(value: number) {
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % this.length;
    this.#count = Math.min(this.#count + 1, this.length);
  }

  /** Null before the first value. Summed anew each time, so that no error of rounding builds up. */
  figures(): Figures | null {
    if (this.#count === 0) return null;
    let [sum, min, max] = [0, Infinity, -Infinity];
    for (let i = 0; i < this.#count; i += 1) {
      const value = this.#values[i]!;
      sum += value;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    return { count: this.#count, avg: sum / this.#count, min, max };
  }

  /** How many values lie in each of `bins` equal parts of [low, high]; the ends take what lies beyond. */
  histogram(low: number, high: number, bins: number): number[] {
    const counts = new Array<number>(bins).fill(0);
    for (let i = 0; i < this.#count; i += 1) {
      const part = ((this.#values[i]! - low) / (high - low)) * bins;
      const bin = Math.min(bins - 1, Math.max(0, Math.floor(part)));
      counts[bin]! += 1;
    }
    return counts;
  }
}
