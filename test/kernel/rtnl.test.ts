import test from 'ava';
import * as oracle from 'netlink';
import { addAddress } from '../../src/kernel/address.js';
import { createVeth, listLinks } from '../../src/kernel/link.js';
import { replaceNeighbour } from '../../src/kernel/neighbour.js';
import { encodeRequest } from '../../src/kernel/netlink.js';
import { netnsAt } from '../../src/kernel/netns.js';
import { replaceRoute } from '../../src/kernel/route.js';
import { type Rtnl, type RtnlQuestion, answerOf, openRtnl } from '../../src/kernel/rtnl.js';
import { labTest } from '../support/netns.js';

const MAC_A = '0a:00:00:00:00:0a';
const MAC_B = '0a:00:00:00:00:0b';

/** What a verb would send, and what npm netlink makes of it. */
function asked(verb: (rtnl: Rtnl) => void): {
  question: RtnlQuestion;
  message: oracle.NetlinkMessage;
} {
  const questions: RtnlQuestion[] = [];
  const record = (question: RtnlQuestion): [] => {
    questions.push(question);
    return [];
  };
  const unused = { batch: () => undefined, later: () => Promise.resolve() };
  verb({ request: record, dump: record, ...unused, close: () => undefined });
  const [question] = questions;
  if (question === undefined) throw new Error('the verb asked nothing');
  const bytes = encodeRequest({ ...question, flags: question.flags ?? 0, seq: 1 });
  const [message] = oracle.parseMessages(Buffer.from(bytes));
  if (message === undefined) throw new Error('npm netlink saw no message');
  return { question, message };
}

test('rtnl: npm netlink reads a veth request as it was meant', (t) => {
  const { message } = asked((rtnl) =>
    createVeth(rtnl, {
      name: 'slc0',
      mac: MAC_A,
      mtu: 1450,
      queues: 2,
      peer: { name: 'slc1', mac: MAC_B, netnsFd: 33 },
    }),
  );
  const { attrs } = oracle.rt.parseLinkMessage(message.data);
  t.like(attrs, { ifname: 'slc0', mtu: 1450, numTxQueues: 2, numRxQueues: 2 });
  t.is(attrs.address?.toString('hex'), MAC_A.replaceAll(':', ''));
  const info = new Map<number, Buffer>();
  oracle.parseAttributes(attrs.linkinfo ?? Buffer.alloc(0), ({ type, data }) =>
    info.set(type, data),
  );
  t.is(info.get(1)?.toString('latin1'), 'veth\0');
  // IFLA_INFO_DATA holds VETH_INFO_PEER, which is a whole link message again.
  const peer = oracle.rt.parseLinkMessage((info.get(2) ?? Buffer.alloc(4)).subarray(4));
  t.like(peer.attrs, { ifname: 'slc1', mtu: 1450, netNsFd: 33 });
});

test('rtnl: npm netlink reads a route request as it was meant', (t) => {
  const { message } = asked((rtnl) =>
    replaceRoute(rtnl, {
      dst: '10.96.0.0/12',
      ifindex: 7,
      via: '192.0.2.9',
      src: '192.0.2.1',
      onlink: true,
      metric: 5,
      table: 1000,
    }),
  );
  const { data, attrs } = oracle.rt.parseRouteMessage(message.data);
  t.like(data, { family: 2, dstLen: 12, protocol: 83, type: 'UNICAST', scope: 'UNIVERSE' });
  const RTNH_F_ONLINK = 4;
  t.is(message.data.readUInt32LE(8), RTNH_F_ONLINK);
  t.like(attrs, { oif: 7, priority: 5, table: 1000 });
  t.deepEqual([...(attrs.dst ?? [])], [10, 96, 0, 0]);
  t.deepEqual([...(attrs.gateway ?? [])], [192, 0, 2, 9]);
  t.deepEqual([...(attrs.prefsrc ?? [])], [192, 0, 2, 1]);
});

test('rtnl: npm netlink reads address and neighbour requests as they were meant', (t) => {
  const v6 = asked((rtnl) => addAddress(rtnl, 7, 'fe80::1/64')).message;
  const address = oracle.rt.parseAddressMessage(v6.data);
  t.like(address.data, { family: 10, prefixlen: 64, index: 7 });
  t.is(address.attrs.flags?.nodad, true);
  t.is(address.attrs.local?.toString('hex'), `fe80${'00'.repeat(13)}01`);
  const spec = { ifindex: 7, address: '169.254.1.1', mac: MAC_A };
  const entry = oracle.rt.parseNeighborMessage(
    asked((rtnl) => replaceNeighbour(rtnl, spec)).message.data,
  );
  t.is(entry.data.ifindex, 7);
  t.deepEqual([...(entry.attrs.dst ?? [])], [169, 254, 1, 1]);
  t.is(entry.attrs.lladdr?.toString('hex'), MAC_A.replaceAll(':', ''));
});

test('rtnl: an interrupted dump is told from a whole one, whichever message says so', (t) => {
  const empty = new Uint8Array(4);
  const link = { type: 16, flags: 2, seq: 5, payload: empty };
  const done = { type: 3, flags: 2, seq: 5, payload: empty };
  const other = { type: 16, flags: 2, seq: 4, payload: empty };
  t.deepEqual(answerOf([other, link, done], 5, ''), { messages: [link], interrupted: false });
  t.true(answerOf([{ ...link, flags: 0x12 }, done], 5, '').interrupted);
  t.true(answerOf([link, { ...done, flags: 0x12 }], 5, '').interrupted);
});

labTest(
  'rtnl: a socket stays in its namespace and says so when that has no such link',
  (t, lab) => {
    const net = netnsAt(lab.namespace('empty').path);
    t.deepEqual(
      listLinks(net.rtnl)
        .filter(({ up }) => up)
        .map(({ name }) => name),
      ['lo'],
    );
    const own = openRtnl(-1);
    t.true(listLinks(own).length >= 1);
    own.close();
    net.close();
    t.throws(() => netnsAt('/var/run/netns/there-is-none'), {
      code: 'ENOENT',
      message: /there-is-none/,
    });
    t.throws(() => netnsAt('/etc/hostname'), {
      code: 'EINVAL',
      message: /not a network namespace/,
    });
  },
);
