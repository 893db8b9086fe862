/** ADD and what it leaves when the pass that was to serve the pod does not. */
import { createUndo } from '../../src/cni/undo.js';
import { createVerbs } from '../../src/cni/verbs.js';
import { toCniError } from '../../src/cni/errors.js';
import { attachmentLinkName } from '../../src/kernel/pod-link.js';
import { createTurns } from '../../src/turns.js';
import { memoryIpam, memoryStore, owner, requestOf } from '../cni/verbs-rig.js';
import { labTest } from '../support/netns.js';
import type { Failing } from './pass-rig.js';
import { passRig } from './pass-rig.js';

const FAILURES: readonly (readonly [keyof Failing, string])[] = [
  ['hooks', 'a program cannot be attached to its link'],
  ['lane', 'the lane does not take its rows'],
  ['speakers', 'the kernel cannot be told its addresses'],
];

for (const [part, words] of FAILURES) {
  labTest(`attach: an ADD fails when ${words}, and nothing of it stays`, async (t, lab) => {
    const rig = passRig(t, lab);
    await rig.fullPass();
    const { ipam, held } = memoryIpam();
    const { store, records } = memoryStore();
    const { attached: attachments, log } = rig;
    const askDelegate = () => Promise.resolve(undefined);
    const undo = createUndo({ attachments, ipam, store, askDelegate, log });
    const handle = createVerbs({
      ...{ ipam, store, attachments, undo, askDelegate, log, turns: createTurns() },
      mtu: rig.reconciler.mtu,
      unready: () => undefined,
      nowMs: () => 1_000,
    });
    const { netns } = rig.container('c1', 1);
    const request = requestOf('ADD', 'c1', {}, { CNI_NETNS: netns });
    const never = new AbortController().signal;
    rig.failing[part] = 'no memory';
    const thrown: unknown = await handle(request, never).catch((error: unknown) => error);
    const error = toCniError(thrown);
    t.is(error.code, 11, error.message);
    t.regex(error.message, /no memory/);
    t.deepEqual(rig.links(), []);
    t.deepEqual([...held.keys(), ...records.keys(), ...rig.hooked], []);
    t.deepEqual(rig.attached.pods(), []);
    rig.failing[part] = '';
    const name = attachmentLinkName(owner('c1'));
    t.is((await handle(request, never))?.interfaces[0]?.name, name);
    t.deepEqual([rig.links(), [...rig.hooked]], [[name], [name]]);
    t.is(rig.speakers().length, 1);
  });
}

labTest('attach: an ADD fails when the core has no room for its rows', async (t, lab) => {
  const rig = passRig(t, lab);
  await rig.fullPass();
  await rig.attached.attach(rig.container('c1', 1));
  rig.failing.refusing = true;
  await t.throwsAsync(rig.attached.attach(rig.container('c2', 2)), {
    code: 'ERR_UNSERVED',
    message: /(link|route) \S+ is not in the tables/,
  });
  rig.failing.refusing = false;
  await rig.attached.detach(owner('c2'));
  t.deepEqual(rig.links(), [attachmentLinkName(owner('c1'))]);
});

labTest("attach: another pod's failure is not an ADD's", async (t, lab) => {
  const rig = passRig(t, lab);
  await rig.fullPass();
  rig.failing.hooks = 'no memory';
  await t.throwsAsync(rig.attached.attach(rig.container('c1', 1)), { code: 'ERR_UNSERVED' });
  rig.failing.hooks = '';
  rig.failing.hooksOf = attachmentLinkName(owner('c1'));
  await t.notThrowsAsync(rig.attached.attach(rig.container('c2', 2)));
});
