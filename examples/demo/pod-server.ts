/**
 * What runs in the serving pods: `node pod-server.js NAME HTTP_PORT DNS_PORT`.
 *
 * HTTP: `/who` says which pod answered and whom it saw, `/download?bytes=N` sends a payload.
 * DNS over UDP: every question is answered by a TXT record with the pod's name; one about `saw.`
 * with whom it saw, too.
 */
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import dnsPacket from 'dns-packet';
import { payload } from './payload.js';

/** Both families at once. */
const ANY = '::';

/** An IPv4 address as such, and not as sockets of both families have it. */
function plain(address: string): string {
  return address.replace('::ffff:', '');
}

function answerHttp(name: string, url: URL, from: string, response: ServerResponse): void {
  response.setHeader('connection', 'close');
  if (url.pathname !== '/download') {
    response.end(`${name} saw ${from}\n`);
    return;
  }
  const bytes = Number(url.searchParams.get('bytes') ?? 0);
  response.setHeader('content-length', bytes);
  Readable.from(payload(bytes)).pipe(response);
}

function listenHttp(name: string, port: number, ready: () => void): void {
  const server = createServer((request, response) => {
    const from = request.socket.remoteAddress ?? '';
    answerHttp(name, new URL(request.url ?? '/', 'http://pod'), plain(from), response);
  });
  server.listen(port, ANY, ready);
}

/** The answer to a query; undefined for what is no query. */
function answerDns(name: string, message: Buffer, from: string): Buffer | undefined {
  try {
    const { id, questions = [] } = dnsPacket.decode(message);
    const answers = questions.map((question) => ({
      type: 'TXT' as const,
      name: question.name,
      ttl: 0,
      data: question.name.startsWith('saw.') ? `${name} saw ${from}` : name,
    }));
    const flags = dnsPacket.AUTHORITATIVE_ANSWER;
    return dnsPacket.encode({ type: 'response', id: id ?? 0, flags, questions, answers });
  } catch (error) {
    process.stderr.write(`${String(error)}\n`);
    return undefined;
  }
}

function listenDns(name: string, port: number, ready: () => void): Socket {
  const socket = createSocket('udp6');
  socket.on('message', (message, peer) => {
    const answer = answerDns(name, message, plain(peer.address));
    if (answer !== undefined) socket.send(answer, peer.port, peer.address);
  });
  return socket.bind(port, ANY, ready);
}

const [name = 'pod', httpPort, dnsPort] = process.argv.slice(2);
listenHttp(name, Number(httpPort), () => {
  listenDns(name, Number(dnsPort), () => {
    process.stdout.write('ready\n');
  });
});
