// Answers that are asked for again and again. The rule: one question at a time, none while nobody looks, and what
// was known stays on the screen with its age when the server goes away.

import { get, Problem } from './api';

const SLOWEST_MS = 30_000;

export class Poll<T> {
  /** The newest answer. */
  data = $state.raw<T | null>(null);
  /** Why the last question failed; null when it did not. */
  problem = $state.raw<Problem | null>(null);
  /** When the newest answer came, in milliseconds since the epoch; 0 before the first. */
  at = $state(0);
  #path: () => string | null;
  #everyMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #open: AbortController | null = null;
  #failures = 0;
  #asked = '';

  /** Begins with the component that makes it and ends with it; a null path asks nothing. */
  constructor(path: () => string | null, everyMs: number) {
    this.#path = path;
    this.#everyMs = everyMs;
    $effect(() => {
      this.#turn(path());
      this.refresh();
      const shown = () => {
        if (!document.hidden) this.refresh();
      };
      document.addEventListener('visibilitychange', shown);
      return () => {
        document.removeEventListener('visibilitychange', shown);
        this.#stop();
      };
    });
  }

  /** Forgets the answer to another question. */
  #turn(path: string | null) {
    if (path === null || path === this.#asked) return;
    this.#asked = path;
    this.data = null;
    this.problem = null;
  }

  /** Asks now. */
  refresh() {
    this.#stop();
    void this.#ask();
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#open?.abort();
    this.#open = null;
  }

  async #ask() {
    const path = this.#path();
    if (path === null) return;
    const open = new AbortController();
    this.#open = open;
    try {
      const data = await get<T>(path, { signal: open.signal });
      if (open.signal.aborted) return;
      this.data = data;
      this.at = Date.now();
      this.problem = null;
      this.#failures = 0;
    } catch (error) {
      if (open.signal.aborted) return;
      this.problem =
        error instanceof Problem ? error : new Problem('the answer is not readable', 0);
      this.#failures += 1;
    }
    if (document.hidden) return;
    const wait = Math.min(this.#everyMs * 2 ** Math.max(0, this.#failures - 1), SLOWEST_MS);
    this.#timer = setTimeout(() => void this.#ask(), Math.max(wait, this.#everyMs));
  }
}
