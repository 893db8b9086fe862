/**
 * Real traffic between two pods by rows alone: what a test run cannot show, because its packets
 * are whole, linear and fully checksummed.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import { Action } from '../../assembly/abi.js';
import { loadProgram } from '../../src/kernel/programs.js';
import { closeFd, linkCreate } from '../../src/native.js';
import { ip, type Namespace, namespace, python, rootTest, until, veth } from '../native/root.js';
import { addr4, type Proto, type Tuple } from './frames.js';
import { createMaps, openRig, type Rig } from './rig.js';

const BPF_TCX_INGRESS = 46;
const CLIENT = '10.244.1.2';
const SERVER = '10.244.1.3';
const VIP = '10.96.0.1';
const CLIENT_PORT = 40001;
const VIP_PORT = 80;
const SERVER_PORT = 8080;
const MTU = 1500n;
const TCP_BYTES = 4 << 20;

interface Pods {
  readonly client: Namespace;
  readonly server: Namespace;
  readonly rig: Rig;
  /** Indices of the rows there and back. */
  readonly rows: readonly [number, number];
}

function route(pod: Namespace, address: string, gatewayMac: Uint8Array): void {
  const mac = [...gatewayMac].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
  ip('-n', pod.name, 'addr', 'add', `${address}/32`, 'dev', 'eth0');
  ip('-n', pod.name, 'route', 'add', '169.254.1.1', 'dev', 'eth0');
  ip('-n', pod.name, 'route', 'add', 'default', 'via', '169.254.1.1', 'src', address);
  ip('-n', pod.name, 'neigh', 'add', '169.254.1.1', 'lladdr', mac, 'dev', 'eth0');
}

/** Two pods on a node that knows no route: only rows take a packet from one to the other. */
function pods(t: ExecutionContext, proto: Proto): Pods {
  const [node, client, server] = [namespace(t), namespace(t), namespace(t)];
  const [toClient] = veth(
    { netns: node, ifname: 'slcA', macByte: 1 },
    { netns: client, ifname: 'eth0', macByte: 2 },
  );
  const [toServer] = veth(
    { netns: node, ifname: 'slcB', macByte: 3 },
    { netns: server, ifname: 'eth0', macByte: 4 },
  );
  route(client, CLIENT, toClient.mac);
  route(server, SERVER, toServer.mac);
  const maps = createMaps();
  const rig = openRig(maps);
  // A silent lane: the rows are executed from the first SYN to the last FIN.
  rig.control({ alive: false });
  const program = loadProgram('pod_ingress', maps);
  const links = [toClient, toServer].map(({ ifindex }) =>
    linkCreate(program, ifindex, BPF_TCX_INGRESS, 0, node.fd),
  );
  t.teardown(() => {
    for (const fd of [...links, program]) closeFd(fd);
    rig.close();
  });
  const from: Tuple = {
    v6: false,
    proto,
    src: addr4(CLIENT),
    dst: addr4(VIP),
    sport: CLIENT_PORT,
    dport: VIP_PORT,
  };
  const to: Tuple = { ...from, dst: addr4(SERVER), dport: SERVER_PORT };
  const swap = ({ src, dst, sport, dport, ...rest }: Tuple): Tuple => ({
    ...rest,
    src: dst,
    dst: src,
    sport: dport,
    dport: sport,
  });
  const there = { from, to, inIfindex: toClient.ifindex, outIfindex: toServer.ifindex };
  const back = {
    from: swap(to),
    to: swap(from),
    inIfindex: toServer.ifindex,
    outIfindex: toClient.ifindex,
  };
  const action = Action.POD;
  const rows = [rig.putRow({ ...there, action }), rig.putRow({ ...back, action })] as const;
  return { client, server, rig, rows };
}

/** Wait until a socket of the server listens. */
async function listening(server: Namespace, flag: 't' | 'u'): Promise<void> {
  const args = ['netns', 'exec', server.name, 'ss', '-Hln', `-${flag}`];
  await until(() => execFileSync('ip', args, { encoding: 'utf8' }).includes(`:${SERVER_PORT}`));
}

const CONNECT = `import socket
s = socket.socket(socket.AF_INET, KIND)
s.settimeout(8)
s.bind(('${CLIENT}', ${CLIENT_PORT}))
s.connect(('${VIP}', ${VIP_PORT}))
`;

rootTest(
  'traffic: TCP through a virtual address keeps its bytes and its super-frames',
  async (t) => {
    const { client, server, rig, rows } = pods(t, 'tcp');
    const served = python(
      server,
      `import hashlib, socket
s = socket.create_server(('${SERVER}', ${SERVER_PORT}))
s.settimeout(8)
c, peer = s.accept()
h = hashlib.sha256()
while b := c.recv(1 << 20): h.update(b)
c.sendall(h.hexdigest().encode())
c.close()
print(peer[0], peer[1])`,
    );
    await listening(server, 't');
    const digest = await python(
      client,
      `${CONNECT.replace('KIND', 'socket.SOCK_STREAM')}
s.sendall(bytes(i * 7 % 251 for i in range(1 << 16)) * ${TCP_BYTES >> 16})
s.shutdown(socket.SHUT_WR)
print(s.recv(64).decode())`,
    );
    const chunk = Buffer.from(Array.from({ length: 1 << 16 }, (_, i) => (i * 7) % 251));
    const hash = createHash('sha256');
    for (let sent = 0; sent < TCP_BYTES; sent += chunk.length) hash.update(chunk);
    t.is(digest, hash.digest('hex'));
    t.is(await served, `${CLIENT} ${CLIENT_PORT}`);
    const [there, back] = rows.map((idx) => rig.tally(false, idx));
    const { packets = 0n, bytes = 0n } = there ?? {};
    t.true(bytes > BigInt(TCP_BYTES));
    t.true(bytes / packets > 2n * MTU, `${bytes} bytes in ${packets} packets`);
    t.true((back?.packets ?? 0n) > 0n);
  },
);

rootTest('traffic: UDP through a virtual address is answered from that address', async (t) => {
  const { client, server, rows, rig } = pods(t, 'udp');
  const served = python(
    server,
    `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(8)
s.bind(('${SERVER}', ${SERVER_PORT}))
b, peer = s.recvfrom(2048)
s.sendto(b[::-1], peer)`,
  );
  await listening(server, 'u');
  const answer = await python(
    client,
    `${CONNECT.replace('KIND', 'socket.SOCK_DGRAM')}
s.send(b'sluice')
print(s.recv(64).decode())`,
  );
  await served;
  t.is(answer, 'eciuls');
  t.deepEqual(
    rows.map((idx) => rig.tally(false, idx).packets),
    [1n, 1n],
  );
});
