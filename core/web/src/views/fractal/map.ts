// The map: a place, the tiles that show it, and a canvas that they are drawn on. The rule: a frame is drawn only when
// something moved or came, and what is missing is shown from coarser and finer levels until it is there.

import type { Problem } from '../../lib/api';
import { cover, exactLevel, levelFor, TILE, type Cover, type Size, type Tile } from './cover';
import { gestures } from './gestures';
import { Motion } from './motion';
import { HOME, MAX_LEVEL, onTheWay, panned, settled, zoomed, type Place } from './place';
import { Tiles } from './tiles';

export interface Hooks {
  load: (tile: Tile, signal: AbortSignal) => Promise<ImageBitmap>;
  /** Nothing may move by itself. */
  still: () => boolean;
  /** Something to tell has changed. */
  changed: () => void;
  /** The map came to rest at a place of its own making. */
  rested: () => void;
}

/** Doublings a second. */
const FLIGHT_SPEED = 1.5;
/** Milliseconds of glides: after a hand let go; of keys and wheels; of a flight that waits for its tiles. */
const FLING_MS = 300;
const GLIDE_MS = 90;
const EASE_MS = 250;
/** A pause of the page must not become a leap. */
const LONGEST_FRAME_MS = 50;
/** Levels on both sides that may stand in for missing tiles. */
const COARSER = 6;
const FINER = 1;
/** The coarse level that is always asked for as well: a sixteenth of the tiles, and there first. */
const GROUND = 2;

export class FractalMap {
  place: Place;
  #canvas: HTMLCanvasElement;
  #pen: CanvasRenderingContext2D;
  #hooks: Hooks;
  #tiles: Tiles<ImageBitmap>;
  #size: Size = { width: 1, height: 1, ratio: 1 };
  #covers = new Map<number, Cover>();
  #asked: readonly Cover[] = [];
  #ahead: Cover | undefined;
  #motion = new Motion();
  #flight: { goal: Place; speed: number } | null = null;
  #grabbed = false;
  #frame = 0;
  #drawnAt = 0;
  #restless = false;
  #ends: (() => void)[];

  constructor(stage: HTMLElement, canvas: HTMLCanvasElement, place: Place, hooks: Hooks) {
    this.place = place;
    this.#canvas = canvas;
    this.#pen = canvas.getContext('2d', { alpha: false })!;
    this.#hooks = hooks;
    this.#tiles = this.#store();
    const watch = new ResizeObserver(() => this.#resize());
    watch.observe(stage);
    this.#ends = [
      () => watch.disconnect(),
      gestures(stage, {
        grab: () => {
          this.#grabbed = true;
          this.stop();
        },
        drag: (x, y) => this.#move(panned(this.place, -x, -y, this.#size.height)),
        pinch: (zoom, x, y) =>
          this.#move(zoomed(this.place, this.place.zoom + zoom, x, y, this.#size.height)),
        zoom: (zoom, x, y) => this.zoom(zoom, x, y),
        fling: (x, y) => {
          this.#grabbed = false;
          if (!hooks.still()) this.#motion.push({ x: x * FLING_MS, y: y * FLING_MS }, FLING_MS);
          this.#wake();
        },
      }),
    ];
    this.#resize();
  }

  get size(): Size {
    return this.#size;
  }
  get pending(): number {
    return this.#tiles.pending;
  }
  get problem(): Problem | null {
    return this.#tiles.problem;
  }
  get flies(): boolean {
    return this.#flight !== null;
  }

  destroy() {
    cancelAnimationFrame(this.#frame);
    for (const end of this.#ends) end();
    this.#tiles.dispose();
  }

  /** Other colours or another formula: none of the tiles is right any more. */
  repaint() {
    this.#tiles.dispose();
    this.#tiles = this.#store();
    this.#asked = [];
    this.#wake();
  }

  /** Stands at a place at once. */
  jump(place: Place) {
    this.#motion.stop();
    this.#flight = null;
    this.place = place;
    this.#wake();
  }

  stop() {
    this.#motion.stop();
    if (this.#flight) {
      this.#flight = null;
      this.#restless = true;
      this.#wake();
    }
  }

  /** The picture goes this part of its size to the right and down. */
  pan(x: number, y: number) {
    this.#push({ x: x * this.#size.width, y: y * this.#size.height });
  }

  zoom(by: number, x = 0, y = 0) {
    this.#motion.at = { x, y };
    this.#push({ zoom: by });
  }

  home() {
    this.#move(HOME);
    this.stop();
  }

  /** From the whole set to a place, at a constant rate of magnification. */
  fly(goal: Place) {
    this.stop();
    if (this.#hooks.still() || goal.zoom <= 0) return this.#move(goal);
    this.place = HOME;
    this.#flight = { goal, speed: 0 };
    this.#wake();
  }

  #store = () =>
    new Tiles<ImageBitmap>(this.#hooks.load, () => {
      this.#wake();
      this.#hooks.changed();
    });

  #push(left: { x?: number; y?: number; zoom?: number }) {
    this.#flight = null;
    this.#motion.push(left, this.#hooks.still() ? 0 : GLIDE_MS);
    this.#wake();
  }

  #move(place: Place) {
    this.place = place;
    this.#restless = true;
    this.#wake();
  }

  #resize() {
    const { clientWidth, clientHeight } = this.#canvas;
    const ratio = devicePixelRatio;
    this.#size = { width: Math.max(1, clientWidth), height: Math.max(1, clientHeight), ratio };
    this.#canvas.width = Math.round(this.#size.width * ratio);
    this.#canvas.height = Math.round(this.#size.height * ratio);
    this.#covers.clear();
    this.#ahead = undefined;
    // In the same frame: a canvas of a new size is empty.
    this.#paint();
    this.#hooks.changed();
  }

  #wake() {
    this.#frame ||= requestAnimationFrame(now => this.#step(now));
  }

  #step(now: number) {
    this.#frame = 0;
    const ms = Math.min(LONGEST_FRAME_MS, now - this.#drawnAt);
    this.#drawnAt = now;
    if (this.#motion.moves) {
      const { x, y, zoom } = this.#motion.spend(ms);
      const { height } = this.#size;
      const there = zoomed(
        this.place,
        this.place.zoom + zoom,
        this.#motion.at.x,
        this.#motion.at.y,
        height,
      );
      this.#move(panned(there, -x, -y, height));
    }
    if (this.#flight) this.#fly(this.#flight, ms);
    this.#paint();
    const moves = this.#motion.moves || this.#flight !== null;
    if (moves) this.#wake();
    else if (this.#restless && !this.#grabbed) {
      this.#restless = false;
      this.place = settled(this.place);
      this.#hooks.rested();
    }
    this.#hooks.changed();
  }

  #fly(flight: { goal: Place; speed: number }, ms: number) {
    if (this.#hooks.still()) return this.#land(flight.goal);
    const wanted = this.#sharp() ? FLIGHT_SPEED : 0;
    flight.speed += (wanted - flight.speed) * (1 - Math.exp(-ms / EASE_MS));
    const zoom = this.place.zoom + (flight.speed * ms) / 1000;
    if (zoom >= flight.goal.zoom) this.#land(flight.goal);
    else this.place = onTheWay(flight.goal, zoom);
  }

  #land(goal: Place) {
    this.#flight = null;
    this.#move(goal);
  }

  /** Whether the screen shows its own level, or for half a doubling the one before. */
  #sharp(): boolean {
    const level = levelFor(this.place, this.#size, true);
    const whole = (at: number) => this.#tiles.complete(this.#cover(at).tiles);
    const late = exactLevel(this.place, this.#size) - level;
    return whole(level) || (late < 0.5 && level > 0 && whole(level - 1));
  }

  #cover(level: number): Cover {
    const now = cover(this.place, this.#size, level, this.#covers.get(level));
    this.#covers.set(level, now);
    return now;
  }

  #ask(level: number, main: Cover) {
    // The whole is there for the border.
    const ground = exactLevel(this.place, this.#size) <= COARSER ? 0 : level - GROUND;
    const covers = ground < level ? [this.#cover(ground), main] : [main];
    if (this.#flight && level < MAX_LEVEL) {
      // What will be on the screen a doubling from here.
      const there = onTheWay(this.#flight.goal, this.place.zoom + 1);
      this.#ahead = cover(there, this.#size, level + 1, this.#ahead);
      covers.push(this.#ahead);
    }
    const asked = this.#asked;
    if (covers.length === asked.length && covers.every((one, i) => one === asked[i])) return;
    this.#asked = covers;
    this.#tiles.want(covers.flatMap(one => one.tiles));
  }

  #paint() {
    const level = levelFor(this.place, this.#size, this.#flight !== null);
    const main = this.#cover(level);
    this.#ask(level, main);
    const pen = this.#pen;
    pen.fillStyle = '#000';
    pen.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    this.#border();
    if (!this.#tiles.complete(main.tiles)) {
      for (let at = level - COARSER; at <= level + FINER; at += 1)
        if (at !== level && this.#tiles.has(at)) this.#draw(this.#cover(at));
    }
    this.#draw(main);
    // Covers of levels that were left behind.
    for (const at of this.#covers.keys())
      if (Math.abs(at - level) > COARSER) this.#covers.delete(at);
  }

  #draw({ tiles, left, top, side }: Cover) {
    const { ratio } = this.#size;
    // Rounded to pixels of the device, so that neighbours meet without a seam.
    const edge = (from: number, at: number) => Math.round((from + at * side) * ratio);
    for (const tile of tiles) {
      const picture = this.#tiles.get(tile.key);
      if (!picture) continue;
      const [x, y] = [edge(left, tile.x), edge(top, tile.y)];
      const [right, bottom] = [edge(left, tile.x + 1), edge(top, tile.y + 1)];
      this.#pen.drawImage(picture, x, y, right - x, bottom - y);
    }
  }

  /** Around the grid its outermost pixels go on. */
  #border() {
    const exact = exactLevel(this.place, this.#size);
    const whole = this.#tiles.get('0/0/0');
    if (exact > COARSER || !whole) return;
    const { left, top, side } = this.#cover(0);
    const { ratio } = this.#size;
    const { width, height } = this.#canvas;
    const stops = (from: number, end: number) => [0, from * ratio, (from + side) * ratio, end];
    const [xs, ys] = [stops(left, width), stops(top, height)];
    const parts = [
      [0, 1],
      [0, TILE],
      [TILE - 1, 1],
    ] as const;
    parts.forEach(([x, wide], column) =>
      parts.forEach(([y, tall], row) => {
        const [x0 = 0, x1 = 0] = xs.slice(column);
        const [y0 = 0, y1 = 0] = ys.slice(row);
        if (x1 > x0 && y1 > y0)
          this.#pen.drawImage(whole, x, y, wide, tall, x0, y0, x1 - x0, y1 - y0);
      }),
    );
  }
}
