import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { createPublisher } from '../../src/agent/publish.js';
import type { PublishParts } from '../../src/agent/publish.js';
import { parseAddress } from '../../src/addr.js';
import type { TunnelLink } from '../../src/compile/links.js';
import { recordingLog } from '../cni/plugin.js';

const ADDRESS = parseAddress('192.0.2.1');
const OWN = { podCIDRs: [], overlay: { backend: undefined, vteps: [], publicAddresses: [] } };
const TUNNEL: TunnelLink = {
  kind: 'tunnel',
  name: 'slv4',
  ifindex: 7,
  family: 4,
  mtu: 1450,
  addresses: [],
  ownMac: Uint8Array.of(6, 0, 0, 0, 0, 1),
};

/** A publisher whose every wish for a pass is granted at once. */
function publisher(annotate: () => Promise<void>) {
  const parts = {
    config: { podMTU: undefined, overlay: { flannel: true, vni: 1, network: [] } },
    control: { ownNode: () => OWN, nodeAddresses: () => [ADDRESS] },
    log: recordingLog().log,
    annotator: { annotate, close: () => undefined },
    again: () => made.publish([TUNNEL], 1450),
  };
  const made = createPublisher(parts as unknown as PublishParts);
  return made;
}

test('publish: an API server that refuses is not asked again at once', async (t) => {
  let asked = 0;
  const made = publisher(() => {
    asked++;
    return Promise.reject(new Error('403 nodes/status is forbidden'));
  });
  t.deepEqual(made.publish([TUNNEL], 1450), []);
  await delay(20);
  for (let pass = 0; pass < 50; pass++) {
    t.regex(made.publish([TUNNEL], 1450).join(), /^annotations of this node: 403 /);
    await delay(1);
  }
  t.is(asked, 1);
  made.close();
});

test('publish: what was refused is said again by and by', async (t) => {
  let asked = 0;
  const made = publisher(() => {
    asked++;
    return asked === 1 ? Promise.reject(new Error('503')) : Promise.resolve();
  });
  made.publish([TUNNEL], 1450);
  for (let i = 0; i < 60 && asked < 2; i++) await delay(50);
  await delay(10);
  t.is(asked, 2, 'and nobody else has asked for a pass');
  t.deepEqual(made.publish([TUNNEL], 1450), []);
  made.close();
});
