/**
 * The playground in a real Chromium: what it says of captures is what `sluice replay` says, a text that
 * cannot be used changes nothing, and everything can be reached without a mouse.
 *
 * UPDATE=1 writes docs/images/playground.png.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Browser, Page } from 'playwright-core';
import { buildPlayground } from '../../scripts/build-playground.js';
import { CHROMIUM, launchChromium } from '../../scripts/chromium.js';
import { serveFolder } from '../../scripts/playground.js';
import type { Served } from '../../scripts/static-server.js';
import { loadConfig } from '../../src/config/config.js';
import { createLog } from '../../src/log.js';
import { packageFile, packageRoot } from '../../src/package-root.js';
import { replay } from '../../src/replay.js';
import { needs } from '../support/skip.js';
import { axe } from './axe.js';

const SCREENSHOT = 'docs/images/playground.png';
const CAPTURES = ['service', 'masquerade', 'dns', 'malformed'];
const EXAMPLE = readFileSync(packageFile('playground/cluster.yaml'), 'utf8');
const CONFIG = `apiVersion: sluice/v1alpha1
kind: SluiceConfiguration
nodeName: alpha
source: { files: cluster }
uplinks: [{ name: eth0 }]
serviceCIDRs: [10.96.0.0/16, "fd00:10:96::/112"]
dns: {}
`;

const browserTest = needs({
  also: existsSync(CHROMIUM) ? undefined : `needs Chromium at ${CHROMIUM} (Debian: chromium)`,
});

const folder = mkdtempSync(join(tmpdir(), 'sluice-playground-'));
let served: Served | undefined;
let browser: Browser | undefined;

test.before(async () => {
  if (!existsSync(CHROMIUM)) return;
  await buildPlayground(join(folder, 'site'));
  served = await serveFolder(join(folder, 'site'));
  browser = await launchChromium();
});

test.after.always(async () => {
  await browser?.close();
  served?.close();
  rmSync(folder, { recursive: true });
});

interface Look {
  readonly colorScheme?: 'light' | 'dark';
  readonly width?: number;
}

/** Use a page of its own, and see that it asks nobody else and complains of nothing. */
async function withPage(
  t: ExecutionContext,
  { colorScheme = 'light', width = 1280 }: Look,
  use: (page: Page) => Promise<void>,
): Promise<void> {
  const url = served?.url ?? '';
  const page = await browser?.newPage({ colorScheme, viewport: { width, height: 900 } });
  if (page === undefined) throw new Error('no browser');
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url)) complaints.push(`asks ${request.url()}`);
  });
  try {
    await page.goto(url);
    await page.waitForSelector('#frame-rows tr');
    await use(page);
    t.deepEqual(complaints, []);
  } finally {
    await page.close();
  }
}

/** Number, verdict, and reason or way of every row: what `sluice replay` prints. */
function rowsOf(page: Page): Promise<string[]> {
  return page.$$eval('#frame-rows tr', (rows) =>
    rows.map((row) => [0, 4, 5].map((i) => row.children[i]?.textContent).join(' ')),
  );
}

/** Choose a capture and wait until it has been decided. */
async function choose(page: Page, name: string): Promise<void> {
  const answered = page.waitForResponse(`**/${name}.pcap`);
  await page.selectOption('#capture', name);
  await answered;
  await page.waitForFunction(
    (count) => document.querySelectorAll('#frame-rows tr').length === count,
    frameCounts.get(name) ?? 0,
  );
}

const frameCounts = new Map<string, number>();

/** The lines of `sluice replay`. */
async function replayed(capture: string, cluster: string): Promise<string[]> {
  const own = mkdtempSync(join(folder, 'replay-'));
  mkdirSync(join(own, 'cluster'));
  writeFileSync(join(own, 'sluice.yaml'), CONFIG);
  writeFileSync(join(own, 'cluster/all.yaml'), cluster);
  const input = packageFile(`playground/captures/${capture}.pcap`);
  const lines: string[] = [];
  await replay(
    loadConfig(join(own, 'sluice.yaml'), 'alpha'),
    { input, output: undefined },
    createLog('error'),
    ({ number, verdict, reason, way }) => lines.push(`${number} ${verdict} ${reason ?? way ?? ''}`),
  );
  frameCounts.set(capture, lines.length);
  return lines;
}

/** Wait until an element says something else. */
async function differs(page: Page, selector: string, text: string | null): Promise<void> {
  await page.waitForFunction(
    ([where, before]) => document.querySelector(where)?.textContent !== before,
    [selector, text] as const,
  );
}

async function edit(page: Page, from: string, to: string): Promise<void> {
  const text = await page.inputValue('#yaml');
  if (!text.includes(from)) throw new Error(`the text has no ${from}`);
  await page.fill('#yaml', text.replace(from, to));
}

browserTest('playground: every bundled capture is decided as `sluice replay` does', async (t) => {
  const expected = new Map<string, string[]>();
  for (const name of CAPTURES) expected.set(name, await replayed(name, EXAMPLE));
  await withPage(t, {}, async (page) => {
    for (const name of [...CAPTURES].reverse()) {
      await choose(page, name);
      t.deepEqual(await rowsOf(page), expected.get(name), name);
    }
  });
  // Frames of the conversations go there and back: the capture still fits the cluster.
  t.deepEqual(expected.get('service')?.slice(0, 3), [
    '1 TX POD default/web-0',
    '2 TX POD default/client',
    '3 TX POD default/web-0',
  ]);
  const all = [...expected.values()].flat().join('\n');
  t.regex(all, /DROP SERVICE_ADDRESS_UNKNOWN/);
  t.regex(all, /TX UPLINK/);
  t.regex(all, /DROP DNS_NOT_A_QUERY/);
});

browserTest(
  'playground: another text, other verdicts; a text that is none changes nothing',
  async (t) => {
    const from = '  - { addresses: [10.244.1.20], nodeName: alpha, conditions: { ready: true } }\n';
    const expected = await replayed('service', EXAMPLE.replace(from, ''));
    await withPage(t, {}, async (page) => {
      const before = await rowsOf(page);
      await edit(page, from, '');
      await page.waitForFunction(
        (text) => document.querySelector('#frame-rows tr')?.textContent !== text,
        await page.textContent('#frame-rows tr'),
      );
      const after = await rowsOf(page);
      t.deepEqual(after, expected);
      t.notDeepEqual(after, before);

      await edit(page, 'port: 80, nodePort', 'port: eighty, nodePort');
      await page.waitForSelector('#cluster-error:not([hidden])');
      const line =
        (await page.inputValue('#yaml')).split('\n').findIndex((each) => each.includes('eighty')) +
        1;
      const sentence = await page.textContent('#cluster-sentence');
      t.regex(
        sentence ?? '',
        new RegExp(
          `^Line ${line}: Service default/web: spec\\.ports\\[0\\]\\.port is "eighty": expected a port`,
        ),
      );
      t.deepEqual(await rowsOf(page), expected);
      await page.click('#go-to-line');
      const chosen = await page.evaluate(() => {
        const area = document.querySelector<HTMLTextAreaElement>('#yaml');
        return area?.value.slice(area.selectionStart, area.selectionEnd);
      });
      t.regex(chosen ?? '', /port: eighty/);

      await edit(page, 'kind: Node', 'kind: [Node');
      await page.waitForFunction(() =>
        /not YAML/.test(document.querySelector('#cluster-sentence')?.textContent ?? ''),
      );
      t.deepEqual(await rowsOf(page), expected);

      await page.click('#reset');
      await page.waitForSelector('#cluster-error', { state: 'hidden' });
      t.deepEqual(await rowsOf(page), before);
    });
  },
);

browserTest('playground: from the other node the same frames go another way', async (t) => {
  await withPage(t, {}, async (page) => {
    const before = await rowsOf(page);
    const flows = await page.textContent('#flows');
    await page.selectOption('#node', 'beta');
    await differs(page, '#flows', flows);
    t.notDeepEqual(await rowsOf(page), before);
    await page.fill('#ranges', '10.96.0.1/16');
    await page.press('#ranges', 'Enter');
    await page.waitForSelector('#problem:not([hidden])');
    t.regex((await page.textContent('#problem')) ?? '', /^Service ranges: .*10\.96\.0\.0\/16/);
  });
});

browserTest('playground: frames are reached and read by keys alone', async (t) => {
  await withPage(t, {}, async (page) => {
    const active = () =>
      page.evaluate(
        () => document.activeElement?.getAttribute('data-number') ?? document.activeElement?.id,
      );
    for (let i = 0; i < 20 && (await active()) !== '1'; i++) await page.keyboard.press('Tab');
    t.is(await active(), '1');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    t.is(await active(), '3');
    t.is(await page.textContent('#frame-title'), 'Frame 3');
    t.is(await page.getAttribute('#frame-rows tr[data-number="3"]', 'aria-selected'), 'true');
    await page.keyboard.press('End');
    t.is(await page.textContent('#frame-title'), 'Frame 40');
    await page.keyboard.press('PageUp');
    t.is(await active(), '30');
    await page.keyboard.press('Home');
    t.is(await page.textContent('#frame-title'), 'Frame 1');
    const stages = (await page.textContent('.stages')) ?? '';
    t.regex(stages, /ClusterIP of default\/web:http\/TCP: backend 10\.244\.1\.20:8080 \(maglev\)/);
    const marked = await page.$$eval('.frame-view table mark', (marks) =>
      marks.map(({ textContent }) => textContent),
    );
    t.true(marked.includes('10.244.1.20') && marked.includes('8080') && marked.includes('63'));
  });
});

browserTest('playground: a DNS question and its answer in words', async (t) => {
  await replayed('dns', EXAMPLE);
  await withPage(t, {}, async (page) => {
    await choose(page, 'dns');
    await page.click('#frame-rows tr[data-number="3"]');
    const said = (await page.textContent('.dns')) ?? '';
    t.regex(
      said,
      /Came: query, recursion desired\. _http\._tcp\.web\.default\.svc\.cluster\.local\. SRV/,
    );
    t.regex(
      said,
      /answer: _http\._tcp\.web\.default\.svc\.cluster\.local\. 30 IN SRV 0 \d+ 80 web\.default\.svc\.cluster\.local\./,
    );
    t.regex(said, /additional: web\.default\.svc\.cluster\.local\. 30 IN A 10\.96\.0\.80/);
    await page.click('#frame-rows tr[data-number="11"]');
    t.regex((await page.textContent('.dns')) ?? '', /Leaves: NXDOMAIN/);
    await page.click('#frame-rows tr[data-number="14"]');
    t.regex((await page.textContent('.drop-note')) ?? '', /^DNS_NOT_A_QUERY .*port 53/);
  });
});

browserTest(
  'playground: the ring without an endpoint moves its slots and few others',
  async (t) => {
    await withPage(t, {}, async (page) => {
      const before = (await page.textContent('#ring-summary')) ?? '';
      t.regex(before, /New flows of default\/web:http\/TCP are led by these 509 slots\./);
      await page.selectOption('#ring-gone', '10.244.1.21:8080');
      const [, gone = '0', others = '999'] =
        /Without the endpoint its (\d+) slots move, and (\d+) of others/.exec(
          (await page.textContent('#ring-summary')) ?? '',
        ) ?? [];
      t.true(Number(gone) > 160 && Number(gone) < 180, gone);
      // Eisenbud et al., NSDI 2016, figure 12: a few in a hundred at this size.
      t.true(Number(others) < 50, others);
    });
  },
);

browserTest("playground: a file of one's own, and one that is no capture", async (t) => {
  await withPage(t, {}, async (page) => {
    await page.setInputFiles('#file', packageFile('test/pcap/service.pcap'));
    await page.waitForFunction(() => document.querySelectorAll('#frame-rows tr').length === 6);
    t.is(await page.inputValue('#capture'), 'own');
    await page.setInputFiles('#file', {
      name: 'x.pcap',
      mimeType: '',
      buffer: Buffer.alloc(64, 7),
    });
    await page.waitForSelector('#problem:not([hidden])');
    t.is(
      await page.textContent('#problem'),
      'x.pcap: no pcap magic number, and no pcapng section header.',
    );
    t.is((await rowsOf(page)).length, 6);

    const bytes = [...readFileSync(packageFile('playground/captures/malformed.pcap'))];
    const dropped = await page.evaluateHandle((content) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([Uint8Array.from(content)], 'dropped.pcap'));
      return transfer;
    }, bytes);
    await page.dispatchEvent('main', 'dragover', { dataTransfer: dropped });
    t.true(await page.isVisible('#drop-target'));
    await page.dispatchEvent('main', 'drop', { dataTransfer: dropped });
    await page.waitForFunction(() => document.querySelectorAll('#frame-rows tr').length === 27);
    t.true(await page.isHidden('#drop-target'));
    t.true(await page.isHidden('#problem'));
    await page.fill('#filter', 'short_');
    t.true((await rowsOf(page)).length > 5);
    t.true((await rowsOf(page)).every((row) => /DROP SHORT_/.test(row)));
    await page.fill('#filter', 'nothing like it');
    t.is((await rowsOf(page)).length, 0);
  });
});

browserTest('playground: the meter measures packets and answers until it is stopped', async (t) => {
  await withPage(t, {}, async (page) => {
    await page.click('#meter');
    await page.waitForFunction(() =>
      / M\/s$/.test(document.querySelector('#meter-answers')?.textContent ?? ''),
    );
    for (const id of ['#meter-packets', '#meter-answers']) {
      t.true(parseFloat((await page.textContent(id)) ?? '') > 0.01, id);
    }
    await page.click('#meter');
    t.is(await page.textContent('#meter'), 'Start');
  });
});

browserTest(
  'playground: accessible as far as axe-core can tell, light and dark, wide and narrow',
  async (t) => {
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const width of [1280, 400]) {
        await withPage(t, { colorScheme, width }, async (page) => {
          await edit(page, 'port: 80, nodePort', 'port: eighty, nodePort');
          await page.waitForSelector('#cluster-error:not([hidden])');
          await page.selectOption('#ring-gone', '10.244.1.21:8080');
          await page.click('#frame-rows tr[data-number="28"]');
          t.deepEqual(await axe(page), [], `${colorScheme}, ${width}`);
          const overflow = await page.evaluate(
            () => document.documentElement.scrollWidth - innerWidth,
          );
          t.true(overflow <= 0, `${width}: ${overflow} too wide`);
        });
      }
    }
  },
);

browserTest('playground: the picture in docs', async (t) => {
  const file = join(packageRoot(), SCREENSHOT);
  if (process.env['UPDATE'] === '1') {
    await withPage(t, {}, async (page) => {
      mkdirSync(join(packageRoot(), 'docs/images'), { recursive: true });
      await page.selectOption('#ring-gone', '10.244.1.21:8080');
      await page.setViewportSize({ width: 1280, height: 1500 });
      await page.screenshot({ path: file });
    });
  }
  t.true(statSync(file).size > 50_000);
});
