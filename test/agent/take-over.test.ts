/** Attachments that an earlier agent has left, and a kernel that does not let them be taken over at once. */
import test from 'ava';
import { createTakeOver } from '../../src/agent/take-over.js';
import type { StoredAttachment } from '../../src/cni/attachment-store.js';
import { attachmentLinkName } from '../../src/kernel/pod-link.js';
import { recordingLog } from '../cni/plugin.js';
import { owner } from '../cni/verbs-rig.js';
import { labTest } from '../support/netns.js';
import { passRig } from './pass-rig.js';

const record = (id: string): StoredAttachment => ({
  ...owner(id),
  ...{ isPending: false, netns: `/run/netns/${id}`, ips: [], mtu: 1450, hostPorts: [], sinceMs: 1 },
});

function rig() {
  const clock = { ms: 0 };
  const tried: string[] = [];
  const state: { fault: string; gone: string | undefined } = { fault: 'busy', gone: undefined };
  const { log, lines } = recordingLog();
  const takeOver = createTakeOver({
    link: ({ containerId }) => {
      tried.push(`${containerId} at ${clock.ms}`);
      if (state.fault !== '') throw new Error(state.fault);
    },
    isVoid: () => state.gone,
    again: () => undefined,
    nowMs: () => clock.ms,
    log,
  });
  /** Passes, a second apart. */
  const pass = (untilMs: number): void => {
    for (; clock.ms <= untilMs; clock.ms += 1_000) takeOver.look();
  };
  return { takeOver, tried, state, lines, pass, clock };
}

test('take-over: what fails is tried again with pauses that double up to a minute, and told once', (t) => {
  const { takeOver, tried, lines, pass } = rig();
  takeOver.begin([record('c1')]);
  pass(200_000);
  takeOver.close();
  const times = [0, 1, 3, 7, 15, 31, 63, 123, 183];
  t.deepEqual(
    tried,
    times.map((s) => `c1 at ${s * 1_000}`),
  );
  t.is(lines.length, 1);
});

test('take-over: what succeeds, is detached or has lost its container is not tried again', (t) => {
  const { takeOver, tried, state, pass, lines } = rig();
  takeOver.begin([record('c1'), record('c2')]);
  takeOver.forget(owner('c2'));
  state.fault = '';
  pass(100_000);
  t.deepEqual(tried, ['c1 at 0', 'c2 at 0', 'c1 at 1000']);
  state.fault = 'busy';
  takeOver.begin([record('c3')]);
  state.gone = '/run/netns/c3 is gone';
  const before = tried.length;
  pass(300_000);
  takeOver.close();
  t.is(tried.length, before);
  t.regex(String(lines.at(-1)?.['msg']), /waits for its DEL/);
});

labTest(
  'take-over: a pod that could not be taken over at start is served by a later pass',
  async (t, lab) => {
    const rig = passRig(t, lab);
    const one = rig.container('c1', 1);
    // Another has its address, for now.
    rig.node.run(['ip', 'route', 'add', '10.1.0.1/32', 'dev', 'lo']);
    rig.attached.restore([one]);
    await rig.fullPass();
    t.deepEqual(rig.attached.pods(), []);
    rig.node.run(['ip', 'route', 'delete', '10.1.0.1/32', 'dev', 'lo']);
    const deadlineMs = performance.now() + 20_000;
    while (rig.requests() === 0 && performance.now() < deadlineMs) {
      await new Promise((done) => setTimeout(done, 50));
    }
    const { pods } = await rig.pass();
    t.is(pods, 1);
    t.deepEqual([...rig.hooked], [attachmentLinkName(one)]);
  },
);
