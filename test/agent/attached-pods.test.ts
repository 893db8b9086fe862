import test from 'ava';
import { createAttachedPods } from '../../src/agent/attached-pods.js';
import type { AttachedPodsParts } from '../../src/agent/attached-pods.js';
import { attachmentLinkName } from '../../src/kernel/pod-link.js';
import { recordingLog } from '../cni/plugin.js';

test('attached pods: one that was never taken over leaves no pinned program behind', async (t) => {
  const owner = { network: 'n', containerId: 'c1', ifname: 'eth0' };
  const name = attachmentLinkName(owner);
  const done: string[] = [];
  const attached = createAttachedPods({
    hooks: { setAside: (link: { name: string }) => done.push(`programs of ${link.name}`) },
    retirement: { retire: (link: string) => done.push(`link ${link}`) > 0 },
    programmed: () => Promise.resolve(),
    log: recordingLog().log,
    fromXdp: false,
  } as unknown as AttachedPodsParts);
  await attached.detach(owner);
  t.deepEqual(done, [`programs of ${name}`, `link ${name}`]);
});
