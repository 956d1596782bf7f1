// What can stand in a cell of a table or behind a label. The rule: text is given as it came, and made harmless where it
// is shown.

import type { Tone } from './Badge.svelte';

export interface Look {
  tone: Tone;
  icon: string;
  word: string;
}

export interface Rich {
  text?: string;
  href?: string;
  title?: string;
  /** A line below, less loud. */
  sub?: string;
  badge?: Look;
  /** Of a bar, 0..=1, and a mark on it. */
  share?: number;
  mark?: number;
  /** What opens below the text. */
  more?: string;
  /** The text is a button. */
  run?: () => void;
}

export type Cell = string | Rich | readonly Cell[];

/** The head, what stands below it, and whether that is a number. */
export type Column<T> = readonly [head: string, cell: (row: T) => Cell, number?: 1];

/** Words of a closed set with their looks; a word that is not among them is shown as it is. */
export const looks =
  (known: Readonly<Record<string, readonly [Tone, string]>>) =>
  (word: string): Look => {
    const [tone, icon] = known[word] ?? ['idle', '●'];
    return { tone, icon, word: sentence(word.slice(0, 32)) };
  };
export const sentence = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);
