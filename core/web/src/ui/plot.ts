// Lines over time on a canvas. The rule: what is given is drawn, and nothing is remembered between two drawings.
//
// A library would do more than this page needs and cost a third of all its bytes; see ARCHITECTURE.md, "Dashboard".

import { padded, timeTicks, valueTicks } from './ticks';

/** Seconds since the epoch, then a column for each line. */
export type Columns = [number[], ...(number | null)[][]];

export interface Drawing {
  columns: Columns;
  /** A colour for each line; an edge of the band has none. */
  strokes: readonly (string | null)[];
  dashed: readonly boolean[];
  /** Which columns, counted from 1, are the upper and lower edge of a band. */
  band: readonly [number, number] | null;
  span: readonly [number, number] | null;
  bounds: readonly [number, number] | null;
  /** Seconds since the epoch, where a line stands across. */
  mark: number | null;
  /** The point that is read. */
  cursor: number | null;
  format: (value: number) => string;
  clock: (time: number) => string;
  colours: { text: string; grid: string; band: string; mark: string; cursor: string };
  /** Pixels of the page, and how many of the screen one of them has. */
  size: readonly [width: number, height: number];
  ratio: number;
  /** Pixels of a line of text. */
  text: number;
}

/** Turns pixels into times. */
export type Reading = (x: number) => number;

/** A gap of more than this part of the span is not bridged. */
const BRIDGE = 1 / 6;
/** Radius of a value without a neighbour. */
const DOT = 2.5;

/** Draws, and tells what time stands where. */
export function draw(canvas: HTMLCanvasElement, what: Drawing): Reading {
  const { columns, ratio, text, colours } = what;
  const [width, height] = what.size;
  const [pixels, rows] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== pixels) canvas.width = pixels;
  if (canvas.height !== rows) canvas.height = rows;
  const pen = canvas.getContext('2d')!;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = `${text}px system-ui, sans-serif`;

  const times = columns[0];
  const [from, to] = what.span ?? [times[0] ?? 0, times.at(-1) ?? 1];
  const [low, high] = what.bounds ?? padded(columns.slice(1) as (number | null)[][]);
  const [top, bottom] = [text, height - 1.6 * text];
  const marks = valueTicks(low, high, Math.max(2, Math.floor((bottom - top) / (2.4 * text))));
  const labels = marks.map(what.format);
  // In steps, so that a digit more does not move the whole chart.
  const wide = Math.max(0, ...labels.map(label => pen.measureText(label).width));
  const left = (Math.ceil(wide / text) + 1) * text;
  const right = width - text;
  const x = (time: number) => left + ((right - left) * (time - from)) / (to - from || 1);
  const y = (value: number) => bottom - ((bottom - top) * (value - low)) / (high - low || 1);

  pen.fillStyle = colours.text;
  pen.strokeStyle = colours.grid;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.textAlign = 'right';
  pen.textBaseline = 'middle';
  marks.forEach((value, i) => {
    across(pen, left, y(value), right, y(value));
    pen.fillText(labels[i]!, Math.round(left - text / 2), Math.round(y(value)));
  });
  pen.textAlign = 'center';
  pen.textBaseline = 'bottom';
  for (const time of timeTicks(from, to, Math.max(1, Math.floor((right - left) / (6.5 * text))))) {
    across(pen, x(time), top, x(time), bottom);
    const label = what.clock(time);
    const half = pen.measureText(label).width / 2;
    pen.fillText(label, Math.round(Math.min(x(time), width - half)), height);
  }
  pen.stroke();

  pen.save();
  pen.beginPath();
  pen.rect(left, 0, right - left + DOT, bottom + DOT);
  pen.clip();
  if (what.band) fill(pen, what, x, y);
  what.strokes.forEach((stroke, i) => {
    if (stroke) trace(pen, what, i, x, y, (to - from) * BRIDGE);
  });
  pen.setLineDash([]);
  if (what.mark !== null) upright(pen, x(what.mark), top, bottom, colours.mark, 2);
  const at = what.cursor === null ? undefined : times[what.cursor];
  if (at !== undefined) upright(pen, x(at), top, bottom, colours.cursor, 1);
  pen.restore();
  return pixel => from + ((to - from) * (pixel - left)) / (right - left || 1);
}

type Scale = (value: number) => number;

function across(pen: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number) {
  // On half pixels a line of one pixel is one.
  pen.moveTo(Math.round(x0) + 0.5, Math.round(y0) + 0.5);
  pen.lineTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
}

function upright(
  pen: CanvasRenderingContext2D,
  x: number,
  top: number,
  bottom: number,
  colour: string,
  width: number,
) {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.beginPath();
  across(pen, x, top, x, bottom);
  pen.stroke();
}

/** A line from value to value; one without a neighbour is a dot. */
function trace(
  pen: CanvasRenderingContext2D,
  { columns, strokes, dashed }: Drawing,
  line: number,
  x: Scale,
  y: Scale,
  bridge: number,
) {
  const [times, values] = [columns[0], columns[line + 1] ?? []];
  pen.strokeStyle = pen.fillStyle = strokes[line]!;
  pen.lineWidth = 1.75;
  pen.lineJoin = 'round';
  pen.setLineDash(dashed[line] ? [5, 4] : []);
  const dots = new Path2D();
  pen.beginPath();
  /** The point before, and whether a line leads to it. */
  let last: { time: number; px: number; py: number; led: boolean } | null = null;
  const end = () => {
    if (!last || last.led) return;
    dots.moveTo(last.px, last.py);
    dots.arc(last.px, last.py, DOT, 0, 2 * Math.PI);
  };
  for (let i = 0; i < times.length; i += 1) {
    const [time, value] = [times[i]!, values[i]];
    if (value == null) continue;
    const [px, py] = [x(time), y(value)];
    const led: boolean = last !== null && time - last.time <= bridge;
    if (led) pen.lineTo(px, py);
    else {
      end();
      pen.moveTo(px, py);
    }
    last = { time, px, py, led };
  }
  end();
  pen.stroke();
  pen.fill(dots);
}

/** The ground between two lines, wherever both have a value. */
function fill(pen: CanvasRenderingContext2D, what: Drawing, x: Scale, y: Scale) {
  const [upper, lower] = what.band!;
  const [highs, lows] = [what.columns[upper] ?? [], what.columns[lower] ?? []];
  const both = what.columns[0].flatMap((time, i) => {
    const [high, low] = [highs[i], lows[i]];
    return high == null || low == null ? [] : [[x(time), y(high as number), y(low as number)]];
  });
  pen.fillStyle = what.colours.band;
  pen.beginPath();
  for (const [px, high] of both) pen.lineTo(px!, high!);
  for (const [px, , low] of both.reverse()) pen.lineTo(px!, low!);
  pen.fill();
}

/** The point that is nearest to a time among those that hold a value; null where none does. */
export function nearest([times, ...lines]: Columns, time: number): number | null {
  let found: number | null = null;
  for (let i = 0; i < times.length; i += 1) {
    if (lines.every(line => line[i] == null)) continue;
    if (found === null || Math.abs(times[i]! - time) <= Math.abs(times[found]! - time)) found = i;
  }
  return found;
}
