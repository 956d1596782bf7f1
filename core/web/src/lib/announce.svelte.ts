// What a reader of screens is told. The rule: at most one announcement in ten seconds, and the newest wins.

const EVERY_MS = 10_000;

class Announcer {
  text = $state('');
  #last = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  say(text: string) {
    clearTimeout(this.#timer);
    const wait = Math.max(0, this.#last + EVERY_MS - performance.now());
    this.#timer = setTimeout(() => {
      this.#last = performance.now();
      this.text = text;
    }, wait);
  }
}

export const announcer = new Announcer();
