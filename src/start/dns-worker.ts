/** What a DNS thread is started with: its bundle, compiled already. */
import { fileURLToPath } from 'node:url';
import { runCached } from './cached.js';

runCached(fileURLToPath(new URL('./dns-worker.body.cjs', import.meta.url)));
