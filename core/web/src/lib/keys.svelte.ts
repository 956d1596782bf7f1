// Keyboard shortcuts. The rule: no shortcut fires while somebody writes, and each stands in the help.

import { onMount } from 'svelte';
import { settings } from './settings.svelte';

export interface Shortcut {
  /** As in KeyboardEvent.key. */
  key: string;
  about: string;
  run: () => void;
}

class Keys {
  #all = $state.raw<readonly Shortcut[]>([]);

  get all(): readonly Shortcut[] {
    return this.#all;
  }

  add(shortcuts: readonly Shortcut[]): () => void {
    this.#all = [...this.#all, ...shortcuts];
    return () => {
      this.#all = this.#all.filter(shortcut => !shortcuts.includes(shortcut));
    };
  }

  press(event: KeyboardEvent) {
    if (!settings.shortcuts || event.defaultPrevented) return;
    if (event.ctrlKey || event.metaKey || event.altKey || writes(event.target)) return;
    // The newest wins: a view may give a key of the frame another meaning.
    const shortcut = this.#all.findLast(one => one.key === event.key);
    if (!shortcut) return;
    event.preventDefault();
    shortcut.run();
  }
}

function writes(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target.matches('input, textarea, select, dialog[open] *');
}

export const keys = new Keys();

/** Shortcuts of a component, for as long as it is on the page. */
export function useKeys(shortcuts: readonly Shortcut[]) {
  onMount(() => keys.add(shortcuts));
}
