// What the frame knows of this view.

import type { View } from '../../lib/view';
import Live from './Live.svelte';

export const view: View = {
  id: 'live',
  title: 'Live',
  icon: 'M1 8h3l2-5 4 10 2-5h3',
  component: Live,
};
