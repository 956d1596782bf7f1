// The live view in a real browser, on a real node: what it shows, and what it does when the node goes away.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Page, WebSocketRoute } from 'playwright-core';
import { from, Shelf } from './shelf.ts';
import { accessible, beauty, event, figure, Node, open, shot, TOKEN, until } from './harness.ts';

/** The smallest ring, so that a gap is quickly made. */
const SMALL = '[ring]\ncapacity = 1024\n';
const CAPACITY = 1024;
/** What a browser says of a server that is away. */
const AWAY =
  /ERR_CONNECTION|ERR_SOCKET|ERR_INTERNET|WebSocket connection|ERR_EMPTY|ERR_NETWORK|502|503/;

const rows = (page: Page) => page.locator('section[aria-label=Events] tbody tr');
const seqs = async (page: Page) =>
  (await page.locator('section[aria-label=Events] tbody button').allTextContents()).map(Number);
const badge = (page: Page) => page.getByTestId('link');

test('an empty node says how to begin, and the line it gives works', async t => {
  const node = await Node.start(t);
  const page = await open(t, node.url);
  const command = await page.getByText('curl -sS').first().textContent();
  assert.ok(command);
  await shot(page, 'live-empty');
  await accessible(page);
  writeFileSync(join(node.home, 'data/token'), TOKEN);
  execFileSync('bash', ['-c', command], { cwd: node.home });
  await rows(page).first().waitFor();
  assert.match((await rows(page).first().textContent()) ?? '', /beauty\s*1\.2/);
});

test('events arrive, are filtered, opened and found on the chart', async t => {
  const node = await Node.start(t);
  await node.post([
    ...Array.from({ length: 120 }, (_, i) => beauty(0.4 + (i % 10) / 20, { subject: 'a' })),
    ...Array.from({ length: 80 }, (_, i) =>
      event('latency', 40 + (i % 7), { subject: 'ec2', source: 'x' }),
    ),
    event('temperature', 21.5, { subject: 'office', data: { room: 'Needle 7' } }),
  ]);
  const page = await open(t, node.url);
  await until('all rows', async () => (await rows(page).count()) === 200);
  await until('a chart each', async () => (await page.locator('canvas').count()) === 4);
  await until('the score', async () => (await figure(page, 'Average').textContent()) === '0.625');
  await shot(page, 'live');
  await accessible(page);

  await page.keyboard.press('/');
  await page.keyboard.type('needle');
  await until('one row by text', async () => (await rows(page).count()) === 1);
  assert.match(page.url(), /q=needle/);
  await page.reload();
  await until('the address keeps the filter', async () => (await rows(page).count()) === 1);
  await rows(page).first().getByRole('button').click();
  await page.getByText('"room": "Needle 7"').waitFor();
  await page.getByLabel('Text').fill('');
  await page.getByLabel('Kind').fill('latency');
  await until('rows by kind', async () => (await rows(page).count()) === 80);
  await page.getByLabel('Source').fill('nobody');
  await page.getByText('passes this filter').waitFor();
});

test('the history plugin fills the ranges that the page has not seen', async t => {
  const buckets = Array.from({ length: 40 }, (_, i) => ({
    start: from(-60 * (i + 5)),
    value: 0.25,
  }));
  const shelf = await Shelf.start(t, { '/api/history': { buckets } });
  await shelf.node.post([beauty(1)]);
  const page = await shelf.open('/ui/live', { plugins: ['history'] });
  await rows(page).first().waitFor();
  await page.getByRole('button', { name: 'Table of Rolling score' }).click();
  const table = page.getByRole('region', { name: 'Rolling score, as a table' });
  await until('one point', async () => (await table.locator('tbody tr').count()) === 1);
  await page.getByRole('button', { name: '1 h', exact: true }).click();
  await until('forty more', async () => (await table.locator('tbody tr').count()) === 40);
  assert.match((await table.locator('tbody tr').first().textContent()) ?? '', /1\.000/);
  assert.match((await table.locator('tbody tr').last().textContent()) ?? '', /0\.250/);
  assert.equal(await page.getByText('history plugin').count(), 0);
  await page.reload();
  await page.getByRole('button', { name: 'Table of Rolling score' }).click();
  await until(
    'the same by its address',
    async () => (await table.locator('tbody tr').count()) === 40,
  );
});

test('a paused feed stands still and counts what is new', async t => {
  const node = await Node.start(t);
  await node.post([event('k', 1)]);
  const page = await open(t, node.url);
  await rows(page).first().waitFor();
  await page.keyboard.press('f');
  await node.post([event('k', 2), event('k', 3)]);
  await until(
    'two are new',
    async () => (await page.getByTestId('fresh').textContent()) === '2 new',
  );
  assert.equal(await rows(page).count(), 1);
  await page.keyboard.press('f');
  await until('all three', async () => (await rows(page).count()) === 3);

  await page.keyboard.press('p');
  await node.post([event('k', 4)]);
  await until(
    'one is new',
    async () => (await page.getByTestId('fresh').textContent()) === '1 new',
  );
  const still = await page.locator('canvas').first().screenshot();
  await node.post([event('k', 5)]);
  await until(
    'two are new',
    async () => (await page.getByTestId('fresh').textContent()) === '2 new',
  );
  assert.ok(still.equals(await page.locator('canvas').first().screenshot()), 'charts stand still');
});

test('a node that dies and comes back costs no row and doubles none', async t => {
  const node = await Node.start(t);
  await node.post(Array.from({ length: 20 }, (_, i) => event('k', i)));
  const page = await open(t, node.url, { expected: AWAY });
  await until('twenty rows', async () => (await rows(page).count()) === 20);
  for (let round = 1; round <= 3; round += 1) {
    await node.stop('SIGKILL');
    await until('it is seen', async () =>
      /Reconnecting/.test((await badge(page).textContent()) ?? ''),
    );
    if (round === 1) await shot(page, 'live-away');
    await node.run();
    await node.post(Array.from({ length: 30 }, (_, i) => event('k', i)));
    await until('all rows', async () => (await rows(page).count()) === 20 + 30 * round);
    const shown = await seqs(page);
    const expected = Array.from({ length: 20 + 30 * round }, (_, i) => 20 + 30 * round - i);
    assert.deepEqual(shown, expected, 'each once, newest first');
  }
});

test('what the ring no longer holds is said aloud', async t => {
  const node = await Node.start(t, SMALL);
  await node.post([event('k', 0)]);
  const page = await open(t, node.url, { expected: AWAY });
  await rows(page).first().waitFor();
  // Whoever has not heard the stream yet asks for all of it, and its gap begins with the first event.
  await until('it is heard', async () => /Live/.test((await badge(page).textContent()) ?? ''));
  await node.stop('SIGKILL');
  await page.context().setOffline(true);
  await until('it is seen', async () =>
    /Reconnecting/.test((await badge(page).textContent()) ?? ''),
  );
  await node.run();
  const batch = () => Array.from({ length: 500 }, (_, i) => event('k', i));
  for (let posted = 0; posted < 2 * CAPACITY; posted += 500) await node.post(batch());
  await page.context().setOffline(false);
  const gap = page.getByText(/Gap: [\d,]+ events, 2 to \d+/);
  await until('the newest is there', async () => (await seqs(page))[0] === 2501);
  await page.getByText('were no longer kept by the node').waitFor();
  await page.getByLabel('Kind').fill('none-of-these');
  await gap.waitFor();
  await shot(page, 'live-gap');
  const missed = Number(/2 to (\d+)/.exec((await gap.textContent()) ?? '')?.[1]) - 1;
  assert.ok(missed >= 2500 - CAPACITY && missed < 2500, `${missed} are said to be missing`);
  await page.getByLabel('Kind').fill('');
  assert.equal(new Set(await seqs(page)).size, 200, 'none is doubled');
});

test('a node that lost its events and counts anew is shown as it is', async t => {
  const node = await Node.start(t, '[ring]\nstorage = "memory"\n');
  await node.post(Array.from({ length: 20 }, (_, i) => event('before', i)));
  const page = await open(t, node.url, { expected: AWAY });
  await until('twenty rows', async () => (await seqs(page)).length === 20);
  // Whoever has not heard the stream yet knows of no number that could come again.
  await until('it is heard', async () => /Live/.test((await badge(page).textContent()) ?? ''));
  await node.stop('SIGKILL');
  await node.run();
  await page.getByText('counts again from 1').first().waitFor();
  await node.post(Array.from({ length: 5 }, (_, i) => event('after', i)));
  await until('old and new rows', async () => (await seqs(page)).length === 25);
  assert.deepEqual((await seqs(page)).slice(0, 6), [5, 4, 3, 2, 1, 20]);
  await shot(page, 'live-anew');
});

test('a node that counts anew before its stream was heard is shown as it is', async t => {
  const node = await Node.start(t, '[ring]\nstorage = "memory"\n');
  await node.post(Array.from({ length: 20 }, (_, i) => event('before', i)));
  const held: WebSocketRoute[] = [];
  let hold = true;
  const before = (page: Page) =>
    page.routeWebSocket(/\/stream/, socket => {
      if (hold) held.push(socket);
      else socket.connectToServer();
    });
  const page = await open(t, node.url, { expected: AWAY, before });
  await until('it asks for the stream', async () => held.length === 1);
  await until('twenty rows', async () => (await seqs(page)).length === 20);
  await node.stop('SIGKILL');
  await node.run();
  await node.post(Array.from({ length: 5 }, (_, i) => event('after', i)));
  hold = false;
  await held[0]!.close();
  await until('the new rows', async () => (await seqs(page)).length === 5);
  assert.deepEqual(await seqs(page), [5, 4, 3, 2, 1]);
  await node.post([event('after', 6)]);
  await until('one more', async () => (await seqs(page))[0] === 6);
  assert.match((await badge(page).textContent()) ?? '', /Live/);
});

test('a network that falls silent is seen within three seconds', async t => {
  const node = await Node.start(t);
  await node.post([event('k', 1)]);
  const page = await open(t, node.url, { expected: AWAY });
  await until('it is live', async () => /Live/.test((await badge(page).textContent()) ?? ''));
  const took = page.evaluate(
    () =>
      new Promise<number>(seen => {
        const begun = performance.now();
        new MutationObserver(() => seen(performance.now() - begun)).observe(
          document.querySelector('[data-testid=link]')!,
          { subtree: true, childList: true, characterData: true },
        );
      }),
  );
  node.freeze(true);
  const ms = await took;
  assert.match((await badge(page).textContent()) ?? '', /Stale/);
  await shot(page, 'live-stale');
  node.freeze(false);
  assert.ok(ms <= 3000 + 500, `${ms} ms, the time to freeze included`);
  await node.post([event('k', 2)]);
  await until('it is back', async () => /Live/.test((await badge(page).textContent()) ?? ''));
  await until('nothing is lost', async () => (await rows(page).count()) === 2);
});

test('hostile text stays text', async t => {
  const node = await Node.start(t);
  const hostile = [
    '<img src=x onerror=alert(1)>',
    '<script>alert(1)</script>',
    '\u202e\u2066gnorw\u2069',
    '🦀'.repeat(128),
    'x'.repeat(128),
    '\'"`{{7*7}}${7*7}</textarea>',
    'عربي עברית',
    'e\u0301'.repeat(60),
  ];
  await node.post([
    ...hostile.map(subject => event('k', 1, { subject, source: subject, data: { text: subject } })),
    event('k', 1, { data: { deep: '\u0000\u0007\u001b[31m', big: 'y'.repeat(2000) } }),
    ...hostile.map(text => beauty(0.5, { wisdom: text })),
  ]);
  const page = await open(t, node.url);
  let dialogs = 0;
  page.on('dialog', dialog => {
    dialogs += 1;
    void dialog.dismiss();
  });
  await until('all rows', async () => (await rows(page).count()) === 2 * hostile.length + 1);
  for (const button of await page.locator('section[aria-label=Events] tbody button').all()) {
    await button.click();
  }
  assert.equal(await page.locator('img[src=x], main script').count(), 0);
  assert.equal(dialogs, 0);
  const tall = await rows(page).evaluateAll(all =>
    Math.max(...all.filter(row => !row.querySelector('pre')).map(row => row.clientHeight)),
  );
  assert.ok(tall < 60, `a row is ${tall} pixels tall`);
  await shot(page, 'live-hostile');
  await accessible(page, ['dark']);
});
