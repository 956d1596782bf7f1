// Figures of the dashboard on this machine: first paint with data, and script per frame while events stream. The rule:
// script is counted as CPU time of the page's main thread, since a clock on the wall counts other programs too.

import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { event, Node, open } from '../browser/harness.ts';

const RATE = 1000;
const SERIES = 20;
const SECONDS = 10;

interface Traced {
  name: string;
  ph: string;
  ts: number;
  tid: number;
  pid: number;
  tdur?: number;
  args?: { name?: string };
}

/** Events at a steady rate, until it is told to stop. */
function feed(node: Node): () => Promise<void> {
  let on = true;
  const posting = (async () => {
    const begun = performance.now();
    for (let sent = 0; on;) {
      const due = Math.floor(((performance.now() - begun) * RATE) / 1000) - sent;
      if (due > 0) {
        await node.post(
          Array.from({ length: due }, (_, i) =>
            event(`kind${(sent + i) % 4}`, Math.sin((sent + i) / 200), {
              subject: `s${(sent + i) % SERIES}`,
            }),
          ),
        );
        sent += due;
      }
      await new Promise(turn => setTimeout(turn, 5));
    }
  })();
  return async () => {
    on = false;
    await posting;
  };
}

/** Milliseconds of script in each frame, least first. */
async function frames(page: Page): Promise<number[]> {
  const browser = page.context().browser()!;
  await browser.startTracing(page, { categories: ['devtools.timeline', '__metadata'] });
  await page.waitForTimeout(SECONDS * 1000);
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as {
    traceEvents: Traced[];
  };
  const counts = new Map<string, number>();
  const thread = (one: Traced) => `${one.pid}/${one.tid}`;
  for (const one of traceEvents) {
    if (one.name === 'FireAnimationFrame')
      counts.set(thread(one), (counts.get(thread(one)) ?? 0) + 1);
  }
  const [main = ''] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [];
  const script = new Set([
    'FunctionCall',
    'EvaluateScript',
    'MinorGC',
    'MajorGC',
    'V8.GCScavenger',
  ]);
  const all = traceEvents
    .filter(one => thread(one) === main && one.ph === 'X')
    .sort((a, b) => a.ts - b.ts);
  const spent: number[] = [];
  let frame = -1;
  let until = 0;
  for (const one of all) {
    const at = Math.floor(one.ts / (1e6 / 60));
    // Functions called by functions are in their callers' time.
    if (!script.has(one.name) || one.ts < until) continue;
    until = one.ts + ((one as { dur?: number }).dur ?? 0);
    if (at !== frame) spent.push(0);
    frame = at;
    spent[spent.length - 1]! += (one.tdur ?? 0) / 1000;
  }
  return spent.sort((a, b) => a - b);
}

const at = (sorted: number[], part: number) =>
  (sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0).toFixed(2);

test('figures', { timeout: 120_000 }, async t => {
  const node = await Node.start(t);
  const stop = feed(node);
  const page = await open(t, node.url);
  await page.locator('section[aria-label=Events] tbody tr').nth(199).waitFor();
  const paints: number[] = [];
  for (let i = 0; i < 5; i += 1) {
    await page.goto('about:blank');
    await page.goto(node.url);
    await page.locator('canvas').nth(4).waitFor();
    paints.push(
      await page.evaluate(() => {
        const row = document.querySelector('section[aria-label=Events] tbody tr');
        return row ? performance.now() : NaN;
      }),
    );
  }
  console.log(`rows and charts after ${paints.map(ms => ms.toFixed(0)).join(', ')} ms at most`);
  const spent = await frames(page);
  await stop();
  const mean = spent.reduce((a, b) => a + b, 0) / spent.length;
  console.log(
    `script at ${RATE} events/s, ${SERIES} series, 200 rows: ${spent.length} frames in ${SECONDS} s, ` +
      `mean ${mean.toFixed(2)} ms, median ${at(spent, 0.5)}, 95 % ${at(spent, 0.95)}, 99 % ${at(spent, 0.99)}, ` +
      `greatest ${at(spent, 1)}`,
  );
});
