// The alerts view against a real node: what it shows, what can be done from it, and what it says when it cannot know.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { accessible, event, Node, open, shot, until } from './harness';
import { fits, from, giveToken, Shelf } from './shelf';

const HOSTILE = '\u202eevil <b>bold</b>';
const alert = (id: string, more: object = {}) => ({
  id,
  type: 'latency',
  severity: 'warning',
  subject: 'ec2',
  description: `Latency of ec2 is odd (${id})`,
  score: 0.82,
  timestamp: from(-20),
  recommended_actions: ['Look at the load balancer', 'Compare with yesterday'],
  resolved: false,
  resolution_time: null,
  state: 'firing',
  fingerprint: '0123456789abcdef',
  labels: { kind: 'latency', subject: 'ec2', runbook: 'https://example.org/runbook' },
  expected: { low: 40, high: 60 },
  value: 92.5,
  method: 'context surprise',
  starts_at: from(-30),
  acked_by: null,
  reduced_sensitivity: true,
  runbook_url: '',
  ...more,
});
const alerts = () => [
  alert('a1', { severity: 'critical', score: 0.97 }),
  alert('a2', { starts_at: from(-3700) }),
  alert('a3', { state: 'pending', severity: 'info', subject: 'office', description: HOSTILE }),
  alert('a4', { state: 'silenced', labels: { kind: 'temperature', subject: 'office' } }),
  alert('a5', { state: 'resolved', resolved: true, resolution_time: from(-5) }),
];
const list = (alerts: object[]) => ({
  alerts,
  counts: { firing: 2, pending: 1, silenced: 1, inhibited: 0, resolved: 1 },
  verbs: {
    ack: { acked_by: 'default' },
    resolve: { state: 'resolved', resolved: true, resolution_time: from(0) },
  },
});
const groups = {
  correlations: [
    {
      id: 'c1',
      alerts: ['a1', 'a2', 'a3'],
      root_cause: 'a1',
      confidence: 0.83,
      reason: 'it began first and touches both others',
      starts_at: from(-30),
      ends_at: from(-10),
    },
  ],
};
const silences = () => ({
  silences: [
    {
      id: 's1',
      matchers: [{ name: 'subject', op: '=~', value: 'off.*' }],
      author: 'ada',
      comment: 'Heating is being repaired',
      starts_at: from(-60),
      ends_at: from(3000),
    },
  ],
  template: {},
});
const documents = () => ({
  '/api/alerts': list(alerts()),
  '/api/correlations': groups,
  '/api/silences': silences(),
});

const rows = (page: Page) => page.getByRole('region', { name: 'Alerts' }).locator('tbody tr');
const firstCells = (page: Page) => rows(page).locator('th a').allInnerTexts();

test('alerts are listed, filtered, and the filter lies in the address', async t => {
  const shelf = await Shelf.start(t, documents());
  const page = await shelf.open('/ui/alerts');
  await rows(page).nth(4).waitFor();
  assert.match((await firstCells(page))[0]!, /\(a1\)/);
  assert.match(
    (await rows(page).nth(0).innerText()).replaceAll(/\s+/g, ' '),
    /Critical.*Firing.*0.970.*3\ds/,
  );
  assert.ok(!(await page.locator('main').innerText()).includes('\u202e'), 'marks are made visible');
  await shot(page, 'alerts-list');
  await accessible(page);

  await page.getByRole('button', { name: 'Firing 2' }).click();
  await until('two are left', async () => (await rows(page).count()) === 2);
  await page.getByLabel('Severity').selectOption('critical');
  await until('one is left', async () => (await rows(page).count()) === 1);
  assert.match(page.url(), /state=firing&severity=critical/);
  await page.reload();
  await rows(page).nth(0).waitFor();
  assert.equal(await rows(page).count(), 1);
  await page.getByLabel('Subject').selectOption('office');
  await page.getByText('No alert passes the filter.').waitFor();
});

test('one alert explains itself, and is walked to by keys', async t => {
  const shelf = await Shelf.start(t, documents());
  await shelf.node.post(Array.from({ length: 40 }, () => event('latency', 50, { subject: 'ec2' })));
  const page = await shelf.open('/ui/alerts');
  await rows(page).nth(4).waitFor();
  await page.keyboard.press('j');
  await page.waitForURL('**/ui/alerts/a1');
  const detail = page.locator('section.panel', { hasText: '← All' });
  await detail.getByText('context surprise').waitFor();
  await page.waitForFunction(() => document.activeElement?.tagName === 'H2');
  const text = await detail.innerText();
  for (const words of [
    '92.5',
    '40 to 60',
    '0.970',
    'above',
    'reduced sensitivity',
    'Look at the load balancer',
    'not yet',
  ])
    assert.ok(text.includes(words), words);
  assert.equal(await detail.getByRole('link', { name: 'https://example.org/runbook' }).count(), 1);
  await detail.getByRole('img', { name: /latency of ec2/ }).waitFor();
  await detail.getByText('Only what this page has seen').waitFor();
  await detail.getByRole('button', { name: 'Table of latency' }).click();
  await detail.getByRole('cell', { name: '50', exact: true }).first().waitFor();
  await detail.getByRole('button', { name: 'Chart of latency' }).click();
  await shot(page, 'alerts-detail');
  await accessible(page);
  await page.keyboard.press('j');
  await page.waitForURL('**/ui/alerts/a2');
  await page.keyboard.press('k');
  await page.waitForURL('**/ui/alerts/a1');
  await page.reload();
  await detail.getByText('context surprise').waitFor();
  await page.getByRole('link', { name: '← All' }).click();
  await page.waitForURL('**/ui/alerts');
});

test('the history plugin fills the chart where it runs', async t => {
  const shelf = await Shelf.start(t, documents());
  await shelf.put({
    '/api/history': {
      buckets: [
        { start: from(-600), avg: 51 },
        { start: from(-300), avg: 77.25 },
      ],
    },
  });
  const page = await shelf.open('/ui/alerts/a1', { plugins: ['history'] });
  await page.getByRole('button', { name: 'Table of latency of ec2' }).click();
  await page.getByRole('cell', { name: '77.25' }).waitFor();
  assert.equal(await page.getByText('the plugin history would know more').count(), 0);
});

test('acknowledge, resolve and silence ask for the token once and change what is shown', async t => {
  const shelf = await Shelf.start(t, documents());
  const page = await shelf.open('/ui/alerts/a2');
  await page.getByRole('button', { name: 'Acknowledge' }).click();
  await giveToken(page);
  await page.getByText('by default').waitFor();
  await rows(page).getByText('✓ acknowledged').waitFor();
  assert.ok(await page.getByRole('button', { name: 'Acknowledge' }).isDisabled());

  await page.getByRole('button', { name: 'Silence', exact: true }).click();
  const form = page.getByRole('dialog', { name: 'New silence' });
  const matchers = form.getByLabel('Matchers, one a line');
  assert.match(await matchers.inputValue(), /^kind="latency"\n.*subject="ec2"$/s);
  await accessible(page, ['dark']);
  await form.getByLabel('Author').fill('grace');
  await form.getByLabel('Comment').fill('Known');
  await form.getByLabel('Hours').fill('0.5');
  await matchers.fill('subject ec2');
  await form.getByRole('button', { name: 'Send' }).click();
  await form.getByText('Each line is a name').waitFor();
  await shot(page, 'alerts-silence');
  await matchers.fill('subject=~"ec2.*"');
  await form.getByRole('button', { name: 'Send' }).click();
  const made = page.getByRole('row', { name: /grace/ });
  await made.getByText(/^29m \d+s$/).waitFor();
  const { silences } = await shelf.get<{ silences: Record<string, string>[] }>('/api/silences');
  assert.deepEqual(silences[1]?.matchers, [{ name: 'subject', op: '=~', value: 'ec2.*' }]);
  assert.equal(Date.parse(silences[1].ends_at!) - Date.parse(silences[1].starts_at!), 1_800_000);

  await page.getByRole('button', { name: 'End the silence of ada' }).click();
  await until('it is gone', async () => (await page.getByText('Heating').count()) === 0);

  await page.getByRole('button', { name: 'Resolve', exact: true }).click();
  await rows(page).filter({ hasText: '(a2)' }).getByText('Resolved').waitFor();
});

test('a refusal is shown', async t => {
  const shelf = await Shelf.start(t, documents());
  await shelf.put({ '/api/alerts': { ...list(alerts()), verbs: {} } });
  const page = await shelf.open('/ui/alerts/a1', { expected: /409/ });
  await page.getByRole('button', { name: 'Resolve', exact: true }).click();
  await giveToken(page);
  await page.getByText('the item is in another state').waitFor();
});

test('an event of kind alert brings the list up to date, and what newly fires is said', async t => {
  const shelf = await Shelf.start(t, documents());
  const page = await shelf.open('/ui/alerts');
  await page.getByTestId('link').getByText('Live').waitFor();
  await rows(page).nth(4).waitFor();
  const asked = page.waitForRequest(/\/api\/alerts$/);
  await asked;
  // The next question by itself is ten seconds away.
  await shelf.put({ '/api/alerts': list([...alerts(), alert('a6', { severity: 'critical' })]) });
  const again = page.waitForRequest(/\/api\/alerts$/, { timeout: 6000 });
  await shelf.node.post([event('alert', 1, { subject: 'ec2' })]);
  await again;
  await page.getByText('(a6)').first().waitFor();
  await until('it is said', async () =>
    /Critical alert: .*a6/.test(await page.locator('div.hidden[role=status]').innerText()),
  );
});

test('groups link to their members', async t => {
  const shelf = await Shelf.start(t, documents());
  const page = await shelf.open('/ui/alerts');
  const group = page.getByRole('region', { name: 'Correlations' });
  await group.getByText('83 %').waitFor();
  await group.getByText('it began first').waitFor();
  await group.getByRole('link', { name: /a2/ }).click();
  await page.waitForURL('**/ui/alerts/a2');
});

test('narrow and wide', async t => {
  const shelf = await Shelf.start(t, documents());
  const small = await shelf.open('/ui/alerts', { width: 360 });
  await rows(small).nth(0).waitFor();
  await fits(small);
  await shot(small, 'alerts-360');
  const detail = await shelf.open('/ui/alerts/a1', { width: 360 });
  await detail.getByText('context surprise').waitFor();
  await fits(detail);
  assert.ok(!(await rows(detail).nth(0).isVisible()), 'the list makes room');
  await shot(detail, 'alerts-360-detail');
  const wall = await shelf.open('/ui/alerts/a1?theme=light', { width: 2560, height: 1440 });
  await wall.getByText('context surprise').waitFor();
  await shot(wall, 'alerts-2560-light');
});

test('quiet, down, and not loaded', async t => {
  const shelf = await Shelf.start(t, documents());
  await shelf.put({
    '/api/alerts': { alerts: [], counts: {} },
    '/api/correlations': { correlations: [] },
    '/api/silences': { silences: [] },
  });
  const page = await shelf.open('/ui/alerts', { expected: /503/ });
  await page.getByText('All quiet').waitFor();
  await page.getByText('Nothing is silenced.').waitFor();
  await shot(page, 'alerts-quiet');
  await shelf.enable(false);
  const down = await shelf.open('/ui/alerts', { expected: /503/ });
  await down.getByText('is down (DISABLED)').waitFor();
  await shot(down, 'alerts-down');
  await shelf.enable(true);

  const bare = await Node.start(t);
  const missing = await open(t, `${bare.url}/ui/alerts`);
  await missing.getByText('The plugin anomaly is not loaded').waitFor();
  await accessible(missing, ['dark']);
  await shot(missing, 'alerts-missing');
});
