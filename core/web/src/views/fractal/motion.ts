// How the map moves by itself: what is left of a movement is spent as an exponential, which is the same for a key, a
// wheel and a hand that let go. The rule: without motion all of it is spent at once.

export interface Left {
  x: number;
  y: number;
  /** Doublings. */
  zoom: number;
}

/** Below this nothing is seen: pixels, and hundredths of a pixel for zooms. */
const NOTHING = 0.1;

export class Motion {
  #left: Left = { x: 0, y: 0, zoom: 0 };
  /** Milliseconds in which all but a third is spent. */
  #within = 1;
  /** Where a zoom is centred. */
  at = { x: 0, y: 0 };

  get moves(): boolean {
    const { x, y, zoom } = this.#left;
    return Math.hypot(x, y) > NOTHING || Math.abs(zoom) > NOTHING / 100;
  }

  stop() {
    this.#left = { x: 0, y: 0, zoom: 0 };
  }

  push(more: Partial<Left>, within: number) {
    this.#left.x += more.x ?? 0;
    this.#left.y += more.y ?? 0;
    this.#left.zoom += more.zoom ?? 0;
    this.#within = within;
  }

  /** The part of `ms` milliseconds. */
  spend(ms: number): Left {
    const part = 1 - Math.exp(-ms / this.#within);
    const left = this.#left;
    if (!(part < 1) || !this.moves) {
      this.stop();
      return left;
    }
    const now = { x: left.x * part, y: left.y * part, zoom: left.zoom * part };
    this.#left = { x: left.x - now.x, y: left.y - now.y, zoom: left.zoom - now.zoom };
    return now;
  }
}

/** The speed of a hand: of its newest moves, in pixels a millisecond. */
export class Speed {
  x = 0;
  y = 0;
  #at = 0;

  moved(x: number, y: number, at: number) {
    const ms = Math.max(1, at - this.#at);
    const part = ms > HELD_MS ? 1 : 1 - Math.exp(-ms / 40);
    this.x += (x / ms - this.x) * part;
    this.y += (y / ms - this.y) * part;
    this.#at = at;
  }

  /** Nothing when the hand rested before it let go. */
  at(now: number): { x: number; y: number } {
    return now - this.#at > HELD_MS ? { x: 0, y: 0 } : { x: this.x, y: this.y };
  }
}

const HELD_MS = 60;
