/** Records, addresses on disk or in blocks, and a clock: what the sweep and the desk look at. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { formatAddress, parseAddress } from '../../src/addr.js';
import type { Address } from '../../src/addr.js';
import type { Addresses } from '../../src/agent/addresses.js';
import { createDesk } from '../../src/agent/ipam-desk.js';
import { createLeakSweep } from '../../src/agent/leak-sweep.js';
import type { StoredAttachment } from '../../src/cni/attachment-store.js';
import { createUndo } from '../../src/cni/undo.js';
import { ownerKey } from '../../src/ipam/ipam.js';
import type { Owner } from '../../src/ipam/ipam.js';
import { createRangeIpam } from '../../src/ipam/range/range-ipam.js';
import { createTurns } from '../../src/turns.js';
import { recordingLog } from '../cni/plugin.js';
import { memoryStore, owner } from '../cni/verbs-rig.js';

export const GRACE_MS = 300_000;
export const NETWORK = 'k8s';

export function temporary(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-agent-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** What host-local would leave behind. */
export function leaveFile(dataDir: string, address: string, contents: string): void {
  mkdirSync(join(dataDir, NETWORK), { recursive: true });
  writeFileSync(join(dataDir, NETWORK, address), contents);
}

export function rangeAddresses(t: ExecutionContext, dataDir: string): Addresses {
  const ipam = createRangeIpam({
    dataDir,
    ranges: () => [[{ subnet: '10.1.2.0/28' }]],
    now: Date.now,
    networks: [NETWORK],
  });
  t.teardown(() => ipam.close());
  return { mode: 'range', ipam };
}

interface RigOptions {
  readonly addresses: Addresses;
  readonly graceMs?: number;
  /** Addresses of Pods; left out: there is no API server. */
  readonly pods?: readonly string[];
}

export function nodeRig({ addresses, graceMs = GRACE_MS, pods }: RigOptions) {
  const clock = { ms: 1_000 };
  const { store, records } = memoryStore();
  const links = new Set<string>();
  /** Containers whose namespace is there. */
  const alive = new Set<string>();
  const failing = { detach: '' };
  const attachments = {
    detach: (of: Owner) => {
      if (failing.detach !== '') return Promise.reject(new Error(failing.detach));
      links.delete(ownerKey(of));
      return Promise.resolve();
    },
  };
  const turns = createTurns();
  const askDelegate = () => Promise.resolve(undefined);
  const { log, lines } = recordingLog();
  const undo = createUndo({ attachments, ipam: addresses.ipam, store, askDelegate, log });
  const hasPod = (address: Address) => pods?.includes(formatAddress(address)) === true;
  const parts = {
    ...{ store, addresses, turns, undo, graceMs, log },
    isThere: (record: StoredAttachment) => alive.has(record.containerId),
    hasPod: pods === undefined ? undefined : hasPod,
    nowMs: () => clock.ms,
  };
  const add = async (id: string, more: Partial<StoredAttachment> = {}): Promise<string> => {
    const of = owner(id);
    const asked = { owner: of, pod: undefined, requested: [], rangeSets: [], pools: [] };
    const ips = (await addresses.ipam.acquire(asked)).map(formatAddress);
    const record = { ...of, isPending: false, netns: `/run/netns/${id}`, ips, mtu: 1450 };
    await store.put({ ...record, hostPorts: [], sinceMs: clock.ms, ...more });
    links.add(ownerKey(of));
    alive.add(id);
    return ips.join();
  };
  const given = async (): Promise<string[]> =>
    (await addresses.ipam.leases()).map(({ address }) => formatAddress(address)).sort();
  const sweep = createLeakSweep(parts);
  /** A look so much later. */
  const look = async (laterMs: number): Promise<void> => {
    clock.ms += laterMs;
    await sweep.look();
  };
  const desk = createDesk(parts);
  const release = (text: string, force = false) => desk.release(parseAddress(text), force);
  return {
    clock,
    store,
    records,
    links,
    alive,
    failing,
    turns,
    add,
    given,
    sweep,
    look,
    desk,
    release,
    lines,
  };
}
