/**
 * Addresses of a host, by the system's resolver, in one call.
 *
 * Plugins are set up in one go, by a thread that answers nobody yet. Node looks names up behind the
 * caller's back only, so another thread does it while this one sleeps.
 *
 * Spec  getaddrinfo(3)
 */
import { MessageChannel, Worker, receiveMessageOnPort } from 'node:worker_threads';
import { DataplaneError } from '../../errors.js';

/** @throws DataplaneError ERR_CONFIG  the host has no address, or the system does not say in time */
export type LookUp = (host: string) => readonly string[];

/** As long as resolv.conf(5) waits for a server. */
const WAIT_MS = 5_000;

/** What the thread runs: Node's own modules, and nothing that would have to be found on disk. */
const SOURCE = `
const { lookup } = require('node:dns');
const { workerData: { host, port, flag } } = require('node:worker_threads');
lookup(host, { all: true }, (error, found = []) => {
  port.postMessage({ code: error?.code, addresses: found.map(({ address }) => address) });
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
});
`;

interface Found {
  readonly code: string | undefined;
  readonly addresses: readonly string[];
}

export function lookUpHost(host: string, waitMs = WAIT_MS): readonly string[] {
  const { port1: own, port2: port } = new MessageChannel();
  const flag = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const workerData = { host, port, flag };
  const worker = new Worker(SOURCE, {
    ...{ eval: true, execArgv: [], workerData, transferList: [port] },
  });
  worker.unref();
  try {
    Atomics.wait(flag, 0, 0, waitMs);
    const found = receiveMessageOnPort(own)?.message as Found | undefined;
    const { code = `no answer in ${waitMs} ms`, addresses = [] } = found ?? {};
    if (addresses.length > 0) return addresses;
    const what = `${JSON.stringify(host)} does not resolve: ${code}`;
    throw new DataplaneError('ERR_CONFIG', what);
  } finally {
    own.close();
    void worker.terminate();
  }
}
