/** An agent with nothing to do sleeps. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageFile } from '../../src/package-root.js';
import { labTest } from '../support/netns.js';

/** Until what a start leaves to be compiled is compiled. */
const SETTLE_MS = 10_000;
const WATCH_MS = 10_000;
/**
 * Once after a start V8 gives memory back: `Mark-Compact (reduce)` three times over, 16 s after it,
 * 30 ms on the main thread and 120 ms on all (--trace-gc; Node 20, two cores). That is in one
 * window at most; what the agent does again and again is in both.
 */
const WINDOWS = 2;
/** USER_HZ: /proc counts in hundredths of a second on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const IDLE_PERCENT_MAX = 1;

/** User and system time of a process and all its threads, in ticks. */
function cpuTicks(pid: number): number {
  // The program's name may hold spaces; what follows its closing bracket does not.
  const fields =
    readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
      .split(') ')[1]
      ?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

labTest('agent: idle, it takes less than 1 % of a processor', async (t, lab) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-idle-'));
  const node = lab.namespace('idle');
  const config = join(folder, 'sluice.yaml');
  mkdirSync(join(folder, 'cluster'));
  writeFileSync(
    config,
    `apiVersion: sluice/v1alpha1
kind: SluiceConfiguration
nodeName: idle
source: { files: cluster }
stateDir: ${folder}
pinDir: /sys/fs/bpf/sluice/${node.name.replaceAll('.', '_')}
`,
  );
  const cli = packageFile('build/host/src/cli.js');
  const agent = node.start([process.execPath, cli, 'run', '-c', config]);
  try {
    await agent.waitFor(/port: AF_XDP/);
    await delay(SETTLE_MS);
    const percents: number[] = [];
    for (let i = 0; i < WINDOWS; i++) {
      const before = cpuTicks(agent.pid);
      await delay(WATCH_MS);
      const ticks = cpuTicks(agent.pid) - before;
      percents.push((100 * ticks) / (TICKS_PER_SECOND * (WATCH_MS / 1000)));
    }
    t.log(`${percents.join(', ')} % of a processor`);
    t.true(Math.min(...percents) < IDLE_PERCENT_MAX, `${percents.join(', ')} % of a processor`);
  } finally {
    await agent.stop();
    node.run([process.execPath, cli, 'cleanup', '-c', config]);
    rmSync(folder, { recursive: true });
  }
});
