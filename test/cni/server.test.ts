import { once } from 'node:events';
import { statSync, writeFileSync, existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { askCni } from '../../src/cni/client.js';
import { createDispatch } from '../../src/cni/dispatch.js';
import type { Dispatch } from '../../src/cni/dispatch.js';
import { CniError } from '../../src/cni/errors.js';
import { serveCni } from '../../src/cni/server.js';
import { DEADLINES_MS } from '../../src/cni/verb.js';
import { encodeRequest } from '../../src/cni/wire.js';
import { IpamError } from '../../src/ipam/ipam.js';
import type { IpamErrorKind } from '../../src/ipam/ipam.js';
import { ATTACHMENT, conf, recordingLog, startAgent, temporary } from './plugin.js';
import type { ErrorObject } from './plugin.js';

/** Ask without the executable. */
async function ask(socket: string, verb: string, more: Record<string, string> = {}) {
  const env = new Map(Object.entries({ CNI_COMMAND: verb, ...ATTACHMENT, ...more }));
  const reply = await askCni(socket, { env, stdin: JSON.stringify(conf()) }, 20_000);
  const error = reply.exitCode === 0 ? undefined : (JSON.parse(reply.stdout) as ErrorObject);
  return { ...reply, error };
}

/** Resolves when somebody says so. */
function latch() {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

test('server: the socket is its owner’s alone, and what lay there is replaced', async (t) => {
  const folder = temporary(t);
  const socket = join(folder, 'cni.sock');
  writeFileSync(socket, 'stale');
  await startAgent(t, { folder });
  t.is(statSync(socket).mode & 0o777, 0o600);
  t.true(statSync(socket).isSocket());
  t.is((await ask(socket, 'STATUS')).exitCode, 0);
});

test('server: an agent that closes leaves the socket of its successor alone', async (t) => {
  const folder = temporary(t);
  const socket = join(folder, 'cni.sock');
  const { log } = recordingLog();
  const { signal } = new AbortController();
  const dispatch = createDispatch({ handle: () => Promise.resolve(undefined), log, signal });
  const first = await serveCni(socket, { dispatch, log });
  const second = await serveCni(socket, { dispatch, log });
  await first.close();
  t.is((await ask(socket, 'STATUS')).exitCode, 0);
  await second.close();
  t.false(existsSync(socket));
});

test('server: whatever is thrown becomes an error of CNI', async (t) => {
  const thrown = new Map<unknown, object>([
    [new Error('oh\n  dear'), { code: 999, msg: 'oh dear' }],
    ['just a text', { code: 999, msg: 'just a text' }],
    [undefined, { code: 999 }],
    [new CniError(104, 'link', 'more'), { code: 104, msg: 'link', details: 'more' }],
    [new CniError(50, 'not yet'), { code: 50, msg: 'not yet' }],
  ]);
  const kinds: Record<IpamErrorKind, number> = {
    exhausted: 100,
    taken: 101,
    outside: 102,
    duplicate: 103,
    invalid: 7,
    unavailable: 11,
  };
  for (const [kind, code] of Object.entries(kinds)) {
    thrown.set(new IpamError(kind as IpamErrorKind, kind), { code, msg: kind });
  }
  const queue = [...thrown];
  const agent = await startAgent(t, {
    handle: () => {
      const [next] = queue[0] ?? [];
      throw next;
    },
  });
  for (const [, expected] of thrown) {
    const { exitCode, error } = await ask(agent.socket, 'ADD');
    t.is(exitCode, 1);
    t.like(error, { cniVersion: '1.1.0', ...expected });
    queue.shift();
  }
});

test('server: so many run, so many wait, the next ones are to come again', async (t) => {
  const { opened, open } = latch();
  const agent = await startAgent(t, {
    runningMax: 2,
    waitingMax: 3,
    handle: async ({ verb }) => {
      if (verb === 'ADD') await opened;
      return undefined;
    },
  });
  const asked = Array.from({ length: 6 }, (_, i) =>
    ask(agent.socket, 'ADD', { CNI_CONTAINERID: `c${i}` }),
  );
  t.like((await Promise.race(asked)).error, { code: 11 });
  t.is(agent.handled.length, 2);
  t.is((await ask(agent.socket, 'STATUS')).exitCode, 0, 'STATUS does not queue');
  open();
  const codes = (await Promise.all(asked)).map(({ exitCode }) => exitCode);
  t.deepEqual(codes.sort(), [0, 0, 0, 0, 0, 1]);
  t.is(agent.handled.length, 6);
});

test('server: operations on one attachment run one after the other, others beside them', async (t) => {
  const { opened, open } = latch();
  const agent = await startAgent(t, {
    handle: async ({ verb, ifname }) => {
      if (verb === 'ADD' && ifname === 'eth0') await opened;
      return undefined;
    },
  });
  const add = ask(agent.socket, 'ADD');
  while (agent.handled.length < 1) await setImmediate();
  const remove = ask(agent.socket, 'DEL');
  await ask(agent.socket, 'ADD', { CNI_IFNAME: 'net1' });
  t.deepEqual(
    agent.handled.map(({ verb, ifname }) => `${verb} ${ifname}`),
    ['ADD eth0', 'ADD net1'],
  );
  open();
  t.is((await add).exitCode, 0);
  t.is((await remove).exitCode, 0);
  t.is(agent.handled.at(-1)?.verb, 'DEL');
});

test('server: what is not done in time is code 11, and is told to stop', async (t) => {
  const deadlinesMs = { ...DEADLINES_MS, ADD: 100, DEL: 100 };
  const { opened, open } = latch();
  const agent = await startAgent(t, {
    deadlinesMs,
    handle: async ({ verb }, signal) => {
      if (verb !== 'ADD') return undefined;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      await opened;
      return undefined;
    },
  });
  t.like((await ask(agent.socket, 'ADD')).error, { code: 11 });
  // It still holds the attachment: what waits behind it is late as well, and is never begun.
  t.like((await ask(agent.socket, 'DEL')).error, { code: 11 });
  open();
  t.is((await ask(agent.socket, 'CHECK')).exitCode, 0);
  t.deepEqual(
    agent.handled.map(({ verb }) => verb),
    ['ADD', 'CHECK'],
  );
});

test('server: an ADD is undone when the plugin was killed over it [cni 60]', async (t) => {
  const { opened: begun, open: begin } = latch();
  const { opened, open } = latch();
  const { opened: undone, open: done } = latch();
  const agent = await startAgent(t, {
    handle: async ({ verb }) => {
      if (verb === 'DEL') done();
      if (verb !== 'ADD') return undefined;
      begin();
      await opened;
      return { interfaces: [], ips: [], routes: [], dns: {} };
    },
  });
  const killed = connect(agent.socket);
  const env = new Map(Object.entries({ CNI_COMMAND: 'ADD', ...ATTACHMENT }));
  killed.end(encodeRequest({ env, stdin: JSON.stringify(conf()) }));
  await begun;
  // The request was whole: only now nobody is there any more.
  killed.destroy();
  await once(killed, 'close');
  // Whoever comes next finds nothing of it.
  const next = ask(agent.socket, 'CHECK');
  open();
  await undone;
  t.is((await next).exitCode, 0);
  t.deepEqual(
    agent.handled.map(({ verb }) => verb),
    ['ADD', 'DEL', 'CHECK'],
  );
  t.is((await ask(agent.socket, 'ADD')).exitCode, 0);
  t.is(agent.handled.at(-1)?.verb, 'ADD', 'one that is answered stays');
});

test('server: a request that does not come whole is answered and cut', async (t) => {
  const agent = await startAgent(t, { requestMs: 100 });
  for (const start of ['', 'CNI_COMMAND=AD', 'CNI_COMMAND=ADD\0\0{']) {
    const text = await new Promise<string>((resolve) => {
      let got = '';
      const socket = connect(agent.socket, () => socket.write(start));
      socket.on('data', (chunk) => (got += chunk.toString()));
      socket.on('close', () => resolve(got));
    });
    t.regex(text, /^1\n\{"cniVersion":"1\.1\.0","code":5,/);
  }
  t.is(agent.handled.length, 0);
});

test('server: a request without end is answered and cut', async (t) => {
  const agent = await startAgent(t);
  const socket = connect(agent.socket);
  let got = '';
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => (got += chunk.toString()));
  const closed = new Promise((resolve) => socket.on('close', resolve));
  const chunk = Buffer.alloc(1 << 20, 'x');
  for (let i = 0; i < 40 && !socket.destroyed; i++) {
    await new Promise((resolve) => socket.write(chunk, resolve));
  }
  await closed;
  t.true(got === '' || got.includes('"code":5'), got);
  t.is((await ask(agent.socket, 'STATUS')).exitCode, 0);
});

test('server: closing waits for what runs and turns away what waits', async (t) => {
  const socket = join(temporary(t), 'cni.sock');
  const { log } = recordingLog();
  const { opened, open } = latch();
  const { opened: begun, open: begin } = latch();
  const handle = async () => {
    begin();
    await opened;
    return undefined;
  };
  const dispatch = createDispatch({ handle, log, signal: new AbortController().signal });
  let operations = 0;
  const counting: Dispatch = (bytes) => {
    operations++;
    return dispatch(bytes);
  };
  const server = await serveCni(socket, { dispatch: counting, log, runningMax: 1 });
  const first = ask(socket, 'ADD');
  await begun;
  const second = ask(socket, 'ADD', { CNI_CONTAINERID: 'c2' });
  while (operations < 2) await setImmediate();
  const closing = server.close();
  t.like((await second).error, { code: 11 });
  open();
  t.is((await first).exitCode, 0);
  await closing;
});

test('server: an agent that stops ends what runs', async (t) => {
  const socket = join(temporary(t), 'cni.sock');
  const { log } = recordingLog();
  const { opened: begun, open: begin } = latch();
  const over = new AbortController();
  const dispatch = createDispatch({
    log,
    signal: over.signal,
    handle: async (_request, signal) => {
      begin();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      throw new CniError(11, 'undone');
    },
  });
  const server = await serveCni(socket, { dispatch, log });
  const add = ask(socket, 'ADD');
  await begun;
  over.abort();
  t.like((await add).error, { code: 11 });
  await server.close();
});
