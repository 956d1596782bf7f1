// A node whose fixture plugin holds documents of plugins that are not loaded. The rule: what a view asks is answered by
// the real host, under another path: pages see the paths of the plugins, the host those of the fixture.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Page } from 'playwright-core';
import { fixture, Node, open, TOKEN, type Open } from './harness';

const PATHS = /^\/(federated|dao|api\/(alerts|silences|correlations|history))(\/|$)/;
const BELOW = '/x/documents';

export class Shelf {
  readonly node: Node;
  #test: TestContext;

  private constructor(test: TestContext, node: Node) {
    this.#test = test;
    this.node = node;
  }

  static async start(test: TestContext, documents: Record<string, unknown>): Promise<Shelf> {
    const config = `[[plugin]]\nname = "documents"\npath = "${fixture('documents')}"\n`;
    const shelf = new Shelf(test, await Node.start(test, config));
    await shelf.put(documents);
    return shelf;
  }

  /** Lays documents under the paths that views ask for. */
  async put(documents: Record<string, unknown>) {
    for (const [path, document] of Object.entries(documents)) {
      const answer = await this.#send('PUT', BELOW + path, document);
      assert.equal(answer.status, 200, `${path}: ${await answer.text()}`);
    }
  }

  async get<T>(path: string): Promise<T> {
    return (await (await fetch(this.node.url + BELOW + path)).json()) as T;
  }

  /** Takes the plugin away and brings it back: its routes answer 503 in between. */
  async enable(enabled: boolean) {
    const verb = enabled ? 'enable' : 'disable';
    assert.ok((await this.#send('POST', `/api/plugin/documents/${verb}`)).ok);
  }

  /** A page whose questions to the plugins go to the fixture. */
  open(path: string, options: Open & { plugins?: string[] } = {}): Promise<Page> {
    const names = ['anomaly', 'gossip', 'dao', ...(options.plugins ?? [])];
    const before = async (page: Page) => {
      await page.route(
        url => PATHS.test(url.pathname),
        async route => {
          const url = new URL(route.request().url());
          if (route.request().resourceType() === 'document') return route.fallback();
          url.pathname = BELOW + url.pathname;
          return route.continue({ url: url.href });
        },
      );
      // The fixture stands for them: views do not ask a plugin that the node does not have.
      await page.route('**/api/metrics', async route => {
        const answer = await route.fetch().catch(() => null);
        if (!answer) return route.abort();
        const metrics = (await answer.json()) as { plugins: { name: string }[] };
        const own = metrics.plugins.find(({ name }) => name === 'documents');
        metrics.plugins.push(...names.map(name => ({ ...own, name })));
        return route.fulfill({ json: metrics });
      });
      await options.before?.(page);
    };
    return open(this.#test, this.node.url + path, { ...options, before });
  }

  #send(method: string, path: string, body?: unknown) {
    return fetch(this.node.url + path, {
      method,
      headers: { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  }
}

/** A time so many seconds from now. */
export const from = (seconds: number) => new Date(Date.now() + 1000 * seconds).toISOString();

/** Answers the question for the token, if it is asked. */
export async function giveToken(page: Page) {
  await page.getByLabel('Token', { exact: true }).fill(TOKEN);
  await page.getByRole('button', { name: 'Go on' }).click();
}

/** Nothing makes the page scroll sideways. */
export async function fits(page: Page) {
  const [content, window] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  assert.ok(content <= window, `${content} px in ${window} px at ${page.url()}`);
}
