// What the frame knows of this view.

import type { View } from '../../lib/view';
import Federation from './Federation.svelte';

export const view: View = {
  id: 'federation',
  title: 'Federation',
  icon: 'M8 2.5v4m-1 2L3.5 12m5.5-3.5 3.5 3.5M8 1a1 1 0 1 0 0 2 1 1 0 0 0 0-2zM3 11a1 1 0 1 0 0 2 1 1 0 0 0 0-2zm10 0a1 1 0 1 0 0 2 1 1 0 0 0 0-2zM8 6a1.6 1.6 0 1 0 0 3 1.6 1.6 0 0 0 0-3z',
  component: Federation,
};
