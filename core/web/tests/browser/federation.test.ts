// The federation view against a real node: figures, peers, the map and its gossip, the heatmap, and the states without
// an answer.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { accessible, Node, open, shot, until } from './harness';
import { fits, from, Shelf } from './shelf';

const peer = (n: number, more: object = {}) => ({
  node_id: `node-${n}`,
  peer_id: `12D3KooWpeer${n}`,
  address: `/dns/peer${n}/tcp/8091/ws`,
  direction: n % 2 ? 'in' : 'out',
  latency_ms: 12.34 * n,
  last_gossip: from(-2 * n),
  score: 10 - n,
  ...more,
});
const peers = () => [peer(1), peer(2), peer(3), peer(4, { last_gossip: null, latency_ms: null })];
const health = (more: object = {}) => ({
  status: 'ok',
  node_id: 'here',
  peer_id: '12D3KooWhere',
  peers: 4,
  beauty_avg: 0.712,
  beauty_min: 0.1,
  beauty_max: 1.4,
  gossip_seen: 1200,
  gossip_propagated: 900,
  ...more,
});
const minute = (back: number) =>
  new Date((Math.floor(Date.now() / 60_000) - back) * 60_000).toISOString();
const heatmap = () => ({
  node_id: 'here',
  bucket_seconds: 60,
  buckets: Array.from({ length: 40 }, (_, i) => 39 - i)
    .filter(back => back % 9 !== 4)
    .map(back => ({
      start: minute(back),
      count: 30,
      avg: 0.5 + 0.4 * Math.sin(back / 5),
      min: 0,
      max: 1.5,
      weighted_avg: 0.52 + 0.35 * Math.sin(back / 5),
      nodes: {
        here: { count: 20, avg: 0.6 + 0.3 * Math.cos(back / 3) },
        'node-1': { count: back % 4 ? 10 : 0, avg: 0.3 + back / 80 },
        'node-2': { count: 5, avg: 0.9 - back / 90 },
      },
    })),
});
const documents = () => ({
  '/federated/health': health(),
  '/federated/network': { node_id: 'here', peers: peers() },
  '/federated/gossip/summary': {
    seen: 1200,
    propagated: 900,
    total: 2100,
    duplicates: 850,
    rejected: 3,
    synced: 47,
  },
  '/federated/heatmap': heatmap(),
});
/** Counts what is set in motion from now on. */
const watch = (page: Page) =>
  page.evaluate(() => {
    const { animate } = Element.prototype;
    document.body.dataset.moved = '0';
    Element.prototype.animate = function (...how) {
      document.body.dataset.moved = String(Number(document.body.dataset.moved) + 1);
      return animate.apply(this, how);
    };
  });
const moved = async (page: Page) => Number(await page.locator('body').getAttribute('data-moved'));

test('the node, its peers, and all of it as JSON', async t => {
  const shelf = await Shelf.start(t, documents());
  const page = await shelf.open('/ui/federation');
  const table = page.getByRole('region', { name: 'Connected peers' });
  await table.locator('tbody tr').nth(3).waitFor();
  const row = (await table.locator('tbody tr').nth(1).innerText()).replaceAll(/\s+/g, ' ');
  assert.match(row, /node-2 \/dns\/peer2.*→ out 24\.7 \d+s ago 8/);
  assert.match(await table.locator('tbody tr').nth(3).innerText(), /never/);
  for (const [label, value] of [
    ['Beauty, average', '0.712'],
    ['Seen', '1,200'],
    ['Rejected', '3'],
    ['Synced', '47'],
  ] as const)
    assert.equal(
      await page.locator('dl.figures > div', { hasText: label }).locator('dd').first().innerText(),
      value,
    );
  await shot(page, 'federation');
  await page.getByText('Raw JSON').click();
  const json = JSON.parse(await page.getByLabel('Raw JSON').innerText());
  assert.equal(json.gossip_summary.synced, 47);
  assert.equal(json.heatmap.buckets.length, heatmap().buckets.length);
  assert.equal(json.network.peers.length + json.health.peers, 8);
  await accessible(page);
});

test('gossip travels along its edge, and not when motion is off', async t => {
  const [first, ...others] = peers();
  const shelf = await Shelf.start(t, {
    ...documents(),
    '/federated/network': { node_id: 'here', peers: [first, ...others] },
  });
  const page = await shelf.open('/ui/federation');
  const map = page.getByRole('img', { name: /^here and its 4 peers/ });
  await map.waitFor();
  assert.equal(await map.locator('g.quiet').count(), 1);
  const gossip = async (page: Page, seen: number) => {
    await shelf.put({
      '/federated/network': {
        node_id: 'here',
        peers: [peer(1, { last_gossip: from(1), score: seen }), ...others],
      },
      '/federated/health': health({ gossip_seen: seen, beauty_avg: seen / 1e4 }),
    });
    await page.getByRole('cell', { name: seen.toLocaleString('en'), exact: true }).waitFor();
    await page.getByText((seen / 1e4).toFixed(3), { exact: true }).waitFor();
  };
  await watch(page);
  await gossip(page, 1300);
  await until('an edge and the node pulse', async () => (await moved(page)) === 2);
  await page.getByRole('button', { name: 'Pause motion' }).click();
  const motions = () => map.evaluate(map => map.getAnimations({ subtree: true }).length);
  await until('a pause ends what moves', async () => (await motions()) === 0);
  await gossip(page, 1400);
  assert.equal(await moved(page), 2);

  const calm = await shelf.open('/ui/federation', { context: { reducedMotion: 'reduce' } });
  await calm.getByRole('cell', { name: '1,400', exact: true }).waitFor();
  await watch(calm);
  await gossip(calm, 1500);
  assert.equal(await moved(calm), 0);
});

test('the heatmap is read by keys, by the pointer and as a table', async t => {
  const shelf = await Shelf.start(t, documents());
  const page = await shelf.open('/ui/federation?theme=dark');
  const map = page.getByRole('img', { name: /^Heatmap/ });
  await map.focus();
  const spoken = page.locator('p', { hasText: 'no events ·' }).locator('.space');
  await until('the newest cell', async () =>
    /^All nodes · .* · 0\.500 \(30\)$/.test(await spoken.innerText()),
  );
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowLeft');
  await until('a cell of a node', async () =>
    /^node-1 · .* · 0\.313 \(10\)$/.test(await spoken.innerText()),
  );
  for (let i = 0; i < 3; i += 1) await page.keyboard.press('ArrowLeft');
  await until('an empty cell', async () => /^node-1 · .* · ·$/.test(await spoken.innerText()));
  await shot(page, 'federation-heat');
  const box = (await map.boundingBox())!;
  await page.mouse.move(box.x + box.width / 2, box.y + 12);
  await until('under the pointer', async () => (await spoken.innerText()).startsWith('All nodes'));
  await page.getByRole('button', { name: 'Table of beauty over time' }).click();
  const table = page.getByRole('region', { name: /Average \(count\)/ });
  assert.equal(await table.locator('tbody tr').count(), 40);
  assert.match(
    await table.locator('tbody tr').first().innerText(),
    /0\.500 \(30\)\s+0\.520 \(30\)\s+0\.900 \(20\)\s+·/,
  );
  assert.match(await table.locator('tbody tr').nth(4).innerText(), /·\s+·\s+·\s+·/);
  await accessible(page, ['dark']);
});

test('more peers than a map can hold, names that are no names', async t => {
  const many = Array.from({ length: 130 }, (_, n) => peer(n, { node_id: 'All nodes' }));
  const shelf = await Shelf.start(t, {
    ...documents(),
    '/federated/network': { node_id: 'here', peers: many },
    '/federated/heatmap': {
      ...heatmap(),
      buckets: [
        {
          ...heatmap().buckets.at(-1),
          nodes: { 'All nodes': { count: 1, avg: 1 }, '\u202ex': { count: 1, avg: 0 } },
        },
      ],
    },
  });
  const page = await shelf.open('/ui/federation');
  await page.getByText('the table has 106 more').waitFor();
  await page.getByRole('img', { name: /^Heatmap/ }).waitFor();
  const rows = page.getByRole('region', { name: 'Connected peers' }).locator('tbody tr');
  assert.equal(await rows.count(), 100);
  await page.getByRole('button', { name: '100 more of 130' }).click();
  await until('all are there', async () => (await rows.count()) === 130);
  await shot(page, 'federation-many');
});

test('narrow and wide', async t => {
  const shelf = await Shelf.start(t, documents());
  const small = await shelf.open('/ui/federation', { width: 360 });
  await small.getByRole('img', { name: /^Heatmap/ }).waitFor();
  await fits(small);
  await shot(small, 'federation-360');
  await small.getByRole('img', { name: /^Heatmap/ }).scrollIntoViewIfNeeded();
  await shot(small, 'federation-360-heat');
  const wall = await shelf.open('/ui/federation?theme=light', { width: 2560, height: 1440 });
  await wall.getByRole('img', { name: /^Heatmap/ }).waitFor();
  await shot(wall, 'federation-2560-light');
});

test('alone, down, and not loaded', async t => {
  const shelf = await Shelf.start(t, {
    '/federated/health': health({ peers: 0, beauty_avg: null, beauty_min: null, beauty_max: null }),
    '/federated/network': { node_id: 'here', peers: [] },
    '/federated/heatmap': { node_id: 'here', bucket_seconds: 60, buckets: [] },
    '/federated/gossip/summary': documents()['/federated/gossip/summary'],
  });
  const page = await shelf.open('/ui/federation', { expected: /503/ });
  await page.getByText('No peer is connected').waitFor();
  await page.getByText('No beauty has been seen').waitFor();
  await shot(page, 'federation-alone');
  await shelf.enable(false);
  await page.getByText('is down (DISABLED)').first().waitFor();
  await page.getByText('What is shown is from').first().waitFor();
  await page.waitForResponse(answer => answer.url().endsWith('/network') && !answer.ok());
  assert.equal(await page.getByText('is down').count(), 1, 'it is said once');
  await shot(page, 'federation-down');

  const bare = await Node.start(t);
  const missing = await open(t, `${bare.url}/ui/federation`);
  await missing.getByText('The plugin gossip is not loaded').waitFor();
  await accessible(missing, ['dark']);
});
