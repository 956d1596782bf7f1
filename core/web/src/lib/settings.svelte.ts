// What the person at the screen has chosen. The rule: choices outlive the tab where the browser lets them, and
// nothing secret is among them.

export const THEMES = ['auto', 'dark', 'light', 'contrast'] as const;
export type Theme = (typeof THEMES)[number];

const isTheme = (text: unknown): text is Theme => THEMES.some(theme => theme === text);
const KEYS = { theme: 'shimmer.theme', shortcuts: 'shimmer.shortcuts' };

class Settings {
  theme = $state<Theme>('auto');
  /** Single-key shortcuts; some readers of screens need the keys themselves. */
  shortcuts = $state(true);
  /** Everything that moves stands still. */
  paused = $state(false);
  /** Counts changes of colours, for what is drawn by hand. */
  painted = $state(0);

  start(asked: string | null) {
    const stored = recall(KEYS.theme);
    this.theme = isTheme(asked) ? asked : isTheme(stored) ? stored : 'auto';
    this.shortcuts = recall(KEYS.shortcuts) !== 'off';
    this.#show();
    for (const query of ['(prefers-color-scheme: dark)', '(prefers-contrast: more)']) {
      matchMedia(query).addEventListener('change', () => this.#show());
    }
  }

  setTheme(theme: Theme) {
    this.theme = theme;
    keep(KEYS.theme, theme);
    this.#show();
  }

  nextTheme() {
    this.setTheme(THEMES[(THEMES.indexOf(this.theme) + 1) % THEMES.length] ?? 'auto');
  }

  setShortcuts(on: boolean) {
    this.shortcuts = on;
    keep(KEYS.shortcuts, on ? 'on' : 'off');
  }

  #show() {
    document.documentElement.dataset.theme = this.theme;
    this.painted += 1;
  }
}

function recall(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function keep(key: string, text: string) {
  try {
    localStorage.setItem(key, text);
  } catch {
    // Storage is off: the choice lasts as long as the page.
  }
}

/** Whether the system asks for less motion. */
export const calm = matchMedia('(prefers-reduced-motion: reduce)');

export const settings = new Settings();
