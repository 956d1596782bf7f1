// The fractal view: the picture that follows the stream, and the map.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Page, Route } from 'playwright-core';
import { accessible, beauty, event, Node, open, shot, until } from './harness.ts';

const figure = (page: Page, label: string) =>
  page
    .locator('dl.figures div')
    .filter({ has: page.locator('dt', { hasText: label }) })
    .locator('dd')
    .textContent();
const shows = (page: Page, label: string, value: string) =>
  until(`${label} is ${value}`, async () => (await figure(page, label)) === value);
/** What the map says and the address keeps. */
const place = async (page: Page) => ({
  re: await page.getByLabel('Real', { exact: true }).inputValue(),
  im: await page.getByLabel('Imaginary', { exact: true }).inputValue(),
  zoom: new URL(page.url()).searchParams.get('zoom'),
});
const settled = (page: Page) => shows(page, 'Tiles to come', '0');
const map = (page: Page) => page.getByRole('application');
/** Colours at some points of the map. */
const colours = (page: Page) =>
  page.evaluate(() => {
    const canvas = document.querySelector('canvas')!;
    const pen = canvas.getContext('2d')!;
    const at = [0.1, 0.3, 0.5, 0.7, 0.9];
    return at.map(x => [
      ...pen.getImageData(Math.floor(canvas.width * x), Math.floor(canvas.height * 0.45), 1, 1)
        .data,
    ]);
  });
/** The greatest difference of a colour. */
const unlike = (one: number[][], other: number[][]) =>
  Math.max(...one.flat().map((value, i) => Math.abs(value - other.flat()[i]!)));
const sideways = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/** Counts the requests for tiles that the page has open; a text, since the compiler of tests adds calls to functions. */
const COUNTED = `
  window.counts = { flying: 0, most: 0, tiles: 0 };
  const real = window.fetch;
  window.fetch = async (input, options) => {
    if (!String(input).includes('/fractal/tiles/')) return real(input, options);
    counts.tiles += 1;
    counts.most = Math.max(counts.most, (counts.flying += 1));
    let open = 1;
    const end = () => { counts.flying -= open; open = 0; };
    options.signal.addEventListener('abort', end);
    return real(input, options).finally(end);
  };`;

test('the picture follows the stream, and is asked for only when the average moves', async t => {
  const node = await Node.start(t);
  const page = await open(t, `${node.url}/ui/fractal`);
  const asked: string[] = [];
  page.on('request', request => {
    if (new URL(request.url()).pathname === '/fractal') asked.push(request.url());
  });
  await page.getByRole('img', { name: 'with 0 % of its detail' }).waitFor();
  await page.getByText('No beauty event yet').waitFor();
  assert.equal(await figure(page, 'Beauty average'), '–');
  assert.equal(await figure(page, 'Drawn by'), 'CPU');
  await accessible(page);
  await shot(page, 'fractal-empty');

  await node.post([beauty(0.9)]);
  await shows(page, 'Beauty average', '0.900');
  await page.getByRole('img', { name: 'with 60 % of its detail' }).waitFor();
  await until(
    'the old picture is gone',
    async () => (await page.locator('.picture img').count()) === 1,
  );
  assert.equal(await page.getByText('No beauty event yet').count(), 0);
  const before = asked.length;
  await node.post([beauty(0.9), beauty(0.903), event('latency', 7)]);
  await shows(page, 'Beauty average', '0.901');
  // Proven by the next picture that is asked for: none came between.
  await node.post([beauty(0.5)]);
  await page.getByRole('img', { name: 'with 53.3 % of its detail' }).waitFor();
  assert.equal(asked.length, before + 1);
  const { w, h } = await page
    .locator('.picture')
    .evaluate(box => ({ w: box.clientWidth, h: box.clientHeight }));
  const query = new URL(asked.at(-1)!).searchParams;
  assert.ok(
    Math.abs(Number(query.get('width')) - w) < 16 && Math.abs(Number(query.get('height')) - h) < 16,
  );

  await page.getByLabel('Palette').selectOption('ember');
  await page.getByLabel('Formula').selectOption('julia');
  await page.getByRole('img', { name: 'Fractal, julia' }).waitFor();
  assert.match(page.url(), /palette=ember&formula=julia/);
  await shot(page, 'fractal-stream');

  await page.getByRole('button', { name: 'As text' }).click();
  const text = page.locator('pre[role=img]');
  await until('the text fits', () =>
    text.evaluate(element => {
      const pre = element as HTMLElement;
      const box = pre.parentElement!;
      const fills =
        pre.offsetHeight > box.clientHeight * 0.9 && pre.offsetWidth > box.clientWidth * 0.9;
      return fills && pre.offsetHeight <= box.clientHeight && pre.scrollWidth <= box.clientWidth;
    }),
  );
  await accessible(page);
  await shot(page, 'fractal-text');
});

test('pictures are faded over, unless motion is off', async t => {
  const node = await Node.start(t);
  await node.post([beauty(0.3)]);
  const page = await open(t, `${node.url}/ui/fractal`);
  await page.getByRole('img', { name: 'with 20 % of its detail' }).waitFor();
  const fades = () =>
    page
      .locator('.picture img')
      .last()
      .evaluate(image => image.getAnimations().length);
  await page.evaluate(() => {
    // Long enough to be seen.
    addEventListener('animationstart', () => (document.title = 'faded'), true);
  });
  await node.post([beauty(0.6)]);
  await until('a fade began', async () => (await page.title()) === 'faded');
  await page.keyboard.press('p');
  await page.evaluate(() => (document.title = 'still'));
  await node.post([beauty(1.5)]);
  await shows(page, 'Beauty average', '0.800');
  // Paused, another average is another figure but no other picture; another choice is.
  await page.getByLabel('Formula').selectOption('tricorn');
  await page.getByRole('img', { name: 'tricorn' }).waitFor();
  await node.post([beauty(0)]);
  await shows(page, 'Beauty average', '0.600');
  assert.equal(await page.getByRole('img', { name: 'with 53.3 % of its detail' }).count(), 1);
  assert.equal(await fades(), 0);
  assert.equal(await page.title(), 'still');
  await page.keyboard.press('p');
  await page.getByRole('img', { name: 'with 40 % of its detail' }).waitFor();
});

test('a wall shows the picture alone', async t => {
  const node = await Node.start(t);
  await node.post([beauty(0.75)]);
  const page = await open(t, `${node.url}/ui/fractal?kiosk`, { width: 2560, height: 1440 });
  await page.getByRole('img', { name: 'with 50 % of its detail' }).waitFor();
  const box = await page.locator('.stage').boundingBox();
  assert.deepEqual(box, { x: 0, y: 0, width: 2560, height: 1440 });
  assert.equal(await page.locator('main button, main select').count(), 0);
  await page.getByText('Beauty 0.750').waitFor();
  await accessible(page, ['dark']);
  await shot(page, 'fractal-kiosk');
});

test('a link opens right there, and hands move the map', async t => {
  const node = await Node.start(t);
  const deep = 'mode=explore&re=0&im=1&zoom=1e40';
  const page = await open(t, `${node.url}/ui/fractal?${deep}`);
  await page.addInitScript(COUNTED);
  await page.reload();
  await shows(page, 'Zoom', '1e40');
  await settled(page);
  assert.deepEqual(await place(page), { re: '0', im: '1', zoom: '1e40' });
  assert.match((await figure(page, 'Drawn in'))!, /ms$/);

  // A drag: what was under the hand stays under it.
  const box = (await map(page).boundingBox())!;
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + 100, y + 60, { steps: 5 });
  await page.mouse.up();
  await until('the address follows', async () => (await place(page)).re.startsWith('-0.0000'));
  const moved = await place(page);
  const units = Number(moved.re) * 1e40;
  assert.ok(Math.abs(units + 400 / box.height) < 0.01, `100 pixels to the left: ${units}`);
  assert.ok(moved.im.startsWith('1.' + '0'.repeat(39)) && moved.im.length > 42, moved.im);
  await settled(page);
  const { most, tiles } = await page.evaluate(
    () => (window as unknown as { counts: { most: number; tiles: number } }).counts,
  );
  assert.ok(most > 1 && most <= 6, `${most} at once`);
  assert.ok(tiles < 120, `${tiles} tiles for a view and a small drag`);

  // The same link shows the same.
  const here = await colours(page);
  assert.ok(unlike([here[0]!], [here[3]!]) > 5, 'something is drawn');
  await page.reload();
  await settled(page);
  assert.deepEqual(await place(page), moved);
  // A canvas that was read is drawn by the processor from then on, which rounds otherwise.
  assert.ok(unlike(await colours(page), here) <= 3);
  await page.goto(await page.getByLabel('Link', { exact: true }).inputValue());
  await settled(page);
  assert.deepEqual(await place(page), moved);
  await accessible(page);
  await shot(page, 'fractal-explore-deep');

  // The wheel zooms around the pointer; a click in the middle of nowhere else moves.
  await page.mouse.move(x - 200, y);
  await page.mouse.wheel(0, -220);
  await until('one doubling deeper', async () => (await place(page)).zoom === '2e40');
  const there = await place(page);
  const left = (Number(there.re) - Number(moved.re)) * 1e40;
  assert.ok(Math.abs(left + 400 / box.height) < 0.01, `a half of 200 pixels: ${left}`);
  await page.mouse.dblclick(x, y);
  await until('another', async () => (await place(page)).zoom === '4e40');
  assert.equal((await place(page)).re.slice(0, 43), there.re.slice(0, 43));
});

test('the map by keyboard and by its buttons', async t => {
  const node = await Node.start(t);
  const page = await open(t, `${node.url}/ui/fractal?mode=explore`, {
    context: { reducedMotion: 'reduce' },
  });
  await settled(page);
  const zoomIs = (zoom: string) =>
    until(`zoom ${zoom}`, async () => (await place(page)).zoom === zoom);
  await page.keyboard.press('+');
  await zoomIs('2');
  await page.getByRole('button', { name: 'Zoom in' }).click();
  await zoomIs('4');
  await page.keyboard.press('-');
  await zoomIs('2');
  await page.keyboard.press('ArrowLeft');
  await until('to the left', async () => Number((await place(page)).re) < -0.6);
  await page.keyboard.press('ArrowUp');
  await until('up', async () => Number((await place(page)).im) > 0.1);
  await page.keyboard.press('Home');
  await zoomIs('1');
  assert.deepEqual(await place(page), { re: '-0.5', im: '0', zoom: '1' });
  // The focused map has its keys even where shortcuts are off, and they stand in the help.
  await page.keyboard.press('?');
  await page.getByRole('row', { name: 'Move the map left' }).waitFor();
  await page.getByLabel('Single-key shortcuts').uncheck();
  await page.keyboard.press('Escape');
  await map(page).focus();
  await page.keyboard.press('=');
  await zoomIs('2');
  await shot(page, 'fractal-explore');
  await page.getByRole('button', { name: 'Full screen' }).click();
  await page.locator('.caption').getByText('Zoom 2').waitFor();
  const all = await page.evaluate(() => [innerWidth, innerHeight]);
  await until('it fills the screen', async () => {
    const box = (await map(page).boundingBox())!;
    return box.width === all[0] && box.height === all[1];
  });
  await page.getByRole('button', { name: 'Full screen' }).click();
  await until('and leaves it', async () => (await map(page).boundingBox())!.height < all[1]!);
});

test('two fingers pinch, one drags', async t => {
  const node = await Node.start(t);
  const page = await open(t, `${node.url}/ui/fractal?mode=explore&re=-0.75&im=0.1&zoom=16`, {
    width: 360,
    height: 800,
    context: { hasTouch: true, reducedMotion: 'reduce', deviceScaleFactor: 2 },
  });
  await settled(page);
  assert.equal(await sideways(page), 0);
  await accessible(page, ['dark']);
  await shot(page, 'fractal-explore-360');
  await map(page).scrollIntoViewIfNeeded();
  const box = (await map(page).boundingBox())!;
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const cdp = await page.context().newCDPSession(page);
  const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', points: number[][]) =>
    cdp.send('Input.dispatchTouchEvent', {
      type,
      touchPoints: points.map(([x, y], id) => ({ x: x!, y: y!, id })),
    });
  await touch('touchStart', [[x - 40, y]]);
  await touch('touchStart', [
    [x - 40, y],
    [x + 40, y],
  ]);
  for (const far of [50, 60, 70, 80])
    await touch('touchMove', [
      [x - far, y],
      [x + far, y],
    ]);
  await touch('touchEnd', []);
  await until('twice as deep', async () => Math.abs(Number((await place(page)).zoom) - 32) < 0.5);
  assert.ok(Math.abs(Number((await place(page)).re) + 0.75) < 0.002);
  await page.goto(`${node.url}/ui/fractal`);
  await page.getByRole('img', { name: 'Fractal' }).waitFor();
  assert.equal(await sideways(page), 0);
  await shot(page, 'fractal-stream-360');
});

test('a value that is not known is named', async t => {
  const node = await Node.start(t);
  const page = await open(
    t,
    `${node.url}/ui/fractal?mode=explore&palette=red&re=9&im=0.5&zoom=1e9999`,
  );
  await page.getByText('palette, re, zoom').waitFor();
  await settled(page);
  assert.equal((await place(page)).im, '0.5');
  assert.equal(await figure(page, 'Zoom'), '1');
  assert.equal(await page.getByLabel('Palette').inputValue(), 'shimmer');
  await accessible(page, ['dark']);
  await shot(page, 'fractal-bad-value');
});

test('a busy server is waited for, and what it refuses is not asked again', async t => {
  const node = await Node.start(t);
  const page = await open(t, `${node.url}/ui`, { expected: /503|404/ });
  let [refused, most] = [0, 0];
  let busy = true;
  await page.route('**/fractal/tiles/**', async route => {
    const { pathname } = new URL(route.request().url());
    if (busy) return route.fulfill({ status: 503, headers: { 'retry-after': '1' }, body: '{}' });
    if (pathname.endsWith('/3/4/3.png')) {
      refused += 1;
      return route.fulfill({ status: 404, body: '{}' });
    }
    most += 1;
    return route.continue();
  });
  await page.goto(`${node.url}/ui/fractal?mode=explore&re=-0.4&im=0.1&zoom=4`);
  await page.getByText('The server is busy').waitFor();
  await accessible(page, ['dark', 'light']);
  await shot(page, 'fractal-busy');
  busy = false;
  await settled(page);
  await until(
    'the note is gone',
    async () => (await page.getByText('The server is busy').count()) === 0,
  );
  await map(page).focus();
  for (const key of ['ArrowLeft', 'ArrowRight']) {
    const was = page.url();
    await page.keyboard.press(key);
    await until('it moved', () => page.url() !== was);
    await settled(page);
  }
  assert.equal(refused, 1);
  assert.ok(most > 10 && most < 60, `${most} tiles`);
});

test('a flight magnifies until a key stops it, and jumps without motion', async t => {
  const node = await Node.start(t);
  const page = await open(t, `${node.url}/ui/fractal?mode=explore&formula=tricorn`);
  await settled(page);
  const zoom = async () => Number((await figure(page, 'Zoom'))!);
  await page.getByLabel('Flight').selectOption('Seahorse valley');
  await page.getByRole('button', { name: 'Fly' }).click();
  await until('it flies', async () => (await zoom()) > 4);
  assert.equal(await page.getByLabel('Formula').inputValue(), 'mandelbrot');
  await page.keyboard.press('x');
  await page.getByRole('button', { name: 'Fly' }).waitFor();
  await until('the address has it', async () => Number((await place(page)).zoom) > 4);
  const stopped = await place(page);
  assert.ok(Number(stopped.zoom) < 1e6);
  await settled(page);
  assert.deepEqual(await place(page), stopped, 'it stands');
  // It waits for tiles that are late; in other colours none is there.
  await page.getByLabel('Palette').selectOption('slate');
  await settled(page);
  const late: Route[] = [];
  await page.route('**/fractal/tiles/**', route => void late.push(route));
  await page.getByRole('button', { name: 'Fly' }).click();
  for (let frame = 0; frame < 150; frame += 1)
    await page.evaluate(() => new Promise(done => requestAnimationFrame(done)));
  assert.ok((await zoom()) < 8, 'two and a half seconds would magnify by more');
  await page.unroute('**/fractal/tiles/**');
  for (const route of late) await route.continue().catch(() => {});
  await until('it flies on', async () => (await zoom()) > 16);
  await page.keyboard.press('x');
  await page.getByRole('button', { name: 'Fly' }).waitFor();
  // The button itself stops too, once.
  await page.getByRole('button', { name: 'Fly' }).click();
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByRole('button', { name: 'Fly' }).waitFor();
  await page.keyboard.press('p');
  await page.getByRole('button', { name: 'Fly' }).click();
  await until('there', async () => (await place(page)).zoom === '1e22');
  assert.match((await place(page)).re, /^-0\.7436438870371587047521/);
});

test('a picture to take along', async t => {
  const node = await Node.start(t);
  const page = await open(
    t,
    `${node.url}/ui/fractal?mode=explore&re=-0.75&im=0.1&zoom=1e3&palette=ocean`,
  );
  await settled(page);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Save PNG' }).click(),
  ]);
  assert.equal(download.suggestedFilename(), 'mandelbrot-1000.png');
  const bytes = readFileSync((await download.path())!);
  const box = (await map(page).boundingBox())!;
  assert.equal(bytes.subarray(1, 4).toString(), 'PNG');
  assert.deepEqual(
    [bytes.readUInt32BE(16), bytes.readUInt32BE(20)],
    [box.width, Math.round(box.height)],
  );
  const command = await page.getByLabel('Command').inputValue();
  assert.match(command, /^shimmer render --re=-0\.75 --im=0\.1 --zoom=1000 .*--palette=ocean/);
  await page.getByRole('button', { name: 'Copy Command' }).click();
  await page.getByRole('button', { name: /Copied|Selected/ }).waitFor();
  await node.stop();
});
