// The alerts view on the plugin that serves it: an alert from its event to its end, all from the page.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Page } from 'playwright-core';
import { accessible, event, Node, open, shot, until } from './harness';
import { giveToken } from './shelf';

const RULES = `
[[threshold]]
name = "Budget"
kind = "cost"
keep_firing_for = "0s"
runbook = "https://example.org/budget"
warning = { above = 80 }
critical = { above = 95 }

[[threshold]]
name = "Slow"
kind = "slow"
for = "1h"
info = { above = 1 }

[[anomaly]]
name = "Odd"
kind = "latency"
`;

async function start(t: TestContext): Promise<Node> {
  const node = await Node.start(t, home => {
    const rules = join(home, 'rules.toml');
    writeFileSync(rules, RULES);
    return `[[plugin]]\nname = "anomaly"\npermissions = { read = ["${home}"] }\n[plugin.config]\nrules = "${rules}"\n`;
  });
  const running = async () => {
    const answer = await fetch(`${node.url}/api/plugin/anomaly`);
    return ((await answer.json()) as { state: string }).state === 'RUNNING';
  };
  await until('the plugin runs', running);
  return node;
}

const rows = (page: Page) => page.getByRole('region', { name: 'Alerts' }).locator('tbody tr');
const cost = (value: number, subject = 'ec2') => event('cost', value, { subject });

test('an alert is seen, taken note of, silenced and ended', async t => {
  const node = await start(t);
  const page = await open(t, `${node.url}/ui/alerts`);
  await page.getByText('All quiet').waitFor();
  await page.getByTestId('link').getByText('Live').waitFor();

  // It comes with its event, long before the page would ask again; the worse one mutes the other.
  await node.post([cost(97), event('slow', 2, { subject: 'disk' })]);
  await rows(page).nth(2).waitFor({ timeout: 6000 });
  const text = (await page.getByRole('region', { name: 'Alerts' }).innerText()).replaceAll(
    /\s+/g,
    ' ',
  );
  assert.match(text, /ec2 is 97, expected below 95.*Critical.*Firing/i);
  assert.match(text, /Warning.*Inhibited/i);
  assert.match(text, /Info.*Pending/i);
  await shot(page, 'anomaly-list');
  await accessible(page);

  await rows(page).filter({ hasText: 'Firing' }).getByRole('link').click();
  const detail = page.locator('section.panel', { hasText: '← All' });
  await detail.getByText('The value is above').waitFor();
  await detail.getByRole('link', { name: 'https://example.org/budget' }).waitFor();
  await page.getByRole('button', { name: 'Acknowledge' }).click();
  await giveToken(page);
  await detail.getByText('by operator').waitFor();
  await shot(page, 'anomaly-detail');

  await page.getByRole('button', { name: 'Silence', exact: true }).click();
  const form = page.getByRole('dialog', { name: 'New silence' });
  await form.getByLabel('Author').fill('grace');
  await form.getByLabel('Comment').fill('Known');
  await form.getByRole('button', { name: 'Send' }).click();
  await rows(page).filter({ hasText: 'Critical' }).getByText('Silenced').waitFor();
  await page.getByRole('button', { name: 'End the silence of grace' }).click();
  await rows(page).filter({ hasText: 'Critical' }).getByText('Firing').waitFor();

  await page.getByRole('button', { name: 'Resolve', exact: true }).click();
  await rows(page).filter({ hasText: 'Critical' }).getByText('Resolved').waitFor();
  // The muted warning is heard again, now that the worse one is over; then the value ends it.
  await rows(page).filter({ hasText: 'Warning' }).getByText('Firing').waitFor();
  await node.post([cost(10)]);
  await rows(page).filter({ hasText: 'Warning' }).getByText('Resolved').waitFor();
});

test('an anomaly says what was expected, and groups name a cause', async t => {
  const node = await start(t);
  const steady = (subject: string) =>
    Array.from({ length: 120 }, (_, i) => event('latency', 50 + ((i * 7) % 5), { subject }));
  await node.post([...steady('ec2'), ...steady('db')]);
  await node.post([event('latency', 400, { subject: 'db' })]);
  await node.post([event('latency', 300, { subject: 'ec2' })]);
  const page = await open(t, `${node.url}/ui/alerts`);
  await rows(page).nth(1).waitFor();
  const group = page.getByRole('region', { name: 'Correlations' });
  await group.getByText(/%/).first().waitFor();
  await rows(page).filter({ hasText: 'db is 400' }).getByRole('link').click();
  const detail = page.locator('section.panel', { hasText: '← All' });
  await detail.getByText('spike').first().waitFor();
  await detail.getByRole('img', { name: /latency of db/ }).waitFor();
  await shot(page, 'anomaly-spike');
});
