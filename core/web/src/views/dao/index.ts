// What the frame knows of this view.

import type { View } from '../../lib/view';
import Dao from './Dao.svelte';

export const view: View = {
  id: 'dao',
  title: 'DAO',
  icon: 'M8 1l6 3H2zM3 6v6m3.5-6v6m3-6v6M13 6v6M1.5 14.5h13',
  component: Dao,
};
