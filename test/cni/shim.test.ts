import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { DEADLINES_MS } from '../../src/cni/verb.js';
import { decodeRequest } from '../../src/cni/wire.js';
import {
  ATTACHMENT,
  PLUGIN,
  RESULT,
  conf,
  errorOf,
  execute,
  startAgent,
  startImpostor,
  temporary,
} from './plugin.js';

const STDIN = JSON.stringify(conf());
const QUEUE_MAX = 256;

/** Environment of a verb, with the socket to ask. */
const asking = (CNI_COMMAND: string, SLUICE_CNI_SOCKET: string, more: object = {}) => ({
  ...ATTACHMENT,
  CNI_COMMAND,
  SLUICE_CNI_SOCKET,
  ...more,
});

test('shim: the agent gets every CNI_ variable, no other, and the whole input', async (t) => {
  let got: Buffer = Buffer.alloc(0);
  const socket = await startImpostor(t, (client, request) => {
    got = request;
    client.end('0\n');
  });
  const env = asking('DEL', socket, { CNI_ARGS: 'A=1;B=2', HOME: '/x', CNIX: 'no' });
  const stdin = '{"a":"\u00e4\u0000\\u0000"}\n';
  t.is((await execute({ env, stdin })).exit, 0);
  const request = decodeRequest(got);
  t.is(request.stdin, stdin);
  t.deepEqual(Object.fromEntries(request.env), {
    ...ATTACHMENT,
    CNI_COMMAND: 'DEL',
    CNI_ARGS: 'A=1;B=2',
  });
});

test('shim: a reply in pieces comes out whole, with its exit code', async (t) => {
  const body = `{"x":"${'y'.repeat(300_000)}"}\n`;
  const socket = await startImpostor(t, (client) => {
    void (async () => {
      client.setNoDelay(true);
      for (const piece of ['1', '7', '\n', body.slice(0, 7), body.slice(7)]) {
        client.write(piece);
        await sleep(10);
      }
      client.end();
    })();
  });
  const { exit, stdout } = await execute({ env: asking('ADD', socket), stdin: STDIN });
  t.is(exit, 17);
  t.true(stdout === body);
});

test('shim: ten megabytes go through in both directions', async (t) => {
  const stdin = JSON.stringify(conf({ filler: 'z'.repeat(10 * 1024 * 1024) }));
  const socket = await startImpostor(t, (client, request) => {
    const { stdin: got } = decodeRequest(request);
    client.end(`0\n${got}`);
  });
  const { exit, stdout } = await execute({ env: asking('ADD', socket), stdin });
  t.is(exit, 0);
  t.true(stdout === stdin);
});

test('shim: input and answers beyond their limit are code 5', async (t) => {
  const huge = Buffer.alloc(18 * 1024 * 1024, 'x');
  const silent = await startImpostor(t, (client) => client.end('0\n'));
  const tooMuch = await execute({ env: asking('ADD', silent), stdin: huge });
  t.is(errorOf(t, tooMuch).code, 5);
  const talkative = await startImpostor(t, (client) => client.end(huge));
  t.is(errorOf(t, await execute({ env: asking('ADD', talkative), stdin: STDIN })).code, 5);
});

test('shim: an agent that does not answer is waited for as long as the verb allows', async (t) => {
  const socket = await startImpostor(t, () => undefined);
  const add = execute({ env: asking('ADD', socket), stdin: STDIN });
  const [status, check] = await Promise.all(
    ['STATUS', 'CHECK'].map((verb) => execute({ env: asking(verb, socket), stdin: STDIN })),
  );
  for (const [ended, verb] of [[status, 'STATUS'] as const, [check, 'CHECK'] as const]) {
    if (ended === undefined) return t.fail();
    t.is(errorOf(t, ended).code, 11);
    t.true(ended.ms >= DEADLINES_MS[verb], `${verb} ${ended.ms}`);
    t.true(ended.ms < DEADLINES_MS[verb] + 1000, `${verb} ${ended.ms}`);
  }
  // The longest are not waited for here: that it still waits is enough.
  t.is(await Promise.race([add, sleep(100, 'waits')]), 'waits');
});

test('shim: input that does not end is not waited for either', async (t) => {
  const { socket } = await startAgent(t);
  const env = asking('STATUS', socket);
  const ended = await execute({ env, stdin: '{"cni', endless: true });
  t.is(errorOf(t, ended).code, 11);
  t.true(ended.ms < 2000, String(ended.ms));
});

test('shim: a reader that does not read its answer does not keep it', async (t) => {
  const socket = await startImpostor(t, (client) => client.end(`0\n${'x'.repeat(1 << 20)}`));
  const sinceMs = performance.now();
  const child = spawn(PLUGIN, [], {
    env: asking('STATUS', socket),
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.stdin.end(STDIN);
  t.deepEqual(await once(child, 'exit'), [1, null], 'half an answer is no success');
  t.true(performance.now() - sinceMs < 3000);
  child.stdout.destroy();
});

test('shim: a reader that has gone ends it, no signal does', async (t) => {
  const socket = await startImpostor(t, (client) => {
    setTimeout(() => client.end(`0\n${'x'.repeat(1 << 20)}`), 100);
  });
  const child = spawn(PLUGIN, [], {
    env: asking('ADD', socket),
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.stdin.end(STDIN);
  child.stdout.destroy();
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  t.deepEqual([code, signal], [1, null]);
});

test('shim: without an agent ADD, CHECK and GC are to be tried again, STATUS is not available', async (t) => {
  const socket = join(temporary(t), 'cni.sock');
  const codes = { ADD: 11, CHECK: 11, GC: 11, STATUS: 50 };
  for (const [verb, code] of Object.entries(codes)) {
    const error = errorOf(t, await execute({ env: asking(verb, socket), stdin: STDIN }));
    t.is(error.code, code, verb);
    t.true(error.msg.includes(socket));
  }
});

test('shim: a socket that nobody listens on any more is no agent', async (t) => {
  const folder = temporary(t);
  const socket = join(folder, 'cni.sock');
  // Leaves its socket behind, as a process that is killed does.
  const script = `require('net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await once(spawn(process.execPath, ['-e', script], { stdio: 'ignore' }), 'exit');
  t.is(errorOf(t, await execute({ env: asking('STATUS', socket), stdin: STDIN })).code, 50);
  t.is((await execute({ env: asking('DEL', socket), stdin: STDIN })).exit, 0);
  t.is(readdirSync(join(folder, 'deletes')).length, 1);
});

test('shim: an agent that goes without a word, or with a wrong one, counts as none', async (t) => {
  for (const word of ['', '0', 'x\n', '1000\n', '\n', '999\n']) {
    const socket = await startImpostor(t, (client) => client.end(word));
    const add = await execute({ env: asking('ADD', socket), stdin: STDIN });
    t.is(errorOf(t, add).code, 11, JSON.stringify(word));
    t.is((await execute({ env: asking('DEL', socket), stdin: STDIN })).exit, 0);
    t.is(readdirSync(join(socket, '../deletes')).length, 1);
  }
});

test('shim: a DEL without an agent is kept, whole and for its owner only', async (t) => {
  const folder = temporary(t);
  const socket = join(folder, 'not', 'yet', 'cni.sock');
  const { exit, stdout } = await execute({ env: asking('DEL', socket), stdin: STDIN });
  t.deepEqual([exit, stdout], [0, '']);
  const queue = join(folder, 'not', 'yet', 'deletes');
  const [name = '', ...others] = readdirSync(queue);
  t.deepEqual(others, []);
  t.regex(name, /^[0-9a-f]{16}\.del$/);
  const { env, stdin } = decodeRequest(readFileSync(join(queue, name)));
  t.is(stdin, STDIN);
  t.deepEqual(Object.fromEntries(env), { ...ATTACHMENT, CNI_COMMAND: 'DEL' });
});

test('shim: the same DEL again takes no more room; another one does', async (t) => {
  const socket = join(temporary(t), 'cni.sock');
  const queued = () => readdirSync(join(socket, '../deletes')).length;
  const remove = (more: object) => execute({ env: asking('DEL', socket, more), stdin: STDIN });
  await remove({ CNI_ARGS: 'A=1;B=2' });
  await remove({ CNI_ARGS: 'B=2;A=1', CNI_NETNS: '' });
  t.is(queued(), 1);
  await remove({ CNI_IFNAME: 'net1' });
  await remove({ CNI_CONTAINERID: 'c2' });
  t.is(queued(), 3);
});

test(`shim: the ${QUEUE_MAX + 1}st deletion is not queued but to be tried again`, async (t) => {
  const socket = join(temporary(t), 'cni.sock');
  const remove = (i: number) =>
    execute({ env: asking('DEL', socket, { CNI_CONTAINERID: `c${i}` }), stdin: STDIN });
  const queue = join(socket, '../deletes');
  mkdirSync(queue);
  for (let i = 1; i < QUEUE_MAX; i++) writeFileSync(join(queue, `${i}.del`), '');
  t.is((await remove(0)).exit, 0);
  t.is(errorOf(t, await remove(QUEUE_MAX)).code, 11);
  t.is((await remove(0)).exit, 0, 'it is there already');
  t.is(readdirSync(queue).length, QUEUE_MAX);
});

test('shim: a queue that cannot be written is to be tried again', async (t) => {
  const socket = '/proc/not-there/cni.sock';
  const error = errorOf(t, await execute({ env: asking('DEL', socket), stdin: STDIN }));
  t.is(error.code, 11);
  t.true(error.msg.includes('/proc/not-there/deletes'), error.msg);
});

test('shim: a DEL that could never be done is not queued', async (t) => {
  const folder = temporary(t);
  const env = { CNI_COMMAND: 'DEL', SLUICE_CNI_SOCKET: join(folder, 'cni.sock') };
  t.is(errorOf(t, await execute({ env, stdin: STDIN })).code, 4);
  t.deepEqual(readdirSync(folder), []);
});

test('shim: the link beside the executable leads to the socket, and to the queue without it', async (t) => {
  const folder = temporary(t);
  const bin = join(folder, 'bin');
  const run = join(folder, 'run');
  mkdirSync(bin);
  mkdirSync(run);
  const file = join(bin, 'sluice');
  copyFileSync(PLUGIN, file);
  chmodSync(file, 0o755);
  symlinkSync('../run/cni.sock', `${file}.sock`);
  const del = { env: { ...ATTACHMENT, CNI_COMMAND: 'DEL' }, stdin: STDIN, file };
  t.is((await execute(del)).exit, 0);
  t.is(readdirSync(join(run, 'deletes')).length, 1);
  const agent = await startAgent(t, { folder: run });
  const add = { env: { ...ATTACHMENT, CNI_COMMAND: 'ADD' }, stdin: STDIN, file };
  t.deepEqual(JSON.parse((await execute(add)).stdout), { cniVersion: '1.1.0', ...RESULT });
  t.is(agent.handled.length, 1);
});
