// What the frame knows of this view.

import type { View } from '../../lib/view';
import Fractal from './Fractal.svelte';

export const view: View = {
  id: 'fractal',
  title: 'Fractal',
  icon: 'M8 1l6 3.5v7L8 15l-6-3.5v-7zM8 1v7m6-3.5L8 8 2 4.5',
  component: Fractal,
};
