import type { View } from '../../lib/view';

export const view: View = {
  id: 'live',
  title: 'Live',
  icon: 'M1 8h3l2-5 4 10 2-5h3',
  load: () => import('./Live.svelte'),
};
