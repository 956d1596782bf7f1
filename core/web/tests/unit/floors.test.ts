// Who may import whom, and how files begin.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

const src = resolve(import.meta.dirname, '../../src');
/** What each floor may import; a view only its own folder of views/. */
const FLOORS: Record<string, string[]> = {
  lib: ['lib'],
  stream: ['stream', 'lib'],
  ui: ['ui', 'stream', 'lib'],
  views: ['ui', 'stream', 'lib'],
};
const LONGEST = 400;

function files(folder: string): string[] {
  return readdirSync(folder).flatMap(name => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

const sources = files(src).filter(path => /\.(ts|svelte)$/.test(path));

test('imports go down', () => {
  for (const path of sources) {
    const [floor = '', view = ''] = relative(src, path).split('/');
    const allowed = FLOORS[floor];
    if (!allowed) continue;
    for (const [, to = ''] of readFileSync(path, 'utf8').matchAll(/from '(\.[^']+)'/g)) {
      const target = relative(src, resolve(dirname(path), to));
      const own = floor === 'views' && target.startsWith(join('views', view) + '/');
      assert.ok(own || allowed.includes(target.split('/')[0] ?? ''), `${path} imports ${to}`);
    }
  }
});

test('a file says what it is and stays short', () => {
  for (const path of sources) {
    const text = readFileSync(path, 'utf8');
    assert.ok(text.startsWith(path.endsWith('.ts') ? '// ' : '<!-- '), `${path} has no head`);
    assert.ok(text.split('\n').length <= LONGEST, `${path} is longer than ${LONGEST} lines`);
  }
});

test('no markup comes from data', () => {
  for (const path of sources) {
    const text = readFileSync(path, 'utf8');
    assert.doesNotMatch(
      text,
      /\{@html|innerHTML|outerHTML|insertAdjacentHTML|document\.write/,
      path,
    );
    assert.doesNotMatch(
      text,
      /<[^>]+\sstyle="/,
      `${path}: the page's policy refuses style attributes`,
    );
  }
});
