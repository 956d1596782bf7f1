// What the frame knows of this view.

import type { View } from '../../lib/view';
import Alerts from './Alerts.svelte';

export const view: View = {
  id: 'alerts',
  title: 'Alerts',
  icon: 'M8 2a4 4 0 0 1 4 4c0 4 2 5 2 6H2c0-1 2-2 2-6a4 4 0 0 1 4-4zM6.5 14.5h3',
  component: Alerts,
};
