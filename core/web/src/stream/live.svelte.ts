// The one stream of the page. The rule: data lives in plain columns, and a single counter tells the views that there is
// more; nothing is reactive event by event.

import { flushSync } from 'svelte';
import { get } from '../lib/api';
import { nextFrame } from '../lib/frames';
import { backoff } from './backoff';
import { Connection, type Link } from './connection';
import { isGap, type Gap, type Row, type Snapshot, type StreamEvent } from './event';
import { Feed } from './feed';
import { SeriesTable } from './series';

/** Events before the newest that are read again for the charts. */
const REPLAYED = 10_000;
const FIRST_ROWS = 500;
const RATE_S = 5;
/** The server's own default; /api/metrics says the one in use. */
const USUAL_WINDOW = 50;
const TELL_MS = 33;

interface Score {
  score?: { window?: number };
}

class Stream {
  link = $state<Link>('connecting');
  /** Grows with every batch: read it to be called again. */
  version = $state(0);
  /** Whether the server has said which events it holds. */
  known = $state(false);
  /** Whether the replay has taken its place: the series stay the same ones from then on. */
  settled = $state(false);
  /** Events that the server could not give us any more. */
  missed = $state(0);
  /** The newest gap, until it has been read. */
  gap = $state.raw<Gap | null>(null);
  /** Sequence of the newest event. */
  last = 0;
  series = new SeriesTable(USUAL_WINDOW);
  feed = new Feed();
  #window = USUAL_WINDOW;
  #arrived = new Float64Array(RATE_S + 1);
  #telling = false;
  #told = 0;
  #second = 0;
  /** The second in which events began to count. */
  #since = 0;
  /** Milliseconds by which the server's clock is ahead of ours. */
  #ahead = 0;
  /** What the replay builds up, until it has reached what is shown. */
  #replay: { until: number; series: SeriesTable; feed: Feed } | null = null;

  start() {
    void this.#begin();
  }

  /** The server's time, in seconds since the epoch: arrivals are stamped with it. */
  now(): number {
    return (Date.now() + this.#ahead) / 1000;
  }

  /** Events a second, over the last five whole ones. */
  rate(): number {
    this.#count(0);
    let sum = 0;
    const seconds = Math.min(RATE_S, this.#second - this.#since);
    for (let back = 1; back <= seconds; back += 1)
      sum += this.#arrived[(this.#second + RATE_S + 1 - back) % (RATE_S + 1)]!;
    return seconds > 0 ? sum / seconds : this.#arrived[this.#second % (RATE_S + 1)]!;
  }

  async #begin() {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const [snapshot, metrics] = await Promise.all([
          get<Snapshot>(`/snapshot?limit=${FIRST_ROWS}`),
          get<Score>('/api/metrics'),
        ]);
        this.#window = metrics.score?.window ?? USUAL_WINDOW;
        this.#first(snapshot);
        return;
      } catch {
        this.link = 'lost';
        await new Promise(resolve => setTimeout(resolve, backoff(attempt)));
      }
    }
  }

  #first(snapshot: Snapshot) {
    this.series = new SeriesTable(this.#window);
    this.feed = new Feed();
    enter(snapshot.events, this.series, this.feed);
    this.known = true;
    this.last = snapshot.next_seq;
    this.version += 1;
    const since = Math.max(0, snapshot.next_seq - REPLAYED);
    this.#replay = {
      until: snapshot.next_seq,
      series: new SeriesTable(this.#window),
      feed: new Feed(),
    };
    const connection: Connection = new Connection(since, {
      rows: rows => this.#take(rows, connection.last),
      link: link => {
        this.link = link;
        if (link !== 'lost' || !this.#replay) return;
        // The node that comes back may have given the numbers that are still to come to other events.
        connection.end();
        void this.#begin();
      },
      clock: now => (this.#ahead = now - Date.now()),
    });
    if (since < snapshot.next_seq) return;
    this.#replay = null;
    this.settled = true;
  }

  #take(rows: Row[], last: number) {
    const replay = this.#replay;
    if (replay) {
      // What was gone before the page was opened is not missed by it.
      const events = rows.filter(row => !isGap(row) || row.to > replay.until);
      enter(events, replay.series, replay.feed);
      for (const row of events) if (isGap(row)) this.#miss(row, replay.until);
      if (last < replay.until) return;
      ({ series: this.series, feed: this.feed } = replay);
      this.#replay = null;
      this.settled = true;
    } else {
      this.last = last;
      enter(rows, this.series, this.feed);
      this.#count(rows.length);
      for (const row of rows) {
        if (isGap(row)) this.#miss(row, 0);
      }
    }
    this.#changed();
  }

  /** Counts a gap as far as it lies behind `known`. */
  #miss(gap: Gap, known: number) {
    if (!gap.anew) this.missed += gap.to - Math.max(gap.from - 1, known);
    this.gap = gap;
  }

  /** Tells the views, at most thirty times a second: more could not be read, and each time costs a layout. */
  #changed() {
    if (this.#telling) return;
    this.#telling = true;
    const wait = Math.max(0, this.#told + TELL_MS - performance.now());
    setTimeout(() => nextFrame(this, () => this.#tell()), wait);
  }

  #tell() {
    this.#telling = false;
    this.#told = performance.now();
    this.version += 1;
    // Now and not after the frame's other work, so that it counts as work of this frame.
    flushSync();
  }

  #count(events: number) {
    const second = Math.floor(performance.now() / 1000);
    const from = Math.max(this.#second + 1, second - RATE_S);
    for (let s = from; s <= second; s += 1) this.#arrived[s % (RATE_S + 1)] = 0;
    if (!this.#since) this.#since = second;
    this.#second = second;
    this.#arrived[second % (RATE_S + 1)]! += events;
  }
}

function enter(rows: readonly Row[], series: SeriesTable, feed: Feed) {
  feed.push(rows);
  for (const row of rows) if (!isGap(row)) series.add(row, arrivedAt(row));
}

/** Seconds since the epoch. Arrival, not the event's own time: a recording replayed now belongs on today's chart. */
export const arrivedAt = (event: StreamEvent): number => Date.parse(event.received_at) / 1000;

export const stream = new Stream();
