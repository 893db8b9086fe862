/**
 * Connections of the host's own processes by rows alone: over the loopback, the trunk and back,
 * as the kernel carries them, super-frames and unfinished checksums included.
 */
import { execFileSync } from 'node:child_process';
import type { ExecutionContext } from 'ava';
import { Action } from '../../assembly/abi.js';
import { netnsAt } from '../../src/kernel/netns.js';
import { type ProgramName, loadProgram } from '../../src/kernel/programs.js';
import { type Trunk, ensureTrunk, setServiceRoutes } from '../../src/kernel/trunk.js';
import { HOST_ALIASES } from '../../src/model/own-addresses.js';
import { closeFd, linkCreate } from '../../src/native.js';
import { type Interface, ip, type Namespace } from '../native/root.js';
import { namespace, python, rootTest, until, veth } from '../native/root.js';
import { addr4, addr6, type Tuple } from './frames.js';
import { createMaps, openRig, type Rig } from './rig.js';

const BPF_TCX_INGRESS = 46;
const BPF_TCX_EGRESS = 47;
const LOOPBACK = 1;
const NODE = '192.0.2.1';
const NODE6 = '2001:db8:0:0:0:0:0:1';
const POD = '10.244.1.3';
const POD6 = 'fd00:244:0:0:0:0:0:3';
const PEER = '198.51.100.2';
const PORT = 40001;
const NODE_PORT = 30080;
const TARGET_PORT = 8080;
const TCP_BYTES = 4 << 20;
const [ALIAS = ''] = HOST_ALIASES;

interface Node {
  readonly ns: Namespace;
  readonly pod: Namespace;
  readonly peer: Namespace;
  readonly trunk: Trunk;
  readonly toPod: Interface;
  readonly podEnd: Interface;
  readonly up: Interface;
  readonly rig: Rig;
}

function hex(mac: Uint8Array): string {
  return Buffer.from(mac)
    .toString('hex')
    .replaceAll(/..(?=.)/g, '$&:');
}

function enableIpv6(ns: Namespace, ifname: string): void {
  const key = `net.ipv6.conf.${ifname}.disable_ipv6=0`;
  execFileSync('ip', ['netns', 'exec', ns.name, 'sysctl', '-qw', key]);
}

/** Addresses and routes as an agent would leave them. */
function configure(ns: Namespace, pod: Namespace, peer: Namespace, toPod: Interface): void {
  ip('-n', ns.name, 'link', 'set', 'lo', 'up');
  ip('-n', ns.name, 'addr', 'add', `${NODE}/32`, 'dev', 'lo');
  ip('-n', ns.name, '-6', 'addr', 'add', `${NODE6}/128`, 'dev', 'lo', 'nodad');
  ip('-n', ns.name, 'addr', 'add', '198.51.100.1/24', 'dev', 'up0');
  ip('-n', peer.name, 'addr', 'add', `${PEER}/24`, 'dev', 'up0');
  ip('-n', peer.name, 'route', 'add', NODE, 'via', '198.51.100.1');
  for (const [family, address, gateway] of [
    ['-4', `${POD}/32`, '169.254.1.1'],
    ['-6', `${POD6}/128`, 'fe80::1'],
  ] as const) {
    if (family === '-6') enableIpv6(pod, 'eth0');
    // Usable at once: nobody else has it.
    const flags = family === '-6' ? ['nodad'] : [];
    ip('-n', pod.name, family, 'addr', 'add', address, 'dev', 'eth0', ...flags);
    if (family === '-4') ip('-n', pod.name, 'route', 'add', gateway, 'dev', 'eth0');
    const neigh = ['neigh', 'add', gateway, 'lladdr', hex(toPod.mac), 'dev', 'eth0'];
    ip('-n', pod.name, family, ...neigh);
    ip('-n', pod.name, family, 'route', 'add', 'default', 'via', gateway, 'dev', 'eth0');
  }
}

function node(t: ExecutionContext): Node {
  const [ns, pod, peer] = [namespace(t), namespace(t), namespace(t)];
  const [toPod, podEnd] = veth(
    { netns: ns, ifname: 'slcA', macByte: 1 },
    { netns: pod, ifname: 'eth0', macByte: 2 },
  );
  const [up] = veth(
    { netns: ns, ifname: 'up0', macByte: 3 },
    { netns: peer, ifname: 'up0', macByte: 4 },
  );
  configure(ns, pod, peer, toPod);
  const net = netnsAt(`/var/run/netns/${ns.name}`);
  const trunk = ensureTrunk(net, { kind: 'xdp', mtu: 1500 });
  setServiceRoutes(net, trunk, { cidrs: [], sources: [NODE], mtu: 1500 });
  net.close();
  const maps = createMaps();
  const rig = openRig(maps);
  // A silent lane: the rows are executed from the first SYN to the last FIN.
  rig.control({ alive: false, trunk: trunk.host.ifindex });
  const fds: number[] = [];
  const attach = (name: ProgramName, ifindex: number, hook: number): void => {
    const program = loadProgram(name, maps);
    fds.push(program, linkCreate(program, ifindex, hook, 0, ns.fd));
  };
  attach('trunk_ingress', trunk.host.ifindex, BPF_TCX_INGRESS);
  attach('trunk_egress', trunk.host.ifindex, BPF_TCX_EGRESS);
  attach('pod_ingress', toPod.ifindex, BPF_TCX_INGRESS);
  attach('uplink_ingress', up.ifindex, BPF_TCX_INGRESS);
  for (const ifindex of [LOOPBACK, toPod.ifindex, up.ifindex]) {
    attach('host_egress', ifindex, BPF_TCX_EGRESS);
  }
  t.teardown(() => {
    for (const fd of fds) closeFd(fd);
    rig.close();
  });
  return { ns, pod, peer, trunk, toPod, podEnd, up, rig };
}

function tcp(src: string, sport: number, dst: string, dport: number): Tuple {
  const v6 = src.includes(':');
  const bytes = v6 ? addr6 : addr4;
  return { v6, proto: 'tcp', src: bytes(src), dst: bytes(dst), sport, dport };
}

/** Receive all, answer with how much it was. */
function serve(ns: Namespace, address: string): Promise<string> {
  const source = `import socket
f = socket.AF_INET6 if ':' in '${address}' else socket.AF_INET
s = socket.create_server(('${address}', ${TARGET_PORT}), family=f)
s.settimeout(8)
c, peer = s.accept()
n = 0
while b := c.recv(1 << 20): n += len(b)
c.sendall(str(n).encode())
c.close()
print(peer[0], peer[1])`;
  return python(ns, source);
}

async function listening(ns: Namespace): Promise<void> {
  const args = ['netns', 'exec', ns.name, 'ss', '-Hlnt'];
  await until(() => execFileSync('ip', args, { encoding: 'utf8' }).includes(`:${TARGET_PORT}`));
}

/** Send TCP_BYTES from `from` to a port. @returns what the far end says it has received */
function ask(ns: Namespace, from: string, to: string, port: number): Promise<string> {
  const source = `import socket
s = socket.socket(socket.AF_INET6 if ':' in '${to}' else socket.AF_INET)
s.settimeout(8)
s.bind(('${from}', ${PORT}))
s.connect(('${to}', ${port}))
s.sendall(bytes(${TCP_BYTES}))
s.shutdown(socket.SHUT_WR)
print(s.recv(64).decode())`;
  return python(ns, source);
}

for (const [what, asked, seen, backend] of [
  ['127.0.0.1', '127.0.0.1', NODE, POD],
  ['its own address', NODE, NODE, POD],
  ['its own IPv6 address', NODE6, NODE6, POD6],
] as const) {
  rootTest(`host: a node port at ${what} is a pod's, over the loopback`, async (t) => {
    const { ns, pod, trunk, toPod, podEnd, rig } = node(t);
    const there = rig.putRow({
      from: tcp(asked, PORT, asked, NODE_PORT),
      to: tcp(seen, PORT, backend, TARGET_PORT),
      action: Action.POD,
      inIfindex: trunk.host.ifindex,
      outIfindex: toPod.ifindex,
      macs: Buffer.concat([podEnd.mac, toPod.mac]),
    });
    rig.putRow({
      from: tcp(backend, TARGET_PORT, seen, PORT),
      to: tcp(asked, NODE_PORT, asked, PORT),
      action: Action.HOST,
      byTrunk: true,
      inIfindex: toPod.ifindex,
    });
    const served = serve(pod, backend);
    await listening(pod);
    t.is(await ask(ns, asked, asked, NODE_PORT), String(TCP_BYTES));
    const [peer] = (await served).split(' ');
    t.is(peer, seen.replace(/(:0)+:/, '::'));
    const { packets, bytes } = rig.tally(asked.includes(':'), there);
    t.true(bytes > BigInt(TCP_BYTES));
    t.true(bytes / packets > 3000n, `${bytes} bytes in ${packets} packets: super-frames`);
  });
}

rootTest('host: a service whose backend is the host itself answers it by the alias', async (t) => {
  const { ns, trunk, rig } = node(t);
  const inIfindex = trunk.host.ifindex;
  rig.putRow({
    from: tcp(NODE, PORT, NODE, NODE_PORT),
    to: tcp(ALIAS, PORT, NODE, TARGET_PORT),
    action: Action.HOST,
    inIfindex,
  });
  rig.putRow({
    from: tcp(NODE, TARGET_PORT, ALIAS, PORT),
    to: tcp(NODE, NODE_PORT, NODE, PORT),
    action: Action.HOST,
    byTrunk: true,
    inIfindex,
  });
  const served = serve(ns, NODE);
  await listening(ns);
  t.is(await ask(ns, NODE, NODE, NODE_PORT), String(TCP_BYTES));
  t.is(await served, `${ALIAS} ${String(PORT)}`);
});

for (const [what, port] of [
  ['another port', NODE_PORT],
  ['the same port, its rows changing nothing', TARGET_PORT],
] as const) {
  rootTest(`host: a process of the host is the backend of ${what}`, async (t) => {
    const { ns, peer, trunk, up, rig } = node(t);
    rig.putRow({
      from: tcp(PEER, PORT, NODE, port),
      to: tcp(PEER, PORT, NODE, TARGET_PORT),
      action: Action.HOST,
      inIfindex: up.ifindex,
    });
    const back = rig.putRow({
      from: tcp(NODE, TARGET_PORT, PEER, PORT),
      to: tcp(NODE, port, PEER, PORT),
      action: Action.UPLINK,
      inIfindex: trunk.host.ifindex,
      outIfindex: up.ifindex,
    });
    const served = serve(ns, NODE);
    await listening(ns);
    t.is(await ask(peer, PEER, NODE, port), String(TCP_BYTES));
    t.is(await served, `${PEER} ${String(PORT)}`);
    t.true(rig.tally(false, back).packets > 0n, 'its answers took the trunk, once each');
  });
}
