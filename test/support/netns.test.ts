import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { labTest } from './netns.js';

const MODULE = new URL('../../examples/demo/netns.ts', import.meta.url).href;

/** Opens a lab, says what is in it, and waits to be told to go. */
const TENANT = `
  import { openLab } from ${JSON.stringify(MODULE)};
  const lab = openLab();
  const ns = lab.namespace('tenant');
  const sleeper = ns.start(['sleep', '1000']);
  console.log(JSON.stringify({ path: ns.path, pid: sleeper.pid }));
  if (process.argv[1] === 'leave') process.exit(0);
  if (process.argv[1] === 'throw') throw new Error('meant to happen');
  setInterval(() => undefined, 1000);
`;

/** A zombie, which waits to be collected by whoever is init here, runs no more. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Whether a process that was killed does end; the kernel takes its time. */
async function ends(pid: number): Promise<boolean> {
  for (let i = 0; i < 500 && isAlive(pid); i++) await setTimeout(5);
  return !isAlive(pid);
}

for (const [how, signal] of [
  ['is interrupted', 'SIGINT'],
  ['is terminated', 'SIGTERM'],
  ['leaves', undefined],
  ['throws', undefined],
] as const) {
  labTest(`lab: nothing is left of it when its process ${how}`, async (t) => {
    const args = ['--import=tsx', '--input-type=module', '-e', TENANT, how.slice(0, 5)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const { path, pid } = JSON.parse(line.toString()) as { path: string; pid: number };
    const ended = once(child, 'exit');
    if (signal !== undefined) {
      t.true(existsSync(path));
      t.true(isAlive(pid));
      child.kill(signal);
    }
    const [code, by] = (await ended) as [number | null, string | null];
    t.is(by, signal ?? null);
    if (how === 'throws') t.is(code, 1);
    t.false(existsSync(path));
    t.true(await ends(pid));
  });
}

labTest('lab: a command that fails says which, how and why', (t, lab) => {
  const ns = lab.namespace('node');
  t.throws(() => ns.run(['ip', 'link', 'show', 'nope']), {
    message: /ip link show nope: exit code 1: .*nope.*does not exist/,
  });
  t.is(ns.tryRun(['sh', '-c', 'exit 3']).status, 3);
  t.is(ns.tryRun(['sleep', '5'], { timeoutMs: 50 }).status, -1);
  t.throws(() => ns.run(['no-such-program']), { message: /no-such-program/ });
});

labTest(
  'lab: programs run beside us, in their namespace, and stop with their children',
  async (t, lab) => {
    const [a, b] = [lab.namespace('a'), lab.namespace('b')];
    lab.connect(
      { ns: a, ifname: 'eth0', addresses: ['10.0.0.1/24', 'fd00::1/64'] },
      { ns: b, ifname: 'eth0', addresses: ['10.0.0.2/24', 'fd00::2/64'], mac: '0a:00:00:00:00:02' },
      1400,
    );
    t.like(b.json(['ip', '-j', 'link', 'show', 'eth0']), [
      { mtu: 1400, address: '0a:00:00:00:00:02' },
    ]);
    const both = await Promise.all(
      ['10.0.0.2', 'fd00::2'].map((to) => a.runAsync(['ping', '-c', '1', '-W', '2', to])),
    );
    t.deepEqual(
      both.map(({ status }) => status),
      [0, 0],
    );
    const shell = a.start(['sh', '-c', 'sleep 1000 & echo child $!; wait']);
    const [, child = ''] = await shell.waitFor(/child (\d+)/);
    await shell.stop();
    t.true(await ends(Number(child)));
    await t.throwsAsync(a.start(['sh', '-c', 'echo no >&2; exit 2']).waitFor(/yes/), {
      message: /no/,
    });
    const late = await a.start(['sleep', '1000'], { timeoutMs: 50 }).done;
    t.is(late.status, -1);
  },
);
