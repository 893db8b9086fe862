/** An agent that does nothing but answer: `agent-child.ts SOCKET`, until its input ends. */
import { createDispatch } from '../../src/cni/dispatch.js';
import { serveCni } from '../../src/cni/server.js';
import { createLog } from '../../src/log.js';

const [socket = ''] = process.argv.slice(2);
const log = createLog('error');
const { signal } = new AbortController();
const dispatch = createDispatch({ log, signal, handle: () => Promise.resolve(undefined) });
const server = await serveCni(socket, { dispatch, log });
process.stdout.write('ready\n');
process.stdin.resume();
process.stdin.once('end', () => void server.close());
