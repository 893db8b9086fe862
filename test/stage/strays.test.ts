import test from 'ava';
import {
  DIRECTORY_BASE,
  DIR_BASE_OFF,
  DIR_CAPACITY_OFF,
  DIR_ENTRY_SIZE,
  DIR_ROW_SIZE_OFF,
  LaneCounter,
  RegionId,
} from '../../assembly/abi.js';
import { parseAddress, parseMac } from '../../src/addr.js';
import type { PodLink } from '../../src/compile/links.js';
import type { Core } from '../../src/core/core.js';
import { attachmentKey } from '../../src/model/attachments.js';
import type { AttachmentRecord } from '../../src/model/attachments.js';
import { A4, A6, B4, B6, IF, LINKS, MAC, openEngine } from '../support/engine.js';
import { packet } from '../support/frames.js';

const NAME = { network: 'n', containerId: 'c', ifname: 'eth0' };
const KEY = attachmentKey(NAME);
const C4 = '10.244.1.9';
const IF_C = 77;

const RECORD: AttachmentRecord = {
  key: KEY,
  name: NAME,
  pod: undefined,
  addresses: [parseAddress(C4)],
  hostPorts: [],
  isShaped: false,
};

const LINK: PodLink = {
  kind: 'pod',
  ifindex: IF_C,
  pod: KEY,
  mac: parseMac('0a:00:00:00:00:01'),
  ownMac: parseMac(MAC.GATEWAY),
  mtu: 1500,
};

/** What no process leaves to the next one. */
function wipe({ view, words }: Core, region: RegionId): void {
  const entry = DIRECTORY_BASE + region * DIR_ENTRY_SIZE;
  const base = words.getUint32(entry + DIR_BASE_OFF, true);
  const rowSize = words.getUint32(entry + DIR_ROW_SIZE_OFF, true);
  const capacity = words.getUint32(entry + DIR_CAPACITY_OFF, true);
  view.fill(0, base, base + rowSize * capacity);
}

test('strays: flows of a link that is removed go at once, in both directions and families', (t) => {
  const engine = openEngine();
  engine.send(IF.POD_A, packet({ proto: 'udp', src: A4, dst: B4, sport: 1, dport: 2 }));
  engine.send(IF.POD_B, packet({ proto: 'udp', src: B6, dst: A6, sport: 3, dport: 4 }));
  t.is(engine.flows().length, 4);
  engine.setLinks(LINKS.filter(({ ifindex }) => ifindex !== IF.POD_B));
  t.deepEqual(engine.flows(), []);
  t.is(engine.counter(LaneCounter.FLOWS_PURGED), 2);
});

test('strays: an attachment that is detached takes its flows along, and no others', (t) => {
  const engine = openEngine();
  engine.tell((control) => control.attach(RECORD, LINK));
  engine.send(IF_C, packet({ proto: 'udp', src: C4, dst: A4, sport: 1, dport: 2 }));
  engine.send(IF.POD_A, packet({ proto: 'udp', src: A4, dst: B4, sport: 5, dport: 6 }));
  t.is(engine.flow(C4, 1, A4, 2).outIfindex, IF.POD_A);
  engine.tell((control) => control.detach(KEY));
  t.deepEqual(
    engine.flows().map(({ src }) => src),
    [A4, B4],
  );
});

test('strays: rows of an earlier life whose link is gone are forgotten when all links are known', (t) => {
  const before = openEngine();
  before.send(IF.POD_A, packet({ proto: 'udp', src: A4, dst: B4, sport: 1, dport: 2 }));
  wipe(before.core, RegionId.LINKS);
  const after = openEngine({
    core: before.core,
    links: LINKS.filter(({ ifindex }) => ifindex !== IF.POD_B),
  });
  t.is(after.flows().length, 2, 'the new agent has never known the link');
  after.tell((control) => control.forgetStrays());
  t.deepEqual(after.flows(), []);
});
