/**
 * The CNI side of the agent, put together: records, addresses, links, the socket that plugins speak
 * to, and the sweep behind all of them.
 *
 * Records are read before the first pass, so that it finds the pods there are. Requests are taken
 * once the lane runs; until everything is programmed the answer is "try again later".
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import { formatAddress } from '../addr.js';
import type { Address } from '../addr.js';
import { openAttachmentStore } from '../cni/attachment-store.js';
import type { AttachmentStore, StoredAttachment } from '../cni/attachment-store.js';
import { execDelegate } from '../cni/delegate.js';
import type { AskDelegate } from '../cni/delegated.js';
import { DELETES_FOLDER, startDeleteQueue } from '../cni/delete-queue.js';
import { createDispatch } from '../cni/dispatch.js';
import type { CniHandler } from '../cni/dispatch.js';
import { serveCni } from '../cni/server.js';
import { createUndo } from '../cni/undo.js';
import { createVerbs } from '../cni/verbs.js';
import type { Control } from '../compile/control.js';
import type { SluiceConfig } from '../config/config.js';
import { DataplaneError, messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { registerCniMetrics } from '../ops/cni-metrics.js';
import type { NodeDesk } from '../ops/ipam.js';
import { createTurns } from '../turns.js';
import { openAddresses } from './addresses.js';
import type { Addresses } from './addresses.js';
import type { AttachedPods } from './attached-pods.js';
import { createDesk } from './ipam-desk.js';
import { createLeakSweep, keepSweeping } from './leak-sweep.js';
import type { LeakSweepParts } from './leak-sweep.js';

/** Less than the plugin waits for all of an ADD. */
const DELEGATE_MS = 20_000;
const SWEEP_MS = 30_000;
/** So long the first look may keep requests waiting: an address store may not answer. */
const FIRST_LOOK_MS = 3_000;
const MS_PER_SEC = 1000;

export interface CniStateOptions {
  readonly dataDir: string;
  readonly log: Log;
}

/** What there is before anything is served. */
export interface CniState {
  readonly store: AttachmentStore;
  /** Attachments there should be. Others are pending: the sweep frees what they hold. */
  readonly attached: readonly StoredAttachment[];
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

export async function openCniState({ dataDir, log }: CniStateOptions): Promise<CniState> {
  const { store, voided } = await openAttachmentStore(dataDir, bootId(), log);
  if (voided.length > 0) log.info({ attachments: voided.length }, 'those of another boot are void');
  return { store, attached: store.all().filter(({ isPending }) => !isPending) };
}

export interface CniParts {
  readonly config: SluiceConfig;
  readonly control: Control;
  readonly state: CniState;
  readonly attached: AttachedPods;
  readonly mtu: () => number;
  /** Whether all that was known at first is in the tables. */
  readonly isProgrammed: () => boolean;
  /** Gets the metrics of the plugin. */
  readonly registry: Registry;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface NodeCni {
  readonly desk: NodeDesk;
  close(): Promise<void>;
}

function delegates(log: Log): AskDelegate {
  return (type, verb, call, over) =>
    execDelegate(call, {
      type,
      verb,
      log,
      timeoutMs: DELEGATE_MS,
      ...(over === undefined ? {} : { signal: over }),
    });
}

/** Only an API server says which Pods there are; before it has, every address may be one's. */
function podsOf({ config, control }: CniParts): LeakSweepParts['hasPod'] {
  if (config.source.kubernetes === undefined) return undefined;
  return (address: Address) => {
    if (!control.isSynced()) return true;
    const text = formatAddress(address);
    return control.localPods().some((pod) => pod.addresses.map(formatAddress).includes(text));
  };
}

interface Composed {
  readonly handle: CniHandler;
  readonly sweepParts: LeakSweepParts;
}

function compose(parts: CniParts, addresses: Addresses): Composed {
  const { config, state, attached, mtu, log } = parts;
  const { store } = state;
  const { ipam } = addresses;
  const turns = createTurns();
  const askDelegate = delegates(log);
  const undo = createUndo({ attachments: attached, ipam, store, askDelegate, log });
  const unready = (): string | undefined =>
    parts.isProgrammed() ? undefined : 'the agent has not programmed everything yet';
  const handle = createVerbs({
    ...{ ipam, store, turns, undo, askDelegate, log, mtu, unready },
    attachments: attached,
    nowMs: Date.now,
  });
  const sweepParts: LeakSweepParts = {
    ...{ store, addresses, turns, undo, log },
    isThere: attached.isThere,
    hasPod: podsOf(parts),
    graceMs: config.ipam.leakGraceSec * MS_PER_SEC,
    nowMs: () => performance.now(),
  };
  return { handle, sweepParts };
}

/** @throws the error of bind(2) on the socket; StoreError when addresses have no store */
export async function serveNodeCni(parts: CniParts): Promise<NodeCni> {
  const { config, control, state, registry, log, signal } = parts;
  if (config.cni === undefined) throw new DataplaneError('ERR_STATE', 'cni: missing');
  const { socket: socketPath } = config.cni;
  const addresses = await openAddresses({ config, control, records: state.store, log });
  const { handle, sweepParts } = compose(parts, addresses);
  const sweep = createLeakSweep(sweepParts);
  const observe = registerCniMetrics(registry, {
    attachments: () => state.store.all().length,
    leaked: sweep.leaked,
    reclaimed: sweep.reclaimed,
  });
  const firstLook = sweep.look();
  await Promise.race([firstLook, sleep(FIRST_LOOK_MS, undefined, { ref: false })]);
  const dispatch = createDispatch({ handle, log, signal, observe, turns: sweepParts.turns });
  const server = await serveCni(socketPath, { dispatch, log });
  // Who finds nobody at the socket leaves its DEL beside it: what came before is replayed first.
  const deletes = join(dirname(socketPath), DELETES_FOLDER);
  // Not waited for: what fails now may take its whole time, one after the other.
  const queue = startDeleteQueue(deletes, { dispatch, log });
  queue.catch((error: unknown) => {
    log.error({ deletes }, `queued deletions cannot be done: ${messageOf(error)}`);
  });
  const stopSweeping = keepSweeping(sweep, SWEEP_MS);
  return {
    desk: createDesk(sweepParts),
    close: async () => {
      await server.close();
      await queue.then(
        ({ close }) => close(),
        () => undefined,
      );
      await stopSweeping();
      await firstLook;
      await addresses.ipam.close();
      await state.store.close();
    },
  };
}
