/** A path of /proc leads elsewhere once its PID is another process's. */
import { statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { lostNetns, withNetnsId } from '../../src/cni/recorded-netns.js';
import type { Lab } from '../support/netns.js';
import { labTest } from '../support/netns.js';
import { passRig } from './pass-rig.js';

/** A process in a network namespace of its own, by its path. */
async function processIn(lab: Lab, role: string): Promise<string> {
  const ns = lab.namespace(role);
  const path = `/proc/${ns.start(['sleep', '60']).pid}/ns/net`;
  // Until it has entered it, the process is where it was started.
  while (statSync(path).ino !== statSync(ns.path).ino) await delay(5);
  return path;
}

labTest(
  'recycled namespace: what has come to the path of a container is neither taken over nor found right',
  async (t, lab) => {
    const rig = passRig(t, lab);
    const mine = await withNetnsId({
      ...rig.container('c1', 1),
      netns: await processIn(lab, 'one'),
    });
    const other = await processIn(lab, 'two');
    await rig.fullPass();
    await rig.attached.attach(mine);
    t.is(rig.attached.check(mine), undefined);
    const recycled = { ...mine, netns: other };
    const sentence = `${other} leads to another network namespace than that of the container by now`;
    t.is(rig.attached.check(recycled), sentence);
    const later = passRig(t, lab);
    t.false(later.attached.isThere(recycled), 'the sweep takes it back');
    later.attached.restore([recycled]);
    t.deepEqual(later.links(), []);
    t.deepEqual(later.attached.pods(), []);
    t.is(later.lines.at(-1)?.['msg'], `${sentence}: the attachment waits for its DEL`);
    const { netnsId: _, ...old } = { ...recycled, containerId: 'c2' };
    later.attached.restore([old]);
    t.is(later.attached.pods().length, 1, 'a record of an older agent, which does not say');
  },
);

labTest(
  'recycled namespace: a record tells it from what is gone and from another',
  async (t, lab) => {
    const rig = passRig(t, lab);
    const mine = await withNetnsId({
      ...rig.container('c1', 1),
      netns: await processIn(lab, 'one'),
    });
    t.regex(mine.netnsId ?? '', /^\d+:\d+$/);
    t.is(lostNetns(mine), undefined);
    t.regex(
      lostNetns({ ...mine, netns: await processIn(lab, 'two') }) ?? '',
      /another network namespace/,
    );
    t.regex(lostNetns({ ...mine, netns: '/proc/self/ns/none' }) ?? '', /is gone/);
    const { netnsId: _, ...old } = mine;
    t.is(lostNetns(old), undefined);
  },
);
