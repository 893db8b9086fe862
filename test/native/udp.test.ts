import dgram from 'node:dgram';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { parseAddress } from '../../src/addr.js';
import * as native from '../../src/native.js';
import * as sockets from '../../src/native-sockets.js';

const SLOT = 2048;
const SLOTS = 64;
const DESCRIPTORS = SLOT * SLOTS;

/** A server that sends every datagram back in upper case, but those that begin with "late". */
function echo(host: string, slots = SLOTS) {
  const view = new Uint8Array(new WebAssembly.Memory({ initial: 4, maximum: 4 }).buffer);
  const words = new DataView(view.buffer);
  const { fd, port } = sockets.udpOpen({ address: parseAddress(host), port: 0 });
  const late: Uint8Array[] = [];
  const batches: number[] = [];
  const server = sockets.udpServe({
    fd,
    view,
    slotsOff: 0,
    slotSize: SLOT,
    slots,
    descriptorsOff: DESCRIPTORS,
    listener: 7,
    flags: 16,
    serve: (count) => {
      batches.push(count);
      for (let i = 0; i < count; i++) {
        const at = DESCRIPTORS + i * 24;
        const message = words.getUint32(at, true);
        const length = words.getUint32(at + 4, true);
        const bytes = view.subarray(message, message + length);
        if (Buffer.from(bytes).toString().startsWith('late')) {
          late.push(sockets.udpPeer(server, i));
          continue;
        }
        bytes.set(Buffer.from(Buffer.from(bytes).toString().toUpperCase()));
        words.setInt32(at + 16, length, true);
      }
    },
  });
  const stop = (): void => {
    sockets.udpStop(server);
    native.closeFd(fd);
  };
  return { port, fd, late, batches, words, stop };
}

for (const [host, type, to] of [
  ['127.0.0.1', 'udp4', '127.0.0.1'],
  ['0.0.0.0', 'udp4', '127.0.0.53'],
  ['::1', 'udp6', '::1'],
  ['::', 'udp6', '::1'],
] as const) {
  test(`udp: bound to ${host}, an answer comes from ${to}, where the question went`, async (t) => {
    const server = echo(host);
    const client = dgram.createSocket(type);
    client.send('hello', server.port, to);
    const [answer, from] = (await once(client, 'message')) as [Buffer, dgram.RemoteInfo];
    t.is(answer.toString(), 'HELLO');
    t.is(from.address, to);
    t.is(from.port, server.port);
    t.deepEqual(
      [4, 8].map((off) => server.words.getUint32(DESCRIPTORS + off, true)),
      [5, SLOT],
    );
    t.is(server.words.getUint16(DESCRIPTORS + 12, true), 7);
    t.is(server.words.getUint16(DESCRIPTORS + 14, true), 16);
    // What is not answered at once is answered later, from the same address.
    client.send('late', server.port, to);
    while (server.late.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    const [peer = new Uint8Array()] = server.late;
    t.is(peer.length, 40);
    t.deepEqual([...peer.subarray(0, 16)], [...parseAddress(to.replace('.53', '.1')).bytes]);
    t.true(sockets.udpSend(server.fd, Buffer.from('at last'), peer));
    const [second, source] = (await once(client, 'message')) as [Buffer, dgram.RemoteInfo];
    t.is(second.toString(), 'at last');
    t.is(source.address, to);
    client.close();
    server.stop();
  });
}

test('udp: hundreds of datagrams are answered in batches, each to its sender', async (t) => {
  const server = echo('127.0.0.1', 8);
  const clients = [0, 1, 2].map(() => dgram.createSocket('udp4'));
  const wanted = 300;
  // As many on their way as every socket buffer holds.
  const window = 40;
  const counts = clients.map(async (client, c) => {
    let got = 0;
    let sent = 0;
    const ask = (): void => {
      if (sent < wanted) client.send(`client ${c} ${sent++}`, server.port, '127.0.0.1');
    };
    const done = new Promise<number>((resolve) => {
      client.on('message', (message) => {
        if (message.toString().startsWith(`CLIENT ${c} `)) got++;
        if (got === wanted) resolve(got);
        ask();
      });
    });
    for (let i = 0; i < window; i++) ask();
    return done;
  });
  t.deepEqual(await Promise.all(counts), [wanted, wanted, wanted]);
  t.true(Math.max(...server.batches) <= 8);
  t.is(
    server.batches.reduce((sum, n) => sum + n),
    3 * wanted,
  );
  for (const client of clients) client.close();
  server.stop();
});

test('udp: what is longer than a slot has no length, and is not answered', async (t) => {
  const server = echo('127.0.0.1');
  const client = dgram.createSocket('udp4');
  client.send(Buffer.alloc(SLOT + 1, 'a'), server.port, '127.0.0.1');
  client.send('after', server.port, '127.0.0.1');
  const [answer] = (await once(client, 'message')) as [Buffer];
  t.is(answer.toString(), 'AFTER');
  client.close();
  server.stop();
});

test('udp: two sockets share a port, a third one that does not ask for it gets none', (t) => {
  const address = parseAddress('127.0.0.1');
  const first = sockets.udpOpen({ address, port: 0, isShared: true });
  const second = sockets.udpOpen({ address, port: first.port, isShared: true });
  t.throws(() => sockets.udpOpen({ address, port: first.port }), { code: 'EADDRINUSE' });
  for (const { fd } of [first, second]) native.closeFd(fd);
});

test('udp: an address that is not there yet can be bound if that is asked for', (t) => {
  const address = parseAddress('192.0.2.53');
  t.throws(() => sockets.udpOpen({ address, port: 0 }), { code: 'EADDRNOTAVAIL' });
  native.closeFd(sockets.udpOpen({ address, port: 0, isFree: true }).fd);
});

test('udp: a thread that is ended while it serves, idle or busy, leaves nothing behind', async (t) => {
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    const addon = require(workerData);
    const view = new Uint8Array(new WebAssembly.Memory({ initial: 4, maximum: 4 }).buffer);
    const address = new Uint8Array(16);
    address.set([255, 255, 127, 0, 0, 1], 10);
    const { fd, port } = addon.udpOpen(4, address, 0, 0, 0, 0, -1, 0);
    addon.udpServe(fd, view, 0, 2048, 16, 65536, 0, 0, () => {
      parentPort.postMessage('serving');
      for (;;) {}
    });
    parentPort.postMessage(port);
  `;
  const addon = new URL('../../build/native/sluice.node', import.meta.url).pathname;
  const client = dgram.createSocket('udp4');
  for (const isBusy of [false, true, false, true]) {
    const worker = new Worker(source, { eval: true, workerData: addon });
    const [port] = (await once(worker, 'message')) as [number];
    t.true(port > 0);
    if (isBusy) {
      client.send('busy', port, '127.0.0.1');
      t.deepEqual(await once(worker, 'message'), ['serving']);
    }
    t.is(await worker.terminate(), 1);
  }
  client.close();
});

test('udp: arguments out of range are refused before anything is touched', (t) => {
  const view = new Uint8Array(new WebAssembly.Memory({ initial: 1, maximum: 1 }).buffer);
  const { fd } = sockets.udpOpen({ address: parseAddress('127.0.0.1'), port: 0 });
  const spec = { fd, view, slotsOff: 0, slotSize: 2048, slots: 16, descriptorsOff: 32768 } as const;
  const serve = { listener: 0, flags: 0, serve: () => undefined };
  for (const wrong of [{ slots: 65 }, { slots: 40 }, { descriptorsOff: 65530 }, { slotSize: 1 }]) {
    t.throws(() => sockets.udpServe({ ...spec, ...serve, ...wrong }), { instanceOf: RangeError });
  }
  t.throws(() => sockets.udpSend(fd, view, new Uint8Array(39)), { instanceOf: RangeError });
  native.closeFd(fd);
});
