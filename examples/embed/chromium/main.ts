/** The core in Chromium: opens the page, waits until it has run everything, and reports. */
import { access } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { readOptions, report, runHost } from '../js/command.ts';
import type { PageResult } from './page.ts';
import { serve } from './serve.ts';

/** Debian's. */
const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';
/** No profile, no screen, and no word to anybody but the page. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];
const PATIENCE_MS = 120_000;

/** Where this file is once it is built, with the page beside it. */
const PAGE = fileURLToPath(new URL('.', import.meta.url));

process.exitCode = await runHost('chromium', async () => {
  const options = readOptions(process.argv.slice(2));
  await Promise.all([access(options.module), access(options.vectors)]);
  const server = await serve({
    page: PAGE,
    module: options.module,
    vectors: options.vectors,
  });
  const browser = await chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
  try {
    const page = await browser.newPage();
    await page.goto(server.origin);
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
