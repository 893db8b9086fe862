/**
 * Answers before the server is there: a core of its own in the starting thread, with the names that are
 * on disk, at the sockets of the server before. It knows no plugin, so that what the core leaves to the
 * host waits for the server; then all of it is handed over, and it is gone.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HASH_KEYS } from '../../../assembly/abi.js';
import { parseAddress } from '../../addr.js';
import { refusedNames } from '../../core/names-writer.js';
import { deferred } from '../../deferred.js';
import { openDnsCore } from '../../dns/server/dns-core.js';
import type { DnsCapacities, DnsCore } from '../../dns/server/dns-core.js';
import { createPending } from '../../dns/server/pending.js';
import { refusal } from '../../dns/server/refusal.js';
import type { DnsThread } from '../../dns/server/thread.js';
import { listenUdp, udpAt } from '../../dns/server/udp.js';
import type { UdpListener } from '../../dns/server/udp.js';
import { NAME_LOG, nameBatches } from '../name-log-format.js';
import { readEarlySetup } from './setup.js';
import type { EarlySocket } from './setup.js';

export interface Early {
  /** Everything to who answers from now on, at the same addresses. Once. */
  handOver(thread: DnsThread): void;
  /** There will be nobody to hand it over to. */
  close(): void;
}

/** Names of a record's size at least. */
const RECORD_MIN = 64;
const NAMES_MIN = 1024;
const RRSET_BYTES_MIN = 1 << 16;

/** Room for the names, and no more: pages that nobody has touched are what takes long. */
function capacitiesFor(bytes: number): DnsCapacities {
  return {
    names: Math.max(NAMES_MIN, 2 ** Math.ceil(Math.log2(bytes / RECORD_MIN))),
    rrsetBytes: RRSET_BYTES_MIN + 2 * bytes,
    cache: 1,
    replyBytes: RRSET_BYTES_MIN,
  };
}

/**
 * Keys of the hash table. Real secrets take milliseconds to load; this table has names of the cluster
 * only, and is gone in a moment.
 */
function publicKeys(): Uint8Array {
  return Uint8Array.from({ length: HASH_KEYS * 4 }, () => Math.floor(Math.random() * 256));
}

/** A core with the names of a file. @returns undefined when there are none, or not all of them fit */
function coreWith(file: string, identity: string): DnsCore | undefined {
  const bytes = readFileSync(file);
  const batches = nameBatches(bytes, identity);
  if (batches.length === 0) return undefined;
  const core = openDnsCore(capacitiesFor(bytes.length), 0, publicKeys());
  const areApplied = batches.every((records) => {
    core.applyNames(records);
    return refusedNames(records).length === 0;
  });
  return areApplied ? core : undefined;
}

function serve(core: DnsCore, sockets: readonly EarlySocket[]): Early {
  const server = deferred<DnsThread>();
  const { ask } = createPending(
    async (listener, message, client) => (await server.promise).ask(listener, message, client),
    refusal,
  );
  const open: { readonly udp: UdpListener; readonly socket: EarlySocket }[] = [];
  const close = (): void => {
    for (const { udp } of open) udp.close();
  };
  try {
    for (const socket of sockets) {
      const address = parseAddress(socket.host);
      const spec = { ...socket, address, ifindex: 0, isShared: true };
      open.push({ socket, udp: listenUdp(spec, core, ask) });
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    close,
    handOver: (thread) => {
      server.resolve(thread);
      const successors = thread.bound();
      for (const { udp, socket } of open) {
        const successor = udpAt(successors, socket);
        // A socket that nobody reads would go on getting its share of the queries.
        if (successor === undefined) udp.close();
        else udp.stop(successor);
      }
      thread.addCounters(core.counters());
    },
  };
}

/**
 * Answer from now on, if a server was there before with the same command line and Corefile.
 *
 * @param words  the command line behind `dns`
 * @returns      undefined: there was none, or something is wrong with what it has left
 */
export function openEarly(stateDir: string, words: readonly string[]): Early | undefined {
  try {
    const setup = readEarlySetup(stateDir, words);
    const core = setup && coreWith(join(stateDir, NAME_LOG), setup.identity);
    return core && serve(core, setup.sockets);
  } catch {
    // Whatever it is, the server itself will come to it and say so.
    return undefined;
  }
}
