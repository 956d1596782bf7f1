// Tiles on their way and tiles at hand. The rule: at most `MAX_FLYING` requests at once, none for what left the screen,
// and as many pictures as two screens take; what makes room is closed.

import { Problem } from '../../lib/api';
import { backoff } from '../../stream/backoff';
import type { Tile } from './cover';

export const MAX_FLYING = 6;
/** Pictures that are kept even for the smallest screen. */
const KEPT = 96;
const MAX_REFUSED = 4096;

/** A decoded picture, such as an ImageBitmap. */
interface Closable {
  close(): void;
}

/** Whether the same request may go well later. */
const passes = (error: unknown) =>
  error instanceof Problem && (error.status === 0 || error.status === 429 || error.status >= 500);

export class Tiles<B extends Closable> {
  #load: (tile: Tile, signal: AbortSignal) => Promise<B>;
  #changed: () => void;
  #held = new Map<string, { picture: B; used: number; level: number }>();
  #flying = new Map<string, AbortController>();
  /** How many are held of each level. */
  #levels = new Map<number, number>();
  /** What the server will never draw. */
  #refused = new Set<string>();
  #wanted: readonly Tile[] = [];
  #tick = 0;
  #failures = 0;
  #pause: ReturnType<typeof setTimeout> | undefined;
  /** Why nothing is asked for at the moment. */
  problem: Problem | null = null;

  constructor(load: (tile: Tile, signal: AbortSignal) => Promise<B>, changed: () => void) {
    this.#load = load;
    this.#changed = changed;
  }

  get size(): number {
    return this.#held.size;
  }

  /** Wanted tiles that are not there yet. */
  get pending(): number {
    return this.#wanted.filter(tile => !this.#settled(tile)).length;
  }

  get(key: string): B | undefined {
    const held = this.#held.get(key);
    if (held) held.used = this.#tick += 1;
    return held?.picture;
  }

  /** Whether there is anything of a level. */
  has(level: number): boolean {
    return (this.#levels.get(level) ?? 0) > 0;
  }

  /** Whether nothing more will come of these. */
  complete(tiles: readonly Tile[]): boolean {
    return tiles.every(tile => this.#settled(tile));
  }

  /** What is on the screen now, the most urgent first. */
  want(tiles: readonly Tile[]) {
    this.#wanted = tiles;
    const keys = new Set(tiles.map(tile => tile.key));
    for (const [key, control] of this.#flying) {
      if (keys.has(key)) continue;
      this.#flying.delete(key);
      control.abort();
    }
    this.#fill();
  }

  dispose() {
    this.want([]);
    clearTimeout(this.#pause);
    for (const { picture } of this.#held.values()) picture.close();
    this.#held.clear();
  }

  #settled = (tile: Tile) => this.#held.has(tile.key) || this.#refused.has(tile.key);

  #fill() {
    if (this.#pause !== undefined) return;
    // A server that was busy is asked for one first.
    const most = this.#failures > 0 ? 1 : MAX_FLYING;
    for (const tile of this.#wanted) {
      if (this.#flying.size >= most) return;
      if (!this.#settled(tile) && !this.#flying.has(tile.key)) void this.#start(tile);
    }
  }

  async #start(tile: Tile) {
    const control = new AbortController();
    this.#flying.set(tile.key, control);
    try {
      const picture = await this.#load(tile, control.signal);
      if (control.signal.aborted) return picture.close();
      this.#held.set(tile.key, { picture, used: (this.#tick += 1), level: tile.level });
      this.#levels.set(tile.level, (this.#levels.get(tile.level) ?? 0) + 1);
      this.#failures = 0;
      this.problem = null;
      this.#makeRoom();
    } catch (error) {
      if (control.signal.aborted) return;
      if (passes(error)) this.#wait(error as Problem, tile);
      else this.#refuse(tile.key);
    }
    this.#flying.delete(tile.key);
    this.#fill();
    this.#changed();
  }

  #refuse(key: string) {
    if (this.#refused.size >= MAX_REFUSED) this.#refused.clear();
    this.#refused.add(key);
  }

  #wait(problem: Problem, tile: Tile) {
    this.problem = problem;
    // The others first: one that takes too long must not stand in their way.
    this.#wanted = [...this.#wanted.filter(one => one !== tile), tile];
    if (this.#pause !== undefined) return;
    const ms = Math.max(problem.retryAfter * 1000, backoff(this.#failures));
    this.#failures += 1;
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.#fill();
    }, ms);
  }

  #makeRoom() {
    const most = Math.max(KEPT, 2 * this.#wanted.length);
    while (this.#held.size > most) {
      let oldest = '';
      let used = Infinity;
      for (const [key, held] of this.#held) {
        if (held.used < used) [oldest, used] = [key, held.used];
      }
      const { picture, level } = this.#held.get(oldest)!;
      picture.close();
      this.#held.delete(oldest);
      this.#levels.set(level, this.#levels.get(level)! - 1);
    }
  }
}
