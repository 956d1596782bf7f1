// Places that are known by name, in the Mandelbrot set.

import type { Words } from './place';

export const famous: readonly (Words & { readonly name: string })[] = [
  { name: 'Island on the antenna', re: '-1.7548776662466927', im: '0', zoom: '40' },
  {
    name: 'Elephant spiral',
    re: '0.2549870375144766',
    im: '-0.0005679790528465',
    zoom: '1e10',
  },
  {
    name: 'Seahorse valley',
    re: '-0.743643887037158704752191506114774',
    im: '0.131825904205311970493132056385139',
    zoom: '1e22',
  },
  { name: 'Branches at i', re: '0', im: '1', zoom: '1e100' },
  { name: 'Feigenbaum point', re: '-1.401155189092', im: '0', zoom: '1e6' },
];
