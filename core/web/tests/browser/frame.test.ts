// The frame around the views: keys, themes, sizes, walls, the bounds of size and memory.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { accessible, beauty, event, Node, open, shot, until } from './harness.ts';

const VIEWS = ['live', 'fractal', 'plugins', 'alerts', 'federation', 'dao'];
/** All scripts and styles of all views. */
const MOST_BYTES = 70_000;

test('the whole dashboard is small', () => {
  const assets = resolve(import.meta.dirname, '../../dist/assets');
  const bytes = readdirSync(assets)
    .filter(name => /\.(js|css)$/.test(name))
    .map(name => gzipSync(readFileSync(join(assets, name)), { level: 9 }).length)
    .reduce((sum, size) => sum + size, 0);
  assert.ok(bytes <= MOST_BYTES, `${bytes} bytes of gzip`);
});

test('every view opens by key and by address, in every theme, and is accessible', async t => {
  const node = await Node.start(t);
  await node.post([beauty(0.9), event('k', 1)]);
  const page = await open(t, node.url);
  for (const [i, view] of VIEWS.entries()) {
    await page.keyboard.press(String(i + 1));
    await page.waitForURL(`**/ui/${view}`);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await accessible(page);
  }
  await page.goBack();
  await page.waitForURL('**/ui/federation');
  assert.match(await page.title(), /Federation/);
});

test('help says what the keys do, and they can be turned off', async t => {
  const node = await Node.start(t);
  const page = await open(t, node.url);
  await page.keyboard.press('?');
  const help = page.getByRole('dialog', { name: 'Help' });
  await help.getByText('Pause or resume all motion').waitFor();
  await accessible(page);
  await shot(page, 'help');
  await help.getByLabel('Single-key shortcuts').uncheck();
  await page.keyboard.press('Escape');
  await help.waitFor({ state: 'detached' });
  await page.keyboard.press('3');
  await page.keyboard.press('?');
  assert.equal(await help.count(), 0);
  assert.ok(!page.url().endsWith('/plugins'));
  await page.reload();
  await page.getByRole('button', { name: 'Help and shortcuts' }).click();
  assert.equal(
    await help.getByLabel('Single-key shortcuts').isChecked(),
    false,
    'it is remembered',
  );
});

test('the theme is chosen, kept, and named in the address', async t => {
  const node = await Node.start(t);
  const page = await open(t, node.url);
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const seen = new Set<string>();
  for (const name of ['dark', 'light', 'contrast']) {
    await page.keyboard.press('t');
    assert.equal(await theme(), name);
    seen.add(await ground());
  }
  assert.equal(seen.size, 3, 'three grounds');
  await page.reload();
  assert.equal(await theme(), 'contrast');
  await page.goto(`${node.url}/ui/plugins?theme=light`);
  assert.equal(await theme(), 'light');
});

test('everything can be reached by Tab, in order, and is seen when it is', async t => {
  const node = await Node.start(t);
  await node.post([beauty(0.9), event('k', 1)]);
  const page = await open(t, node.url);
  await page.locator('canvas').nth(2).waitFor();
  const reached: string[] = [];
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press('Tab');
    const here = await page.evaluate(() => {
      const { activeElement: it } = document;
      if (!it || it === document.body) return null;
      const box = it.getBoundingClientRect();
      const outlined = getComputedStyle(it).outlineStyle !== 'none';
      return {
        name: it.getAttribute('aria-label') ?? it.textContent?.trim() ?? '',
        outlined,
        width: box.width,
      };
    });
    if (!here) break;
    assert.ok(here.outlined && here.width > 0, `${here.name} is not seen`);
    reached.push(here.name);
  }
  for (const name of ['Skip to the view', 'Fractal', 'Pause motion', '5 min', 'Pause feed']) {
    assert.ok(
      reached.some(text => text.includes(name)),
      `${name} among ${reached.join(' | ')}`,
    );
  }
  const chart = page.getByRole('img', { name: /^Series k/ });
  await chart.focus();
  await page.keyboard.press('End');
  await until('the cursor reads the chart', async () =>
    /\d\d:\d\d:\d\d · value/.test(
      (await page.locator('figure', { has: chart }).textContent()) ?? '',
    ),
  );
});

test('no view scrolls sideways, from a telephone to a wall', async t => {
  const node = await Node.start(t);
  await node.post(
    Array.from({ length: 30 }, (_, i) => beauty(i / 20, { subject: 'x'.repeat(100) })),
  );
  for (const [width, height] of [
    [360, 740],
    [768, 1024],
    [3840, 2160],
  ] as const) {
    const page = await open(t, node.url, { width, height });
    for (const view of VIEWS) {
      await page.goto(`${node.url}/ui/${view}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      const over = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.equal(over, 0, `${view} at ${width}`);
      if (width !== 768) await shot(page, `${view}-${width}`);
    }
  }
});

test('on a wall and in a frame', async t => {
  const node = await Node.start(t);
  await node.post([beauty(0.9)]);
  const page = await open(t, `${node.url}/ui/live?kiosk`);
  await page.locator('canvas').first().waitFor();
  assert.equal(await page.getByRole('navigation').count(), 0);
  await page.getByTestId('link').waitFor();
  await shot(page, 'kiosk');
  await page.goto(`${node.url}/ui/live?kiosk=live,plugins&every=2`);
  await page.waitForURL('**/ui/plugins?kiosk=*');
  await page.waitForURL('**/ui/live?kiosk=*');
  await page.goto(`${node.url}/ui/live?embed`);
  await page.locator('canvas').first().waitFor();
  assert.equal(await page.locator('header').count(), 0);
  await accessible(page, ['dark']);
});

test('memory is flat while events stream', async t => {
  const node = await Node.start(t);
  const page = await open(t, node.url);
  const debug = await page.context().newCDPSession(page);
  const series = Array.from({ length: 20 }, (_, i) => `s${i}`);
  let seq = 0;
  const stream = async (events: number) => {
    for (let left = events; left > 0; left -= 500) {
      await node.post(
        Array.from({ length: 500 }, (_, i) =>
          event('k', Math.sin(i / 30), { subject: series[i % 20] }),
        ),
      );
    }
    seq += events;
    await until(
      'they are seen',
      async () =>
        (await page.locator('section[aria-label=Events] tbody tr').first().textContent())
          ?.trim()
          .startsWith(String(seq)) ?? false,
    );
  };
  const used = async () => {
    await debug.send('HeapProfiler.collectGarbage');
    const { usedSize } = await debug.send('Runtime.getHeapUsage');
    const { metrics } = await debug.send('Performance.getMetrics');
    const of = (name: string) => metrics.find(one => one.name === name)?.value ?? 0;
    return { bytes: usedSize, nodes: of('Nodes'), listeners: of('JSEventListeners') };
  };
  await debug.send('Performance.enable');
  // Every buffer is full after this.
  await stream(10_000);
  const before = await used();
  await stream(30_000);
  const after = await used();
  assert.ok(after.bytes < before.bytes + 1_500_000, `${before.bytes} to ${after.bytes} bytes`);
  assert.ok(after.nodes < before.nodes * 1.2 + 500, `${before.nodes} to ${after.nodes} nodes`);
  assert.ok(after.listeners < before.listeners * 1.2 + 50, `${after.listeners} listeners`);
});
