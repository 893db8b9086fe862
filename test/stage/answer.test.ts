import test from 'ava';
import { Action, Drop, LaneCounter, Verdict } from '../../assembly/abi.js';
import { A4, A6, B4, B6, IF, MAC, OUTSIDE4, openEngine } from '../support/engine.js';
import { arp, hexOf, see, seeArp, solicit, wireAddress } from '../support/frames.js';

const NA = 136;

test('arp: whatever a pod asks for is behind the gateway', (t) => {
  const engine = openEngine();
  for (const target of ['169.254.1.1', B4, OUTSIDE4]) {
    const sent = engine.send(IF.POD_A, arp({ sender: A4, target }));
    t.is(sent.verdict, Verdict.TX);
    t.is(sent.action, Action.POD);
    t.is(sent.outIfindex, IF.POD_A);
    t.like(sent.seen, { dstMac: MAC.POD_A, srcMac: MAC.GATEWAY, etherType: 0x0806 });
    t.deepEqual(seeArp(sent.frame), {
      op: 2,
      senderMac: MAC.GATEWAY,
      sender: target,
      targetMac: MAC.POD_A,
      target: A4,
    });
  }
  t.is(engine.counter(LaneCounter.ANSWERED), 3);
});

test('arp: a tagged question gets a tagged answer', (t) => {
  const engine = openEngine();
  const sent = engine.send(IF.POD_A, arp({ sender: A4, target: '169.254.1.1', vlan: 7 }));
  t.like(sent.seen, { vlan: 7, etherType: 0x0806 });
  t.is(seeArp(sent.frame).sender, '169.254.1.1');
});

test('arp: probes, announcements and questions for the pod itself are not answered', (t) => {
  const engine = openEngine();
  const asked = [
    arp({ sender: '0.0.0.0', target: A4 }),
    arp({ sender: '0.0.0.0', target: OUTSIDE4 }),
    arp({ sender: A4, target: A4 }),
    arp({ sender: '169.254.1.1', target: A4 }),
    arp({ op: 2, sender: A4, target: '169.254.1.1' }),
  ];
  for (const frame of asked) t.is(engine.send(IF.POD_A, frame).drop, Drop.ARP_NOT_FOR_US);
  t.is(engine.counter(LaneCounter.ANSWERED), 0);
});

test('arp: the host and the uplink are not answered', (t) => {
  const engine = openEngine();
  const frame = arp({ sender: OUTSIDE4, target: A4 });
  t.is(engine.send(IF.TRUNK, frame).drop, Drop.ARP_NOT_FOR_US);
  t.is(engine.send(IF.UPLINK, frame).drop, Drop.ARP_NOT_FOR_US);
});

test('arp: a question cut off, or of another kind of network, is dropped by name', (t) => {
  const engine = openEngine();
  const frame = arp({ sender: A4, target: B4 });
  t.is(engine.send(IF.POD_A, frame.slice(0, 41)).drop, Drop.SHORT_ARP);
  frame[15] = 6; // ar$hrd: IEEE 802 networks, not Ethernet
  t.is(engine.send(IF.POD_A, frame).drop, Drop.BAD_ARP);
});

for (const bare of [false, true]) {
  test(`ndp: a solicitation ${bare ? 'without' : 'with'} a link-layer address is answered`, (t) => {
    const engine = openEngine();
    for (const [src, target] of [
      [A6, 'fe80::1'],
      ['fe80::a', B6],
    ] as const) {
      const sent = engine.send(IF.POD_A, solicit({ src, target, bare }));
      t.is(sent.verdict, Verdict.TX);
      t.is(sent.outIfindex, IF.POD_A);
      t.is(sent.frame.length, 86);
      t.like(sent.seen, { src: target, dst: src, ttl: 255, type: NA, isSound: true });
      t.like(sent.seen, { dstMac: MAC.POD_A, srcMac: MAC.GATEWAY });
      const message = sent.frame.subarray(54);
      // Router, solicited, override (RFC 4861 4.4); target link-layer address (4.6.1).
      t.is(hexOf(message.subarray(4, 8)), 'e0000000');
      t.is(hexOf(message.subarray(8, 24)), hexOf(wireAddress(target)));
      t.is(hexOf(message.subarray(24)), `0201${MAC.GATEWAY.replaceAll(':', '')}`);
    }
    t.is(engine.counter(LaneCounter.ANSWERED), 2);
  });
}

test('ndp: an answer to a solicitation behind extension headers is a plain advertisement', (t) => {
  const engine = openEngine();
  const plain = solicit({ src: A6, target: 'fe80::1' });
  // Destination options of eight bytes between the header and the message.
  const extension = [58, 0, 1, 4, 0, 0, 0, 0];
  const frame = Uint8Array.from([...plain.subarray(0, 54), ...extension, ...plain.subarray(54)]);
  frame[14 + 5] = 32 + 8;
  frame[14 + 6] = 60;
  const sent = engine.send(IF.POD_A, frame);
  t.is(sent.frame.length, 86);
  t.like(sent.seen, { proto: 58, type: NA, src: 'fe80::1', dst: A6, isSound: true });
});

test("ndp: duplicate address detection and the pod's own address are not answered", (t) => {
  const engine = openEngine();
  for (const spec of [
    { src: '::', target: A6, bare: true },
    { src: '::', target: 'fe80::a', bare: true },
    { src: 'fe80::a', target: A6 },
  ]) {
    t.is(engine.send(IF.POD_A, solicit(spec)).drop, Drop.ND_NOT_FOR_US);
  }
});

test('ndp: a solicitation that has crossed a router is not believed (RFC 4861 7.1.1)', (t) => {
  const engine = openEngine();
  const frame = solicit({ src: A6, target: 'fe80::1', hopLimit: 254 });
  t.is(engine.send(IF.POD_A, frame).drop, Drop.ND_NOT_FOR_US);
});

test('ndp: the link business of pods, the host and the uplink goes no further', (t) => {
  const engine = openEngine();
  // MLD report, router solicitation, advertisement, redirect, MLDv2 report.
  for (const type of [131, 133, 136, 137, 143]) {
    const frame = solicit({ src: 'fe80::a', target: A6, type });
    t.is(engine.send(IF.POD_A, frame).drop, Drop.ND_NOT_FOR_US, String(type));
  }
  const frame = solicit({ src: 'fe80::3', target: A6 });
  t.is(engine.send(IF.UPLINK, frame).drop, Drop.ND_NOT_FOR_US);
  t.is(engine.send(IF.TRUNK, frame).drop, Drop.ND_NOT_FOR_US);
});

test('ndp: a solicitation cut off is dropped by name', (t) => {
  const engine = openEngine();
  const frame = solicit({ src: A6, target: 'fe80::1', bare: true }).slice(0, 54 + 20);
  frame[14 + 5] = 20;
  t.is(engine.send(IF.POD_A, frame).drop, Drop.SHORT_ICMPV6);
});

test('arp, ndp: an answer is nothing but the question turned round', (t) => {
  const engine = openEngine();
  const sent = engine.send(IF.POD_A, solicit({ src: A6, target: 'fe80::1' }));
  t.true(see(sent.frame).isSound);
  t.is(engine.flows().length, 0);
});
