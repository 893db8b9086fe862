/** ARP and neighbour discovery: whatever a pod asks for is at the gateway. */
import { A4, A6, B4, IF, MAC } from '../../support/engine.js';
import { arp, packet, seeArp, solicit } from '../../support/frames.js';
import { expectSame, frameRig } from '../frames.js';
import type { Topic } from '../frames.js';

export const neighbours: Topic = {
  name: 'neighbours',
  record: () => {
    const rig = frameRig('');
    for (const target of ['169.254.1.1', B4, '8.8.8.8']) {
      rig.add(`arp-${target}`, `${target} is at ${MAC.GATEWAY} (proxy ARP, RFC 1027)`, () => {
        const { frame } = rig.send(IF.POD_A, arp({ sender: A4, target }), { out: IF.POD_A });
        expectSame('the reply', seeArp(frame), {
          ...{ op: 2, senderMac: MAC.GATEWAY, sender: target },
          ...{ targetMac: MAC.POD_A, target: A4 },
        });
      });
    }
    rig.add('arp-vlan', 'in a VLAN the reply is in the same one', () => {
      const asked = arp({ sender: A4, target: '169.254.1.1', vlan: 5 });
      rig.send(IF.POD_A, asked, { out: IF.POD_A, seen: { vlan: 5, dstMac: MAC.POD_A } });
    });
    rig.add('arp-probe', 'an address probe is not answered (RFC 5227 2.1.1)', () => {
      rig.send(IF.POD_A, arp({ sender: '0.0.0.0', target: A4 }), { drop: 'ARP_NOT_FOR_US' });
    });
    rig.add('arp-reply', 'nor is a reply', () => {
      const reply = arp({ sender: A4, target: '169.254.1.1', op: 2 });
      rig.send(IF.POD_A, reply, { drop: 'ARP_NOT_FOR_US' });
    });
    rig.add('nd-gateway', 'a neighbour solicitation is answered by an advertisement', () => {
      rig.send(IF.POD_A, solicit({ src: A6, target: 'fe80::1' }), {
        ...{ out: IF.POD_A },
        seen: { src: 'fe80::1', dst: A6, ttl: 255, type: 136, srcMac: MAC.GATEWAY, isSound: true },
      });
    });
    rig.add('nd-dad', 'duplicate address detection is not answered (RFC 4862 5.4.3)', () => {
      rig.send(IF.POD_A, solicit({ src: '::', target: A6, bare: true }), { drop: 'ND_NOT_FOR_US' });
    });
    rig.add('nd-hop-limit', 'nor is a solicitation that was forwarded (RFC 4861 7.1.1)', () => {
      const far = solicit({ src: A6, target: 'fe80::1', hopLimit: 64 });
      rig.send(IF.POD_A, far, { drop: 'ND_NOT_FOR_US' });
    });
    for (const [name, src, dst] of [
      ['ping-4', A4, B4],
      ['ping-6', A6, 'fd00:10:244:1::3'],
    ] as const) {
      rig.add(name, 'an echo between pods is routed, and its reply', () => {
        const echo = { proto: 'icmp', id: 9, payload: 'abcdefgh' } as const;
        rig.send(IF.POD_A, packet({ ...echo, src, dst }), {
          ...{ action: 'POD', out: IF.POD_B },
          seen: { src, dst, ttl: 63, id: 9, isSound: true },
        });
        rig.send(IF.POD_B, packet({ ...echo, src: dst, dst: src, isReply: true }), {
          ...{ action: 'POD', out: IF.POD_A },
          seen: { src: dst, dst: src, ttl: 63, isSound: true },
        });
      });
    }
    return rig.rec.file('neighbours', 'processFrame: ARP, neighbour discovery and echoes of pods');
  },
};
