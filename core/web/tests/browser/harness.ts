// A real node and a real browser for a test. The rule: what a test waits for has a deadline, no page ends its life with an
// error on its console, and everything that was started is stopped.

import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { after, type TestContext } from 'node:test';
import {
  chromium,
  type Browser,
  type BrowserContextOptions,
  type Locator,
  type Page,
} from 'playwright-core';

const root = resolve(import.meta.dirname, '../../../..');
const target = process.env.SHIMMER_TARGET_DIR ?? join(root, 'target');
const profile = process.env.SHIMMER_PROFILE ?? 'debug';
/** Screenshots that stay for whoever wants to look. */
export const shots = join(target, 'screenshots');
export const TOKEN = 'browser-token';
const PATIENCE_MS = 20_000;
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

const built = (path: string) => {
  const whole = join(target, profile, path);
  assert.ok(existsSync(whole), `${whole} is missing: run \`cargo xtask test --only build\``);
  return whole;
};
/** The library of a fixture plugin. */
export const fixture = (name: string) => built(`examples/libfixture_${name}.so`);

const ends = new WeakMap<TestContext, (() => Promise<void>)[]>();

/** Has something ended with its test, the last that was begun first: a page must not see its node go. */
function atEnd(t: TestContext, end: () => Promise<void>) {
  const known = ends.get(t);
  if (known) return void known.push(end);
  const all = [end];
  ends.set(t, all);
  t.after(async () => {
    const failed: unknown[] = [];
    for (const one of all.reverse()) await one().catch(error => failed.push(error));
    if (failed.length > 0) throw failed[0];
  });
}

/** Writes what belongs into a node's folder, and gives its configuration. */
type Configure = (home: string) => string;

/** A node in a folder of its own. */
export class Node {
  readonly home = mkdtempSync(join(tmpdir(), 'shimmer-browser-'));
  url = '';
  #child: ChildProcess | null = null;

  /** Bundled plugins run only where the configuration speaks of them. */
  static async start(t: TestContext, config: string | Configure = ''): Promise<Node> {
    const node = new Node();
    const text = typeof config === 'string' ? config : config(node.home);
    const none = /plugins\]|anomaly/.test(text) ? '' : '\n[plugins]\nbundled = []\n';
    writeFileSync(join(node.home, 'shimmer.toml'), text + none);
    await node.run();
    atEnd(t, async () => {
      await node.stop();
      rmSync(node.home, { recursive: true, force: true });
    });
    return node;
  }

  get port(): string {
    return new URL(this.url).port;
  }

  /** Starts it, again under the same address when it had one. */
  async run() {
    const port = this.url ? this.port : '0';
    const args = ['run', '--config', 'shimmer.toml', '--data-dir', 'data', '--port', port];
    const env = { PATH: process.env.PATH, HOME: process.env.HOME, DASHBOARD_TOKEN: TOKEN };
    const child = spawn(built('shimmer'), args, {
      cwd: this.home,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    let log = '';
    child.stderr.on('data', bytes => (log += bytes));
    const lines = createInterface({ input: child.stdout });
    this.url = await new Promise<string>((found, lost) => {
      const late = setTimeout(() => lost(new Error(`the node did not start\n${log}`)), PATIENCE_MS);
      lines.on('line', line => {
        const url = /listening on (https?:\S+)/.exec(line)?.[1];
        if (!url) return;
        clearTimeout(late);
        found(url);
      });
      child.once('exit', code => lost(new Error(`the node ended with ${code}\n${log}`)));
    });
    await until('the node is ready', async () => (await fetch(`${this.url}/ready`)).ok);
  }

  /** Ends it by a signal and waits for its end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM') {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null) return;
    const gone = new Promise(done => child.once('exit', done));
    child.kill(signal);
    // A frozen process hears nothing else.
    child.kill('SIGCONT');
    const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    await gone;
    clearTimeout(late);
  }

  /** Stops the process where it stands, and lets it go on: a network that is cut says nothing. */
  freeze(frozen: boolean) {
    this.#child?.kill(frozen ? 'SIGSTOP' : 'SIGCONT');
  }

  /** Runs a command line in its folder, as somebody who has its token, and gives what it said. */
  shell(line: string): string {
    const path = `${dirname(built('shimmer'))}:${process.env.PATH}`;
    const env = { PATH: path, HOME: this.home, SHIMMER_URL: this.url, DASHBOARD_TOKEN: TOKEN };
    return execFileSync('bash', ['-c', line], { cwd: this.home, env, encoding: 'utf8' }).trim();
  }

  /** Makes a key in a file of this name, and a member of the DAO who has it. */
  member(name: string, stake: number) {
    this.shell(
      `shimmer dao member $(shimmer dao keygen ${name}.key) --name ${name} --stake ${stake}`,
    );
  }

  /** Sets the DAO's clock so many seconds after the first time there is. */
  async clock(second: number) {
    const answer = await fetch(`${this.url}/dao/clock`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ now: new Date(1000 * second).toISOString() }),
    });
    assert.ok(answer.ok, await answer.text());
  }

  /** Posts events and expects all of them to be taken; a ring that is full for a moment is waited for. */
  async post(events: readonly object[]) {
    let refused: unknown = 'nothing was answered';
    const body = events.map(event => JSON.stringify(event)).join('\n');
    const headers = { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/x-ndjson' };
    await until('the events are taken', async () => {
      const answer = await fetch(`${this.url}/events`, { method: 'POST', headers, body });
      if (answer.status === 503) return false;
      const receipt = (await answer.json()) as { accepted: number; rejected: unknown[] };
      refused = receipt.accepted === events.length ? null : (receipt.rejected?.[0] ?? receipt);
      return true;
    });
    assert.equal(refused, null, JSON.stringify(refused));
  }
}

let ids = 0;
/** A general event of now. */
export const event = (kind: string, value: number, more: object = {}) => ({
  event_id: `t-${(ids += 1)}`,
  timestamp: new Date().toISOString(),
  kind,
  value,
  ...more,
});
/** A beauty event of now. */
export const beauty = (score: number, more: object = {}) => ({
  event_id: `t-${(ids += 1)}`,
  timestamp: new Date().toISOString(),
  beauty_score: score,
  ...more,
});

/** Waits for a condition with a deadline. */
export async function until(what: string, done: () => Promise<boolean> | boolean) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    if (await Promise.resolve(done()).catch(() => false)) return;
    assert.ok(Date.now() < end, `${what}: waited ${PATIENCE_MS} ms`);
    await new Promise(turn => setTimeout(turn, 20));
  }
}

/** The plugin `dao`, whose time is what `Node.clock` says and whose weights go all the way at once. */
export const DAO = `[[plugin]]
name = "dao"
[plugin.config]
id = "test"
clock = "manual"
max_step = 1
epoch_s = 10
trim = 0.0
share_cap = 1.0
`;

let browser: Promise<Browser> | null = null;

function launch(): Promise<Browser> {
  assert.ok(
    existsSync(CHROMIUM),
    `${CHROMIUM} is missing: apt-get install chromium, or set CHROMIUM`,
  );
  browser ??= chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--force-color-profile=srgb'],
  });
  return browser;
}
after(async () => (await browser)?.close());

export interface Open {
  width?: number;
  height?: number;
  context?: BrowserContextOptions;
  /** Console errors that the test provokes. */
  expected?: RegExp;
  /** Called before the page is asked for. */
  before?: (page: Page) => Promise<unknown>;
}

/** A page in a context of its own, at an address of the node; its console must stay free of errors. */
export async function open(t: TestContext, url: string, options: Open = {}): Promise<Page> {
  const { width = 1280, height = 800 } = options;
  const context = await (
    await launch()
  ).newContext({
    viewport: { width, height },
    ...options.context,
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const errors: string[] = [];
  const note = (text: string) => {
    // Reading colours back is what tests do, not the page.
    if (!options.expected?.test(text) && !/willReadFrequently/.test(text)) errors.push(text);
  };
  page.on('console', message => {
    if (message.type() === 'error' || message.type() === 'warning') note(message.text());
  });
  page.on('pageerror', error => note(String(error)));
  page.on('request', request => {
    const { origin, protocol } = new URL(request.url());
    const own = origin === new URL(url).origin || protocol === 'data:' || protocol === 'blob:';
    if (!own) note(`a request to ${request.url()}`);
  });
  atEnd(t, async () => {
    await context.close();
    assert.deepEqual(errors, [], 'console errors');
  });
  await options.before?.(page);
  await page.goto(url);
  return page;
}

/** The value of a figure on the page. */
export const figure = (where: Page | Locator, label: string) =>
  where
    .locator('dl div')
    .filter({ hasText: new RegExp(`^\\s*${label}`) })
    .locator('dd');

/** Keeps a picture of the page. */
export async function shot(page: Page, name: string) {
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: join(shots, `${name}.png`) });
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core'), 'utf8');

/** No rule of axe is broken on the page as it stands, with the themes that are asked for. */
export async function accessible(page: Page, themes = ['dark', 'light', 'contrast']) {
  // Put there by the debugger, so that the page's policy stays as strict as it is.
  await page.evaluate(axeSource);
  for (const theme of themes) {
    await page.evaluate(theme => (document.documentElement.dataset.theme = theme), theme);
    const found = await page.evaluate(async () => {
      const { axe } = window as unknown as { axe: typeof import('axe-core') };
      const { violations } = await axe.run(document);
      return violations.map(
        rule => `${rule.id}: ${rule.nodes.map(node => node.html).join('\n  ')}`,
      );
    });
    assert.deepEqual(found, [], `axe, ${theme}, ${page.url()}`);
  }
}
