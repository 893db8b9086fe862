/**
 * A node port whose backend is on another node, by XDP alone: with the next hop's MAC addresses in
 * its rows a packet turns round in the driver and never meets the stack.
 */
import { execFileSync } from 'node:child_process';
import { Action } from '../../assembly/abi.js';
import { loadProgram } from '../../src/kernel/programs.js';
import { closeFd, linkCreate } from '../../src/native.js';
import { ip, type Namespace, namespace, python, until, veth } from '../native/root.js';
import { needs } from '../support/skip.js';
import { addr4, type Tuple } from './frames.js';
import { createMaps, openRig } from './rig.js';

const BPF_XDP = 37;
const XDP_FLAGS_DRV_MODE = 4;
const NODE = '198.51.100.1';
const CLIENT = '198.51.100.2';
const BACKEND = '198.51.100.3';
const CLIENT_PORT = 40001;
const NODE_PORT = 30080;
const SNAT_PORT = 61000;
const TARGET_PORT = 8080;
const TCP_BYTES = 1 << 18;

const turnTest = needs({ root: true, tools: ['ip', 'python3', 'ethtool'] });

function tuple(src: string, sport: number, dst: string, dport: number): Tuple {
  return { v6: false, proto: 'tcp', src: addr4(src), dst: addr4(dst), sport, dport };
}

/** What a card would do of itself: whole checksums, and a receive queue that XDP can feed. */
function behaveLikeCard(ns: Namespace, ifname: string): void {
  const args = ['netns', 'exec', ns.name, 'ethtool', '-K', ifname, 'tx', 'off', 'gro', 'on'];
  execFileSync('ip', args, { stdio: 'ignore' });
}

turnTest('xdp: a node port with a remote backend is carried by its rows alone', async (t) => {
  const [node, peer] = [namespace(t), namespace(t)];
  const [up, far] = veth(
    { netns: node, ifname: 'up0', macByte: 3 },
    { netns: peer, ifname: 'up0', macByte: 4 },
  );
  for (const address of [CLIENT, BACKEND]) {
    ip('-n', peer.name, 'addr', 'add', `${address}/24`, 'dev', 'up0');
  }
  behaveLikeCard(peer, 'up0');
  // The node has no address and answers no ARP: whatever arrives was sent by XDP.
  const mac = [...up.mac].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
  ip('-n', peer.name, 'neigh', 'add', NODE, 'lladdr', mac, 'dev', 'up0');
  const maps = createMaps();
  const rig = openRig(maps);
  // A silent lane: the rows are executed from the first SYN to the last FIN.
  rig.control({ alive: false });
  const macs = Buffer.concat([far.mac, up.mac]);
  const both = { action: Action.UPLINK, outIfindex: up.ifindex, macs };
  const rows = [
    rig.putRow({
      ...both,
      from: tuple(CLIENT, CLIENT_PORT, NODE, NODE_PORT),
      to: tuple(NODE, SNAT_PORT, BACKEND, TARGET_PORT),
      inIfindex: up.ifindex,
    }),
    rig.putRow({
      ...both,
      from: tuple(BACKEND, TARGET_PORT, NODE, SNAT_PORT),
      to: tuple(NODE, NODE_PORT, CLIENT, CLIENT_PORT),
      inIfindex: 0,
    }),
  ];
  const program = loadProgram('uplink_xdp', maps);
  const link = linkCreate(program, up.ifindex, BPF_XDP, XDP_FLAGS_DRV_MODE, node.fd);
  t.teardown(() => {
    for (const fd of [link, program]) closeFd(fd);
    rig.close();
  });
  const served = python(
    peer,
    `import socket
s = socket.create_server(('${BACKEND}', ${TARGET_PORT}))
s.settimeout(8)
c, who = s.accept()
n = 0
while b := c.recv(1 << 20): n += len(b)
c.sendall(str(n).encode())
c.close()
print(who[0], who[1])`,
  );
  const listen = ['netns', 'exec', peer.name, 'ss', '-Hlnt'];
  await until(() => execFileSync('ip', listen, { encoding: 'utf8' }).includes(`:${TARGET_PORT}`));
  const answer = await python(
    peer,
    `import socket
s = socket.create_connection(('${NODE}', ${NODE_PORT}), 8, ('${CLIENT}', ${CLIENT_PORT}))
s.sendall(bytes(${TCP_BYTES}))
s.shutdown(socket.SHUT_WR)
print(s.recv(64).decode())`,
  );
  t.is(answer, String(TCP_BYTES));
  t.is(await served, `${NODE} ${String(SNAT_PORT)}`, 'the backend sees the node');
  const [there, back] = rows.map((idx) => rig.tally(false, idx));
  t.true((there?.bytes ?? 0n) > BigInt(TCP_BYTES));
  t.true((back?.packets ?? 0n) > 0n);
});
