/** Flows by a tunnel: what their rows say, and that they follow their route. */
import test from 'ava';
import * as abi from '../../assembly/abi.js';
import { formatMac, parseAddress, parseMac } from '../../src/addr.js';
import { PLAIN_OVERLAY } from '../../src/compile/overlay.js';
import { vtepMacOf } from '../../src/model/vtep.js';
import { node, put } from '../model/objects.js';
import { A4, IF, LINKS, REMOTE4, openEngine } from '../support/engine.js';
import type { Engine, FlowRow } from '../support/engine.js';
import { packet as frame } from '../support/frames.js';

const TUNNEL = 20;
const OWN_MAC = '06:00:00:00:00:01';
const BEYOND = '10.244.1.0';

function open(): Engine {
  const tunnel = {
    kind: 'tunnel',
    name: 'slv4',
    family: 4,
    ifindex: TUNNEL,
    mtu: 1450,
    ownMac: parseMac(OWN_MAC),
    addresses: [parseAddress(BEYOND)],
  } as const;
  return openEngine({
    links: [...LINKS, tunnel],
    control: { overlay: { ...PLAIN_OVERLAY, mode: 'vxlan' } },
  });
}

function macsOf({ core }: Engine, { ptr }: FlowRow): string[] {
  const at = (off: number): string => formatMac(core.view.slice(ptr + off, ptr + off + 6));
  return [at(abi.FLOW_DST_MAC_OFF), at(abi.FLOW_SRC_MAC_OFF)];
}

const flagsOf = ({ core }: Engine, { ptr }: FlowRow): number =>
  core.words.getUint8(ptr + abi.FLOW_FLAGS_OFF);

const mtuOf = ({ core }: Engine, { ptr }: FlowRow): number =>
  core.words.getUint16(ptr + abi.FLOW4_MTU_OFF, true);

const UDP = { proto: 'udp', sport: 1000, dport: 53 } as const;
const TUNNEL_FLAGS = abi.FLOW_F_MACS | abi.FLOW_F_TUNNEL;

test('tunnel: rows of both directions carry the MACs of both ends', (t) => {
  const engine = open();
  engine.send(IF.POD_A, frame({ ...UDP, src: A4, dst: REMOTE4 }));
  const there = engine.flow(A4, 1000, REMOTE4, 53);
  t.is(there.outIfindex, TUNNEL);
  t.deepEqual(macsOf(engine, there), [formatMac(vtepMacOf('node-b')), OWN_MAC]);
  t.is(flagsOf(engine, there), TUNNEL_FLAGS);
  t.is(mtuOf(engine, there), 1450);
  engine.send(TUNNEL, frame({ ...UDP, sport: 9, src: REMOTE4, dst: A4 }));
  const back = engine.flow(A4, 53, REMOTE4, 9);
  t.true(back.isReply);
  t.is(back.outIfindex, TUNNEL);
  t.deepEqual(macsOf(engine, back), [formatMac(vtepMacOf('node-b')), OWN_MAC]);
});

test('tunnel: what comes from a node itself is answered straight, not by the tunnel', (t) => {
  const engine = open();
  engine.send(TUNNEL, frame({ ...UDP, src: '192.168.0.2', dst: A4 }));
  const back = engine.flow(A4, 53, '192.168.0.2', 1000);
  t.is(back.outIfindex, IF.UPLINK);
  t.is(flagsOf(engine, back) & TUNNEL_FLAGS, 0);
});

test('tunnel: rows follow their route when the node has another end', (t) => {
  const engine = open();
  engine.send(IF.POD_A, frame({ ...UDP, src: A4, dst: REMOTE4 }));
  const move = (annotations: Record<string, string>): void => {
    const object = node('node-b', ['10.244.2.0/24'], ['192.168.0.2']);
    engine.apply(put('Node', { ...object, metadata: { ...object.metadata, annotations } }));
    // Of the lane's: routes that changed make it visit every row.
    engine.core.exports.sweep(engine.nowMs, 1);
  };
  const data = '{"VNI":1,"VtepMAC":"82:00:00:00:00:02"}';
  move({
    'flannel.alpha.coreos.com/backend-type': 'vxlan',
    'flannel.alpha.coreos.com/backend-data': data,
  });
  const row = engine.flow(A4, 1000, REMOTE4, 53);
  t.deepEqual(macsOf(engine, row), ['82:00:00:00:00:02', OWN_MAC]);
});

test('tunnel: IPv4 without DF that is too long is for the host to cut, with DF it is answered', (t) => {
  const engine = open();
  const payload = new Uint8Array(1460);
  const long = frame({ ...UDP, src: A4, dst: REMOTE4, payload });
  const answered = engine.send(IF.POD_A, long);
  t.is(answered.outIfindex, IF.POD_A, 'ICMP 3/4');
  const decided = engine.send(IF.POD_A, withoutDf(long));
  t.is(decided.verdict, abi.Verdict.TX);
  t.is(decided.action, abi.Action.HOST);
});

/** The flag off, and its 0x4000 off the header's sum (RFC 1624). */
function withoutDf(packet: Uint8Array): Uint8Array {
  const changed = packet.slice();
  const view = new DataView(changed.buffer);
  view.setUint16(20, view.getUint16(20) & ~0x4000);
  const sum = view.getUint16(24) + 0x4000;
  view.setUint16(24, (sum & 0xffff) + (sum >> 16));
  return changed;
}
