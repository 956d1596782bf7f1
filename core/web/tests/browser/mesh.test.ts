// The federation view on the plugin that serves it: two nodes that show each other, and what the DAO makes of both.

import { createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { beauty, DAO, Node, open, shot, until } from './harness';

/** A port that nobody has at the moment. */
const freePort = () =>
  new Promise<number>(found => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => found(port));
    });
  });
/** A node of a mesh: without a port it only dials. */
const meshed = (name: string, port: number, peers: number[], more = '') => `node = "${name}"
[[plugin]]
name = "gossip"
[plugin.config]
host = "127.0.0.1"
port = ${port}
peers = [${peers.map(peer => `"ws://127.0.0.1:${peer}"`).join()}]
${more}`;

const peer = async (page: Page) =>
  (
    await page
      .getByRole('region', { name: 'Connected peers' })
      .locator('tbody tr')
      .first()
      .innerText()
  ).replaceAll(/\s+/g, ' ');

test('two nodes show each other, and one map of both', async t => {
  const port = await freePort();
  const berlin = await Node.start(t, meshed('berlin', port, [], DAO));
  const lima = await Node.start(t, meshed('lima', 0, [port]));
  const page = await open(t, `${berlin.url}/ui/federation`);
  await until('a peer', async () => /^lima .*← in/.test(await peer(page)));
  await page.getByText('No beauty has been seen').waitFor();
  const there = await open(t, `${lima.url}/ui/federation`);
  await until('the other one', async () => /^berlin .*→ out/.test(await peer(there)));

  // Of one minute, whenever that ends.
  const timestamp = new Date().toISOString();
  await there.goto(`${lima.url}/ui/live`);
  await there.getByText('No event yet').waitFor();
  await berlin.post([beauty(1, { source: 'north', timestamp })]);
  const row = there.getByRole('region', { name: 'Newest events' }).locator('tbody tr').first();
  await row.getByText('north').waitFor();
  await row.getByRole('button').click();
  await there.getByText('"origin": "berlin"').waitFor();
  await shot(there, 'mesh-live');

  await lima.post([beauty(0.4, { source: 'south', timestamp })]);
  berlin.member('ada', 30);
  const proposal = berlin.shell(
    'shimmer dao propose --title "Trust the north less" --source north --option 0.25 --period-s 100 --timelock-s 10',
  );
  await berlin.clock(1);
  berlin.shell(`shimmer dao vote ${proposal} for --key ada.key`);
  await berlin.clock(112);
  await page.getByRole('button', { name: 'Table of beauty over time' }).click();
  const newest = page
    .getByRole('region', { name: /Average \(count\)/ })
    .locator('tbody tr')
    .first();
  // Of all nodes, of all by the weights of their sources, and of each.
  const expected = /0\.700 \(2\)\s+0\.600 \(2\)\s+1\.000 \(1\)\s+0\.400 \(1\)/;
  await until('all of it', async () => expected.test(await newest.innerText()));
  await page.getByRole('button', { name: 'Heatmap of beauty over time' }).click();
  await page.getByText('All, weighted').waitFor();
  await shot(page, 'mesh');
});
