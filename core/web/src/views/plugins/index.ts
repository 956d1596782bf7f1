// What the frame knows of this view.

import type { View } from '../../lib/view';
import Plugins from './Plugins.svelte';

export const view: View = {
  id: 'plugins',
  title: 'Plugins',
  icon: 'M2 2h5v5H2zM9 2h5v5H9zM2 9h5v5H2zM9 9h5v5H9z',
  component: Plugins,
};
