// The dashboard through TLS: the stream, pictures and a plugin's page come from the same address, all of it encrypted.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { beauty, Node, open, shot, until } from './harness.ts';

// The certificate is one that nobody else vouches for, here and in the browser.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
const context = { ignoreHTTPSErrors: true };

/** A node that serves with a certificate made for this test. */
const start = (t: Parameters<typeof Node.start>[0]) =>
  Node.start(t, home => {
    const args =
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=shimmer';
    execFileSync('openssl', [
      ...args.split(' '),
      ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
      ...['-keyout', join(home, 'key.pem'), '-out', join(home, 'cert.pem')],
    ]);
    return '[server]\ntls_cert = "cert.pem"\ntls_key = "key.pem"\n';
  });

test('events arrive and pictures are drawn through TLS', async t => {
  const node = await start(t);
  assert.match(node.url, /^https:/);
  const sockets: string[] = [];
  const page = await open(t, node.url, {
    context,
    before: async page => page.on('websocket', socket => sockets.push(socket.url())),
  });
  const rows = page.locator('section[aria-label=Events] tbody tr');
  const badge = page.getByTestId('link');
  await until('it is live', async () => /Live/.test((await badge.textContent()) ?? ''));
  await node.post([beauty(0.9), beauty(0.9)]);
  await until('both rows', async () => (await rows.count()) === 2);
  assert.ok(sockets.length > 0 && sockets.every(url => url.startsWith('wss:')), `${sockets}`);

  await page.goto(`${node.url}/ui/fractal`);
  await page.getByRole('img', { name: 'with 60 % of its detail' }).waitFor();
  await shot(page, 'tls-fractal');
});
