// The DAO view on the plugin that serves it: from a proposal in the form to what its weight does, and the proof of it.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { accessible, beauty, DAO, figure, Node, open, shot, until } from './harness';
import { fits, giveToken } from './shelf';

/** Looks away and back, upon which a page asks for everything anew. */
const look = (page: Page) =>
  page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
const table = (page: Page, name: RegExp) => page.getByRole('region', { name }).locator('tbody tr');
const text = async (page: Page, name: RegExp, row: number) =>
  (await table(page, name).nth(row).innerText()).replaceAll(/\s+/g, ' ').trim();

test('a proposal of the form is voted on by the command beside it, and weighs', async t => {
  const node = await Node.start(t, DAO);
  node.member('ada', 30);
  node.member('bob', 20);
  await node.post([beauty(1, { source: 'north' }), beauty(0.4, { source: 'south' })]);
  const page = await open(t, `${node.url}/ui/dao`);
  await table(page, /^Members/)
    .nth(1)
    .waitFor();
  await until('the events', async () =>
    /^north 50 % 0.5 1.000 1$/.test(await text(page, /^Sources/, 0)),
  );
  await page.getByText('No proposal yet').waitFor();

  await page.getByRole('button', { name: 'New proposal' }).click();
  const form = page.getByRole('dialog', { name: 'New proposal' });
  for (const [label, value] of [
    ['Title', 'Leave the north out'],
    ['Source', 'north'],
    ['Weight', '0'],
    ['Delay', '0'],
    ['Period', '100'],
    ['Timelock', '10'],
    ['Extension', '0'],
  ] as const)
    await form.getByLabel(label).fill(value);
  await form.getByRole('button', { name: 'Send' }).click();
  await giveToken(page);
  await page.getByRole('heading', { name: 'Leave the north out' }).waitFor();
  const comes = (state: string) =>
    page.locator('[aria-current=step]', { hasText: state }).waitFor();
  await comes('Pending');
  await shot(page, 'voting-pending');

  await node.clock(1);
  await comes('Active');
  const command = await page.getByLabel('Command').innerText();
  assert.match(command, /^shimmer dao vote p\S+ for --key FILE$/);
  assert.match(node.shell(command.replace('FILE', 'ada.key')), /power of 30$/);
  node.shell(command.replace(' for ', ' against ').replace('FILE', 'bob.key'));
  await look(page);
  await page.getByText('Quorum ✓ reached').waitFor();
  await page.getByText('30 ✓ ahead').waitFor();
  await page.getByText('60 % of 20 %').waitFor();
  await shot(page, 'voting-active');
  await accessible(page);

  await node.clock(101);
  await look(page);
  await comes('Queued');
  await node.clock(112);
  await look(page);
  await comes('Executed');
  assert.equal(await page.getByLabel('Command').count(), 0, 'it is too late to vote');
  await shot(page, 'voting-executed');

  await page.getByRole('link', { name: '← All' }).click();
  await until('the weight', async () => /^north 0 % 0 /.test(await text(page, /^Sources/, 0)));
  for (const [label, value] of [
    ['Weighted average', '0.400'],
    ['Plain average', '0.700'],
    ['Difference', '−0.300'],
    ['Version', '1'],
  ] as const)
    await until(label, async () => (await figure(page, label).innerText()) === value);
  const types = () =>
    table(page, /^Entries/)
      .locator('td:nth-child(3)')
      .allInnerTexts();
  await until('the whole log', async () => (await types()).length === 9);
  assert.deepEqual(
    (await types()).map(type => type.trim()),
    ['weights', 'execute', 'queue', 'vote', 'vote', 'proposal', 'member', 'member', 'config'],
  );
  await shot(page, 'voting');
  const small = await open(t, page.url(), { width: 360 });
  await table(small, /^Entries/)
    .nth(8)
    .waitFor();
  await fits(small);
  await shot(small, 'voting-360');

  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download NDJSON' }).click(),
  ]);
  await download.saveAs(join(node.home, download.suggestedFilename()));
  const proof = await page.getByText(/^shimmer dao verify/).innerText();
  assert.match(node.shell(proof), /^ok: 9 entries/);
});
