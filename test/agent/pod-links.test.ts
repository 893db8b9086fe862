/** Links of pods that the source names. */
import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { podLinkName } from '../../src/kernel/pod-link.js';
import { HERE, pod, put } from '../model/objects.js';
import { labTest } from '../support/netns.js';
import { temporary } from './node-rig.js';
import { passRig } from './pass-rig.js';

labTest(
  'pod links: an error that passes costs a pod neither its row nor its flows, as long as its link is there',
  async (t, lab) => {
    const rig = passRig(t, lab);
    const path = join(temporary(t), 'netns');
    const target = lab.namespace('pod').path;
    symlinkSync(target, path);
    rig.apply(put('Pod', pod('p', ['10.1.0.1'], HERE, path)));
    t.like(await rig.fullPass(), { pods: 1, problems: [] });
    rmSync(path);
    const failing = await rig.fullPass();
    t.is(failing.problems.length, 1);
    t.like(failing, { pods: 1, records: 0 });
    t.is(rig.speakers().length, 1);
    symlinkSync(target, path);
    t.like(await rig.pass(), { pods: 1, records: 0, problems: [] });
    rmSync(path);
    const name = podLinkName({ namespace: 'default', name: 'p' });
    rig.node.run(['ip', 'link', 'delete', name]);
    const gone = await rig.fullPass();
    t.is(gone.pods, 0);
    t.true(gone.records > 0, 'a link that is gone goes');
  },
);
