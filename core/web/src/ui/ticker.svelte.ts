// A clock that views redraw by. The rule: it stands still while motion is paused and while nobody looks.

import { settings } from '../lib/settings.svelte';

/** A counter that grows every `everyMs()` milliseconds, for as long as the component lives. */
export function ticker(everyMs: () => number): { readonly count: number } {
  let count = $state(0);
  $effect(() => {
    if (settings.paused) return;
    const timer = setInterval(() => {
      if (!document.hidden) count += 1;
    }, everyMs());
    return () => clearInterval(timer);
  });
  return {
    get count() {
      return count;
    },
  };
}
