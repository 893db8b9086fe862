import test from 'ava';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ask, forwardTo, query } from './rig.js';

/** An upstream on a thread of its own, so that it replies while this one is busy. */
const UPSTREAM = `
const { parentPort } = require('node:worker_threads');
const { createServer } = require('node:net');
const socket = require('node:dgram').createSocket('udp4');
const reply = (bytes) => { const copy = Buffer.from(bytes); copy[2] |= 0x80; return copy; };
socket.on('message', (bytes, from) => socket.send(reply(bytes), from.port, from.address));
const server = createServer((stream) => stream.on('data', (bytes) => {
  bytes[4] |= 0x80;
  stream.write(bytes);
}));
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  socket.bind(port, '127.0.0.1', () => parentPort.postMessage(port));
});
`;

for (const transport of ['udp', 'tcp'] as const) {
  test.serial(
    `forward: a reply over ${transport} that came while the thread was busy is in time`,
    async (t) => {
      const worker = new Worker(UPSTREAM, { eval: true });
      t.teardown(() => worker.terminate());
      const [port] = (await once(worker, 'message')) as [number];
      const spec = { transport: 'dns', address: '127.0.0.1', port } as const;
      const forward = forwardTo(t, [{ spec }], { times: { readMs: 1_000 }, maxConnectAttempts: 1 });
      await ask(forward, query('warm.example.org'), transport);
      const pending = ask(forward, query(), transport);
      // The query leaves in the next turns of the loop; then nothing is read for longer than a reply may take.
      await new Promise((turn) => setImmediate(() => setImmediate(turn)));
      const busyUntil = performance.now() + 1_500;
      while (performance.now() < busyUntil);
      t.like(await pending, { rcode: 0, upstream: `127.0.0.1:${port}` });
    },
  );
}
