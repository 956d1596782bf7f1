// What hands do to the map: drag, fling, pinch, wheel, double click. The rule: pointers are told apart by their ids, and
// one that is lost counts as lifted.

import { Speed } from './motion';

export interface Hands {
  /** A hand was put on the map; `fling` follows when the last one leaves it. */
  grab: () => void;
  /** The map follows at once. */
  drag: (x: number, y: number) => void;
  /** Zooms at once around a point, in pixels from the middle. */
  pinch: (zoom: number, x: number, y: number) => void;
  /** Zooms softly. */
  zoom: (zoom: number, x: number, y: number) => void;
  /** Lets go at a speed, in pixels a millisecond. */
  fling: (x: number, y: number) => void;
}

/** Doublings of a pixel of wheel; a usual notch is 100 pixels. */
const WHEEL = 1 / 220;
/** Of a pinch on a touchpad, which browsers send as a wheel with the control key. */
const PINCH = 1 / 60;
const LINE_PX = 33;

export function gestures(stage: HTMLElement, hands: Hands): () => void {
  const pointers = new Map<number, { x: number; y: number }>();
  let speed = new Speed();
  const end = new AbortController();
  const { signal } = end;

  const fromMiddle = (x: number, y: number) => {
    const box = stage.getBoundingClientRect();
    return [x - box.left - box.width / 2, y - box.top - box.height / 2] as const;
  };
  /** The middle of all pointers, and how far the first lies from it. */
  const spread = () => {
    const all = [...pointers.values()];
    const x = all.reduce((sum, one) => sum + one.x, 0) / all.length;
    const y = all.reduce((sum, one) => sum + one.y, 0) / all.length;
    const first = all[0] ?? { x, y };
    return { x, y, far: Math.hypot(first.x - x, first.y - y) };
  };

  stage.addEventListener(
    'pointerdown',
    event => {
      if (event.button !== 0) return;
      stage.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      speed = new Speed();
      hands.grab();
    },
    { signal },
  );
  stage.addEventListener(
    'pointermove',
    event => {
      if (!pointers.has(event.pointerId)) return;
      const before = spread();
      pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      const now = spread();
      const [x, y] = [now.x - before.x, now.y - before.y];
      speed.moved(x, y, event.timeStamp);
      hands.drag(x, y);
      if (before.far > 0 && now.far > 0)
        hands.pinch(Math.log2(now.far / before.far), ...fromMiddle(now.x, now.y));
    },
    { signal },
  );
  for (const lifted of ['pointerup', 'pointercancel', 'lostpointercapture'] as const) {
    stage.addEventListener(
      lifted,
      event => {
        if (!pointers.delete(event.pointerId) || pointers.size > 0) return;
        const { x, y } = speed.at(event.timeStamp);
        hands.fling(x, y);
      },
      { signal },
    );
  }
  stage.addEventListener(
    'wheel',
    event => {
      event.preventDefault();
      const pixels = event.deltaY * [1, LINE_PX, stage.clientHeight][event.deltaMode]!;
      const part = event.ctrlKey ? PINCH : WHEEL;
      hands.zoom(-pixels * part, ...fromMiddle(event.clientX, event.clientY));
    },
    { signal, passive: false },
  );
  stage.addEventListener(
    'dblclick',
    event => {
      hands.zoom(event.shiftKey ? -1 : 1, ...fromMiddle(event.clientX, event.clientY));
    },
    { signal },
  );
  return () => end.abort();
}
