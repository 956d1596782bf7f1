// The newest rows of the stream, for the feed. The rule: the number of rows is bounded, the newest stay.

import { isGap, type Row } from './event';

/** Rows that a filter can still find. */
export const KEPT_ROWS = 2000;

export interface Filter {
  kind: string;
  subject: string;
  source: string;
  /** Anywhere in the event's JSON, whatever the case. */
  text: string;
}

export const everything: Filter = { kind: '', subject: '', source: '', text: '' };

export class Feed {
  #rows: Row[] = [];
  /** Rows ever added. */
  added = 0;

  push(rows: readonly Row[]) {
    this.added += rows.length;
    for (const row of rows.slice(-KEPT_ROWS)) this.#rows.push(row);
    // In one cut for many rows: moving the array for each would cost more than the rows.
    if (this.#rows.length > 2 * KEPT_ROWS) this.#rows = this.#rows.slice(-KEPT_ROWS);
  }

  get size(): number {
    return Math.min(this.#rows.length, KEPT_ROWS);
  }

  /** All rows that are kept, newest first. */
  all(): Row[] {
    return this.#rows.slice(-KEPT_ROWS).reverse();
  }

  /** The newest `limit` rows that pass, newest first. */
  newest(limit: number, filter: Filter): Row[] {
    return select(this.#backwards(), filter, limit);
  }

  *#backwards(): Generator<Row> {
    const first = Math.max(0, this.#rows.length - KEPT_ROWS);
    for (let i = this.#rows.length - 1; i >= first; i -= 1) yield this.#rows[i]!;
  }
}

/** The first `limit` rows that pass. */
export function select(rows: Iterable<Row>, filter: Filter, limit: number): Row[] {
  const found: Row[] = [];
  const needle = filter.text.toLowerCase();
  for (const row of rows) {
    if (found.length >= limit) break;
    if (passes(row, filter, needle)) found.push(row);
  }
  return found;
}

/** A gap always passes: whoever filters must know that something may be missing. */
function passes(row: Row, filter: Filter, needle: string): boolean {
  if (isGap(row)) return true;
  if (filter.kind && row.kind !== filter.kind) return false;
  if (filter.subject && row.subject !== filter.subject) return false;
  if (filter.source && row.source !== filter.source) return false;
  return !needle || JSON.stringify(row).toLowerCase().includes(needle);
}
