/** The core in Chromium: opens the page, waits until it has run everything, and reports. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launchChromium } from '../../../scripts/chromium.ts';
import { serveFiles } from '../../../scripts/static-server.ts';
import { readOptions, report, runHost } from '../js/command.ts';
import type { PageResult } from './page.ts';

const PATIENCE_MS = 120_000;

/** Where this file is once it is built, with the page beside it. */
const PAGE = fileURLToPath(new URL('.', import.meta.url));

process.exitCode = await runHost('chromium', async () => {
  const options = readOptions(process.argv.slice(2));
  await Promise.all([access(options.module), access(options.vectors)]);
  const server = await serveFiles((path) => {
    if (path === '/') return join(PAGE, 'index.html');
    if (path === '/core.wasm') return options.module;
    // What ends with a slash stays so: a list of names.
    const [, below] = /^\/vectors(\/.*)/.exec(path) ?? [];
    return below === undefined ? join(PAGE, path) : join(options.vectors, below);
  });
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    await page.goto(server.url);
    const output = page.locator('#result[data-state]');
    const text = await output.innerText({ timeout: PATIENCE_MS });
    if ((await output.getAttribute('data-state')) === 'failed') throw new Error(text);
    const { startMs, ...run } = JSON.parse(text) as PageResult;
    return report({ runtime: 'chromium', version: browser.version(), startMs }, run, options);
  } finally {
    await browser.close();
    server.close();
  }
});
