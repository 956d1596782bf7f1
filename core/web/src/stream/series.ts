// All series of the stream, in buckets for each range. The rule: the number of series is bounded, and what is beyond
// the bound is counted and named, not lost in silence.

import type { StreamEvent } from './event';
import { ranges, type Range } from './ranges';
import { Rolling, type Figures } from './rolling';
import { Rollup } from './rollup';

/** Most lines on the screen; one more is counted only. */
export const MAX_SERIES = 20;
/** Most series whose number is known; beyond it there are so many or more. */
export const MAX_OTHERS = 1000;
/** Buckets more than a range shows, so that its left edge never stands open. */
const SPARE = 2;

export interface Series {
  readonly key: string;
  readonly kind: string;
  readonly subject: string;
  readonly rollups: readonly Rollup[];
}

const rollups = () =>
  ranges.map(range => new Rollup(range.step, Math.ceil(range.seconds / range.step) + SPARE));

/** What every event leaves behind once it has been seen. */
export class SeriesTable {
  readonly all: Series[] = [];
  /** Series beyond the bound; a set that stops growing at the bound itself. */
  readonly others = new Set<string>();
  /** Rolling average of beauty, and the band between least and greatest, as of each bucket. */
  readonly average = rollups();
  readonly least = rollups();
  readonly greatest = rollups();
  readonly rolling: Rolling;
  #byKey = new Map<string, Series>();

  constructor(window: number) {
    this.rolling = new Rolling(window);
  }

  add(event: StreamEvent, time: number) {
    if (event.kind === 'beauty') {
      this.rolling.push(event.value);
      const figures = this.rolling.figures()!;
      for (let i = 0; i < ranges.length; i += 1) {
        this.average[i]!.add(time, figures.avg);
        this.least[i]!.add(time, figures.min);
        this.greatest[i]!.add(time, figures.max);
      }
    }
    const series = this.#series(event);
    if (series) for (const rollup of series.rollups) rollup.add(time, event.value);
  }

  figures(): Figures | null {
    return this.rolling.figures();
  }

  #series(event: StreamEvent): Series | null {
    const subject = event.subject ?? '';
    const key = `${event.kind}\n${subject}`;
    const known = this.#byKey.get(key);
    if (known) return known;
    if (this.all.length >= MAX_SERIES) {
      if (this.others.size < MAX_OTHERS) this.others.add(key);
      return null;
    }
    const series = { key, kind: event.kind, subject, rollups: rollups() };
    this.#byKey.set(key, series);
    this.all.push(series);
    return series;
  }
}

/** The rollup of a range among those of a series. */
export const within = (rollups: readonly Rollup[], range: Range): Rollup =>
  rollups[ranges.indexOf(range)] ?? rollups[0]!;
