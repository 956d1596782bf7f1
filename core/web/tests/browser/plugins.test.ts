// The plugins view in a real browser, with plugins that live, crash and are told what to do.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, event, figure, fixture, Node, open, shot, TOKEN, until } from './harness.ts';

const counter = () => `[[plugin]]\nname = "counter"\npath = "${fixture('counter')}"\n`;
const ghost = '[[plugin]]\nname = "ghost"\npath = "/nowhere/libghost.so"\n';

test('no plugin, and how to get one', async t => {
  const node = await Node.start(t);
  const page = await open(t, `${node.url}/ui/plugins`);
  await page.getByText('No plugin is loaded').waitFor();
  await accessible(page);
  await shot(page, 'plugins-none');
});

test('a card each, with state, sign and figures', async t => {
  const node = await Node.start(t, counter() + ghost);
  await node.post(Array.from({ length: 10 }, (_, i) => event('k', i)));
  const page = await open(t, `${node.url}/ui/plugins`);
  const card = page.locator('article', { hasText: 'counter' });
  await until('it runs', async () => /Running/.test((await card.textContent()) ?? ''));
  await until('its events are counted', async () => {
    await page.reload();
    return Number(await figure(card, 'Events').textContent()) >= 10;
  });
  const broken = page.locator('article', { hasText: 'ghost' });
  await until('it does not', async () =>
    /Crashed|Stopped|Restarting/.test((await broken.textContent()) ?? ''),
  );
  await accessible(page);
  await shot(page, 'plugins');
});

test('an order needs the token, which is asked for once', async t => {
  const node = await Node.start(t, counter());
  const page = await open(t, `${node.url}/ui/plugins/counter`, { expected: /401/ });
  const pid = () => figure(page, 'PID').textContent();
  await until('it runs', async () => /^\d+$/.test((await pid()) ?? ''));
  await page.getByText('running, pid').waitFor();
  await accessible(page);
  const before = await pid();
  await page.getByRole('button', { name: 'restart' }).click();
  const dialog = page.getByRole('dialog', { name: 'Token needed' });
  await dialog.getByLabel('Token').fill('wrong');
  await dialog.getByLabel('Token').press('Enter');
  await dialog.getByText('refused this token').waitFor();
  await accessible(page, ['dark']);
  await shot(page, 'plugins-token');
  await dialog.getByLabel('Token').fill(TOKEN);
  await dialog.getByLabel('Token').press('Enter');
  await page.getByText('has taken the order: restart').waitFor();
  await until('it is another process', async () => {
    const now = (await pid()) ?? '';
    return /^\d+$/.test(now) && now !== before;
  });
  await page.getByRole('button', { name: 'disable' }).click();
  await until('it is disabled without another question', async () =>
    /Disabled/.test((await page.locator('main').textContent()) ?? ''),
  );
  await page.getByRole('button', { name: 'enable' }).click();
  await until('it runs again', async () =>
    /Running/.test((await page.locator('main').textContent()) ?? ''),
  );
  await shot(page, 'plugins-detail');
  const stored = await page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }]),
  );
  assert.ok(!stored.includes(TOKEN), 'the token is in memory alone');
  await page.reload();
  await page.getByRole('button', { name: 'restart' }).click();
  await dialog.getByRole('button', { name: 'Close' }).click();
  assert.equal(await page.getByText('has taken the order').count(), 0, 'declining does nothing');
});

test('a plugin that nobody knows', async t => {
  const node = await Node.start(t);
  const page = await open(t, `${node.url}/ui/plugins/nobody`, { expected: /404/ });
  await page.getByText('Plugin nobody not found').waitFor();
  await accessible(page, ['dark']);
});
