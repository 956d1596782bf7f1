// The DAO view against a real node: weights, proposals and their way, the form, the log, and the states without an answer.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { accessible, beauty, Node, open, shot, until } from './harness';
import { fits, from, giveToken, Shelf } from './shelf';

const key = (n: number) => String(n).repeat(64);
const hash = (n: number) => n.toString(16).padStart(64, 'abcdef');
const proposal = (id: string, state: string, more: object = {}) => ({
  id,
  title: `Proposal ${id}`,
  source: 'a-sensor',
  options: [0.5],
  strategy: 'stake',
  delay_s: 60,
  period_s: 3600,
  quorum: 0.25,
  timelock_s: 600,
  extension_s: 60,
  grace_s: 86_400,
  state,
  created_at: from(-600),
  starts_at: from(-500),
  ends_at: from(3100),
  eta: null,
  total_power: 394,
  votes: 3,
  for: 120,
  against: 30.5,
  abstain: 20,
  tallies: [],
  winner: null,
  quorum_reached: true,
  ...more,
});
const proposals = () => [
  proposal('p1', 'active'),
  proposal('p2', 'queued', { eta: from(-5), created_at: from(-500) }),
  proposal('p3', 'pending', { starts_at: from(90), created_at: from(-10), votes: 0 }),
  proposal('p4', 'succeeded'),
  proposal('p5', 'defeated', { created_at: from(-7000) }),
  proposal('p6', 'executed', {
    options: [0, 0.5, 1],
    tallies: [10, 200, 30],
    winner: 1,
    strategy: 'conviction',
    conviction: 97_698,
    created_at: from(-9000),
  }),
];
const entries = Array.from({ length: 30 }, (_, n) => ({
  n,
  at: from(n - 60),
  type: n % 3 ? 'vote' : 'weights',
  data: { proposal: `p${n}`, choice: 'for' },
  prev: hash(n),
  hash: hash(n + 1),
}));
const documents = () => ({
  '/dao/weights': {
    version: 7,
    effective_at: from(-4000),
    weights: { 'a-sensor': 0.5 },
    hash: hash(7),
    weighted_avg: 0.8,
  },
  '/dao/sources': {
    sources: [
      { id: 'a-sensor', weight: 0.5, share: 0.25, avg: 0.31, events: 12_000 },
      { id: 'b-sensor', weight: 1, share: 0.75, avg: 0.92, events: 30 },
      { id: 'new', weight: 1, share: 0, avg: null, events: 0 },
    ],
  },
  '/dao/members': {
    members: [
      { key: key(1), name: 'Ada', stake: 300, joined: from(-86_400), revoked: null },
      { key: key(2), name: 'Grace', stake: 100, joined: from(-86_400), revoked: null },
      { key: key(3), name: 'Mallory', stake: 900, joined: from(-86_400), revoked: from(-100) },
    ],
  },
  '/dao/proposals': {
    proposals: proposals(),
    template: proposal('', 'pending', { starts_at: from(60) }),
    verbs: {
      queue: { state: 'queued', eta: from(600) },
      execute: { state: 'executed' },
      cancel: { state: 'canceled' },
    },
  },
  '/dao/audit': { entries, count: entries.length, head: hash(30) },
});

test('weights, and what they do to the average', async t => {
  const shelf = await Shelf.start(t, documents());
  await shelf.node.post([beauty(0.5), beauty(0.7)]);
  const page = await shelf.open('/ui/dao');
  const sources = page.getByRole('region', { name: 'Sources' });
  await sources.locator('tbody tr').nth(2).waitFor();
  const row = (await sources.locator('tbody tr').first().innerText()).replaceAll(/\s+/g, ' ');
  assert.equal(row.trim(), 'a-sensor 25 % 0.5 0.310 12,000');
  const figure = (label: string) =>
    page.locator('dl.figures > div', { hasText: label }).locator('dd').first().innerText();
  await until(
    'the node has said its average',
    async () => (await figure('Plain average')) === '0.600',
  );
  assert.equal(await figure('Weighted average'), '0.800');
  assert.equal(await figure('Difference'), '+0.200');
  assert.equal(await figure('Version'), '7');
  const members = page.getByRole('region', { name: 'Members' });
  assert.match(await members.locator('tbody tr').first().innerText(), /Ada[^]*300\s+75 %/);
  assert.match(await members.locator('tbody tr').nth(2).innerText(), /⊘ revoked[^]*900\s+–/);
  await shot(page, 'dao');
  await accessible(page);
});

test('proposals count down to their next step, and stand still when motion is paused', async t => {
  const shelf = await Shelf.start(t, documents());
  const page = await shelf.open('/ui/dao');
  const rows = page.getByRole('region', { name: /^Proposals/ }).locator('tbody tr');
  await rows.nth(5).waitFor();
  assert.match(
    await rows.first().innerText(),
    /Proposal p3[^]*◌ Pending → ○ Active[^]*Voting begins/,
  );
  const left = () => rows.first().locator('td').nth(1).innerText();
  const first = await left();
  await until('a second passes', async () => (await left()) !== first);
  await page.getByRole('button', { name: 'Pause motion' }).click();
  const still = await left();
  await page.waitForResponse(answer => /proposals$/.test(answer.url()));
  assert.equal(await left(), still);
  await page.getByRole('link', { name: 'Proposal p1' }).click();
  await page.waitForURL('**/ui/dao/proposals/p1');
  await page.getByText('35.5 % of 25 %').waitFor();
  const text = await page.locator('main').innerText();
  for (const words of [
    '120 ✓ ahead',
    '30.5',
    'Quorum ✓ reached',
    'Voting ends in',
    'shimmer dao vote p1 for --key FILE',
  ])
    assert.ok(text.includes(words), words);
  assert.equal(
    await page.getByRole('listitem').filter({ hasText: 'Active' }).getAttribute('aria-current'),
    'step',
  );
  await shot(page, 'dao-proposal');
  await accessible(page);
  await page.goto(`${shelf.node.url}/ui/dao/proposals/p6`);
  await page.getByText('200 ✓ ahead').waitFor();
  await page.getByText('97,698').waitFor();
  await shot(page, 'dao-choice');
});

test('queue, execute and cancel', async t => {
  const shelf = await Shelf.start(t, documents());
  const page = await shelf.open('/ui/dao/proposals/p4');
  await page.getByRole('button', { name: 'Queue' }).click();
  await giveToken(page);
  await page.getByText('Can be executed in').waitFor();
  assert.equal(
    await page.getByRole('button', { name: 'Execute' }).count(),
    0,
    'not before its time',
  );
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Cancel for good' }).click();
  await page.getByRole('listitem').filter({ hasText: '⊘' }).getByText('Canceled').waitFor();
  await page.getByRole('link', { name: '← All' }).click();
  await page.getByRole('link', { name: 'Proposal p2' }).click();
  await page.getByRole('button', { name: 'Execute' }).click();
  await page.getByRole('listitem').filter({ hasText: '✔' }).getByText('Executed').waitFor();
});

test('a new proposal is checked, sent and opened', async t => {
  const shelf = await Shelf.start(t, documents());
  const page = await shelf.open('/ui/dao');
  await page.getByRole('button', { name: 'New proposal' }).click();
  const form = page.getByRole('dialog', { name: 'New proposal' });
  await form.getByLabel('Title').fill('Trust the b-sensor less');
  await form.getByLabel('Source').fill('b-sensor');
  await form.getByLabel('Weight').fill('0.2, 7');
  await form.getByRole('button', { name: 'Send' }).click();
  await form.getByText('Weights from 0 to 1').waitFor();
  assert.equal(await form.getByLabel('Alpha').count(), 0);
  await form.getByLabel('Strategy').selectOption('conviction');
  await form.getByLabel('Alpha').fill('0.8');
  await shot(page, 'dao-form');
  await accessible(page, ['dark']);
  await form.getByLabel('Weight').fill('0.2, 0.7');
  await form.getByRole('button', { name: 'Send' }).click();
  await giveToken(page);
  await page.waitForURL('**/ui/dao/proposals/posted-1');
  await page.getByRole('heading', { name: 'Trust the b-sensor less' }).waitFor();
  const made = await shelf.get<Record<string, unknown>>('/dao/proposals/posted-1');
  assert.deepEqual([made.options, made.strategy, made.alpha], [[0.2, 0.7], 'conviction', 0.8]);
});

test('what the node says of a field is shown in the form', async t => {
  const shelf = await Shelf.start(t, { ...documents(), '/dao/proposals': { proposals: [] } });
  const page = await shelf.open('/ui/dao', { expected: /400/ });
  await page.getByText('No proposal yet.').waitFor();
  await page.getByRole('button', { name: 'New proposal' }).click();
  const form = page.getByRole('dialog', { name: 'New proposal' });
  await form.getByLabel('Title').fill('x');
  await form.getByLabel('Source').fill('x');
  await form.getByRole('button', { name: 'Send' }).click();
  await giveToken(page);
  await form.getByText("title: is not to the shelf's taste").waitFor();
});

test('the log is read page by page and downloaded whole', async t => {
  const shelf = await Shelf.start(t, documents());
  const page = await shelf.open('/ui/dao');
  const log = page.getByRole('region', { name: /^Entries/ });
  const numbers = () => log.locator('tbody th').allInnerTexts();
  await until('the newest', async () => (await numbers())[0] === '29');
  assert.deepEqual([(await numbers()).length, (await numbers()).at(-1)], [12, '18']);
  const row = log.locator('tbody tr').first();
  assert.ok(!(await row.getByText(hash(30)).isVisible()));
  await row.getByText(hash(30).slice(0, 10), { exact: true }).click();
  await row.getByText(hash(30)).waitFor();
  await page.getByRole('button', { name: 'Older' }).click();
  await until('the next page', async () => (await numbers())[0] === '17');
  await page.getByRole('button', { name: 'Older' }).click();
  await until('the last page', async () => (await numbers()).join() === '5,4,3,2,1,0');
  assert.ok(await page.getByRole('button', { name: 'Older' }).isDisabled());
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download NDJSON' }).click(),
  ]);
  const lines = (await readFile(await download.path(), 'utf8')).trim().split('\n');
  assert.equal(download.suggestedFilename(), 'audit.ndjson');
  assert.deepEqual(
    lines.map(line => (JSON.parse(line) as { n: number }).n),
    entries.map(({ n }) => n),
  );
});

test('narrow and wide', async t => {
  const shelf = await Shelf.start(t, documents());
  const small = await shelf.open('/ui/dao', { width: 360 });
  await small.getByText('Ada').waitFor();
  await fits(small);
  await shot(small, 'dao-360');
  const one = await shelf.open('/ui/dao/proposals/p1', { width: 360 });
  await one.getByText('35.5 % of 25 %').waitFor();
  await fits(one);
  await shot(one, 'dao-360-proposal');
  const wall = await shelf.open('/ui/dao?theme=light', { width: 2560, height: 1440 });
  await wall.getByText('Ada').waitFor();
  await shot(wall, 'dao-2560-light');
});

test('empty, down, and not loaded', async t => {
  const shelf = await Shelf.start(t, {
    '/dao/weights': { version: 0, effective_at: from(0), weights: {}, hash: hash(0) },
    '/dao/sources': { sources: [] },
    '/dao/members': { members: [] },
    '/dao/proposals': { proposals: [] },
    '/dao/audit': { entries: [], count: 0, head: '0'.repeat(64) },
  });
  const page = await shelf.open('/ui/dao', { expected: /503/ });
  for (const words of [
    'No source has',
    'No proposal yet',
    'No members yet',
    'Nothing has been decided',
  ])
    await page.getByText(words).waitFor();
  await shot(page, 'dao-empty');
  await shelf.enable(false);
  await page.getByText('is down (DISABLED)').first().waitFor();

  const bare = await Node.start(t);
  const missing = await open(t, `${bare.url}/ui/dao`);
  await missing.getByText('The plugin dao is not loaded').waitFor();
  await accessible(missing, ['dark']);
});
