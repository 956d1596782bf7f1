// The views, in the order of the navigation. A new one is a folder under views/ and one line here.

import { view as live } from './views/live';
import { view as fractal } from './views/fractal';
import { view as plugins } from './views/plugins';
import { view as alerts } from './views/alerts';
import { view as federation } from './views/federation';
import { view as dao } from './views/dao';
import type { View } from './lib/view';

export const views: readonly View[] = [live, fractal, plugins, alerts, federation, dao];
