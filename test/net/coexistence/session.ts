/** The same as a person would see it: sessions of ordinary programs with the node itself. */
import type { Namespace } from '../../support/netns.js';
import { NODE } from './script.js';

const UDP_PORT = 5300;
const SSH = 22;

/** A daemon that says its version first and then gives back what it gets; and one for datagrams. */
const SERVER = `import socket, threading
def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('${NODE.ipv4}', ${UDP_PORT}))
    print('udp ready', flush=True)
    while True:
        b, who = s.recvfrom(65536)
        s.sendto(b[::-1], who)
threading.Thread(target=udp, daemon=True).start()
s = socket.create_server(('::', ${SSH}), family=socket.AF_INET6, dualstack_ipv6=True)
print('tcp ready', flush=True)
while True:
    c, _ = s.accept()
    c.sendall(b'SSH-2.0-OpenSSH_9.6\\r\\n')
    while b := c.recv(65536): c.sendall(b)
    c.close()`;

/** Datagrams of one packet and of three, a megabyte each way by either family. */
const CLIENT = `import hashlib, socket, threading
for size in (10, 1400, 4000):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    s.connect(('${NODE.ipv4}', ${UDP_PORT}))
    s.send(bytes(i % 251 for i in range(size)))
    print('udp', size, hashlib.sha256(s.recv(65536)).hexdigest())
for address in ('${NODE.ipv4}', '${NODE.ipv6}'):
    s = socket.create_connection((address, ${SSH}), 5)
    print('tcp', address, s.recv(64).decode().strip())
    sent = bytes(i * 7 % 251 for i in range(1 << 20))
    def send():
        s.sendall(sent)
        s.shutdown(socket.SHUT_WR)
    sender = threading.Thread(target=send)
    sender.start()
    digest = hashlib.sha256()
    while b := s.recv(1 << 16): digest.update(b)
    sender.join()
    print('tcp', address, digest.hexdigest())`;

/** @returns what the programs said, the same for the same bytes */
export async function holdSessions(node: Namespace, peer: Namespace): Promise<string> {
  const server = node.start(['python3', '-c', SERVER]);
  try {
    await server.waitFor(/udp ready/);
    await server.waitFor(/tcp ready/);
    const client = await peer.runAsync(['python3', '-c', CLIENT], { timeoutMs: 30_000 });
    const ping = await peer.runAsync(['ping', '-qc', '3', '-i', '0.01', '-s', '2000', NODE.ipv4]);
    const [counts = ''] = /\d+ packets transmitted, \d+ received/.exec(ping.stdout) ?? [];
    return `${client.stdout}${client.stderr}${counts}`;
  } finally {
    await server.stop();
  }
}

/** What the peer gets from a frontend; what went wrong when it gets nothing. */
export async function askFrontend(
  peer: Namespace,
  [address, port]: readonly [string, number],
): Promise<string> {
  const source = `import socket
print(socket.create_connection(('${address}', ${port}), 1).recv(64).decode())`;
  const { stdout, stderr } = await peer.runAsync(['python3', '-c', source]);
  return (stdout || stderr).trim();
}
