// Work that is to be seen: done before the next frame, as much as fits, and the rest before the one after. The rule:
// whoever asks twice is drawn once, and no frame spends more than its budget by more than one drawing.

const BUDGET_MS = 2;
const waiting = new Map<object, () => void>();
let asked = 0;

/** Has `draw` called soon; a call for the same owner replaces one that still waits. */
export function nextFrame(owner: object, draw: () => void) {
  waiting.set(owner, draw);
  asked ||= requestAnimationFrame(run);
}

/** Forgets what waits for an owner that is leaving the page. */
export function forget(owner: object) {
  waiting.delete(owner);
}

function run() {
  asked = 0;
  const end = performance.now() + BUDGET_MS;
  for (const [owner, draw] of waiting) {
    waiting.delete(owner);
    draw();
    if (performance.now() >= end) break;
  }
  if (waiting.size > 0) asked = requestAnimationFrame(run);
}
