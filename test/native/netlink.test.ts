import { execFileSync } from 'node:child_process';

import * as native from '../../src/native.js';
import { ip, namespace, ownNetns, rootTest, veth } from './root.js';

// linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/ethtool.h
const NETLINK_ROUTE = 0;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const NLM_F_REQUEST = 1;
const NLM_F_DUMP = 0x300;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const ETHTOOL_GTXCSUM = 0x16;
const ETHTOOL_STXCSUM = 0x17;

interface Link {
  readonly ifindex: number;
  readonly ifname: string;
  readonly mtu: number;
}

/** nlmsghdr and ifinfomsg: "which links?" or "this link?" */
function getLink(flags: number, seq: number, ifindex = 0): Uint8Array {
  const words = new DataView(new ArrayBuffer(32));
  words.setUint32(0, 32, true);
  words.setUint16(4, RTM_GETLINK, true);
  words.setUint16(6, NLM_F_REQUEST | flags, true);
  words.setUint32(8, seq, true);
  words.setInt32(20, ifindex, true);
  return new Uint8Array(words.buffer);
}

function* messages(answer: Uint8Array): Generator<{ type: number; body: DataView }> {
  const words = new DataView(answer.buffer, answer.byteOffset, answer.length);
  for (let at = 0; at < answer.length;) {
    const len = words.getUint32(at, true);
    const body = new DataView(answer.buffer, answer.byteOffset + at + 16, len - 16);
    yield { type: words.getUint16(at + 4, true), body };
    at += (len + 3) & ~3;
  }
}

function parseLink(body: DataView): Link {
  let link = { ifindex: body.getInt32(4, true), ifname: '', mtu: 0 };
  for (let at = 16; at + 4 <= body.byteLength;) {
    const len = body.getUint16(at, true);
    const type = body.getUint16(at + 2, true);
    if (type === IFLA_MTU) link = { ...link, mtu: body.getUint32(at + 4, true) };
    if (type === IFLA_IFNAME) {
      const name = new Uint8Array(body.buffer, body.byteOffset + at + 4, len - 5);
      link = { ...link, ifname: new TextDecoder().decode(name) };
    }
    at += (len + 3) & ~3;
  }
  return link;
}

rootTest('netlink: a dump in many datagrams names the links that `ip -j link` names', (t) => {
  const netns = namespace(t);
  const pairs = Array.from(
    { length: 60 },
    (_, i) => `link add a${String(i)} type veth peer b${String(i)}`,
  );
  execFileSync('ip', ['-n', netns.name, '-batch', '-'], { input: pairs.join('\n') });
  const before = ownNetns();
  const fd = native.netlinkOpen(NETLINK_ROUTE, netns.fd);
  t.is(ownNetns(), before);
  const answer = native.netlinkRequest(fd, getLink(NLM_F_DUMP, 7));
  native.closeFd(fd);
  t.true(answer.length > 65536, 'more than one receive buffer');
  const parts = [...messages(answer)];
  t.is(parts.at(-1)?.type, NLMSG_DONE);
  const links = parts
    .filter((part) => part.type === RTM_NEWLINK)
    .map((part) => parseLink(part.body));
  const expected = JSON.parse(ip('-n', netns.name, '-j', 'link')) as Link[];
  t.is(links.length, 121);
  t.deepEqual(
    links,
    expected.map(({ ifindex, ifname, mtu }) => ({ ifindex, ifname, mtu })),
  );
});

rootTest('netlink: one answer without an acknowledgement is enough', (t) => {
  const netns = namespace(t);
  const fd = native.netlinkOpen(NETLINK_ROUTE, netns.fd);
  const [answer, ...rest] = messages(native.netlinkRequest(fd, getLink(0, 1, 1)));
  native.closeFd(fd);
  t.is(rest.length, 0);
  t.is(answer?.type, RTM_NEWLINK);
  t.is(answer && parseLink(answer.body).ifname, 'lo');
});

rootTest('netlink: a refusal is an answer, and the socket goes on working', (t) => {
  const netns = namespace(t);
  const fd = native.netlinkOpen(NETLINK_ROUTE, netns.fd);
  const [refusal] = messages(native.netlinkRequest(fd, getLink(0, 1, 9999)));
  t.is(refusal?.type, NLMSG_ERROR);
  t.is(refusal?.body.getInt32(0, true), -19, 'ENODEV');
  const [answer] = messages(native.netlinkRequest(fd, getLink(0, 2, 1)));
  t.is(answer?.type, RTM_NEWLINK);
  native.closeFd(fd);
});

rootTest('ethtool: tx checksumming goes off and on in another namespace', (t) => {
  const netns = namespace(t);
  veth({ netns, ifname: 'a0', macByte: 1 }, { netns, ifname: 'b0', macByte: 2 });
  t.is(native.driverName(netns.fd, 'a0'), 'veth');
  t.is(native.ethtoolGet(netns.fd, 'a0', ETHTOOL_GTXCSUM), 1);
  native.ethtoolSet(netns.fd, 'a0', ETHTOOL_STXCSUM, 0);
  t.is(native.ethtoolGet(netns.fd, 'a0', ETHTOOL_GTXCSUM), 0);
  t.is(native.ethtoolGet(netns.fd, 'b0', ETHTOOL_GTXCSUM), 1);
  t.like(
    t.throws(() => native.driverName(netns.fd, 'c0')),
    { code: 'ENODEV', syscall: 'ioctl(SIOCETHTOOL)' },
  );
  t.throws(() => native.driverName(netns.fd, 'x'.repeat(16)), { instanceOf: RangeError });
});
