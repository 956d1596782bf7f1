// What a view is to the frame around it.

import type { Component } from 'svelte';

export interface View {
  /** First segment of its address below /ui/. */
  readonly id: string;
  /** The word in the navigation and the heading. */
  readonly title: string;
  /** Outline of a 16 x 16 icon, for the path element's `d`. */
  readonly icon: string;
  readonly component: Component;
}
