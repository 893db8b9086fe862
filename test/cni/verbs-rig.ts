/** The verbs over ports that live in memory, write down every step and fail on demand. */
import { formatAddress, parseAddress } from '../../src/addr.js';
import type { Address } from '../../src/addr.js';
import type { AttachmentStore, StoredAttachment } from '../../src/cni/attachment-store.js';
import type { Attachments } from '../../src/cni/attachments.js';
import type { AskDelegate } from '../../src/cni/delegated.js';
import { parseRequest } from '../../src/cni/request.js';
import type { CniRequest, RequestVerb } from '../../src/cni/request.js';
import type { ResultIp, ResultRoute } from '../../src/cni/result.js';
import { createUndo } from '../../src/cni/undo.js';
import { createVerbs } from '../../src/cni/verbs.js';
import { IpamError, ownerKey } from '../../src/ipam/ipam.js';
import type { AddressRequest, Ipam, Owner } from '../../src/ipam/ipam.js';
import { createTurns } from '../../src/turns.js';
import { conf, recordingLog } from './plugin.js';

export const owner = (containerId: string, ifname = 'eth0', network = 'k8s'): Owner => ({
  network,
  containerId,
  ifname,
});

/** The list of a GC. */
export const valid = (...containerIds: string[]) => ({
  'cni.dev/valid-attachments': containerIds.map((containerID) => ({ containerID, ifname: 'eth0' })),
});

/** A request as dispatch hands it on. */
export function requestOf(
  verb: RequestVerb,
  containerId: string,
  more: object = {},
  env: Record<string, string> = {},
): CniRequest {
  const all = {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: `/run/netns/${containerId}`,
    CNI_IFNAME: 'eth0',
    CNI_PATH: '/opt/cni/bin',
    ...env,
  };
  return parseRequest(verb, {
    env: new Map(Object.entries(all)),
    stdin: JSON.stringify(conf(more)),
  });
}

export type Step = (name: string) => Promise<void>;

/** Addresses 10.1.2.2 and up, one for each owner, and those that are asked for. */
export function memoryIpam(step: Step = () => Promise.resolve()) {
  const held = new Map<string, { owner: Owner; addresses: readonly Address[] }>();
  const asked: AddressRequest[] = [];
  let last = 1;
  const ipam: Ipam = {
    acquire: async (request) => {
      await step('ipam.acquire');
      asked.push(request);
      const key = ownerKey(request.owner);
      if (held.has(key)) throw new IpamError('duplicate', `${key} has addresses`);
      const any = [parseAddress(`10.1.2.${String(++last)}`)];
      const addresses = request.requested.length > 0 ? request.requested : any;
      held.set(key, { owner: request.owner, addresses });
      return addresses;
    },
    release: async (of) => {
      await step('ipam.release');
      const { addresses = [] } = held.get(ownerKey(of)) ?? {};
      held.delete(ownerKey(of));
      return addresses;
    },
    held: (of) => Promise.resolve(held.get(ownerKey(of))?.addresses ?? []),
    leases: () =>
      Promise.resolve(
        [...held.values()].flatMap(({ owner: of, addresses }) =>
          addresses.map((address) => ({ owner: of, address, pod: undefined, sinceMs: 1 })),
        ),
      ),
    status: () => Promise.resolve(undefined),
    close: () => Promise.resolve(),
  };
  return { ipam, held, asked };
}

export function memoryStore(step: Step = () => Promise.resolve()) {
  const records = new Map<string, StoredAttachment>();
  const store: AttachmentStore = {
    find: (of) => records.get(ownerKey(of)),
    all: () => [...records.values()],
    put: async (record) => {
      await step(record.isPending ? 'store.begin' : 'store.complete');
      records.set(ownerKey(record), record);
    },
    remove: async (of) => {
      await step('store.remove');
      records.delete(ownerKey(of));
    },
    close: () => Promise.resolve(),
  };
  return { store, records };
}

function memoryLinks(step: Step) {
  const links = new Map<string, StoredAttachment>();
  const wrong: { check?: string; conflict?: string } = {};
  const attachments: Attachments = {
    attach: async (attachment) => {
      await step('link.attach');
      links.set(ownerKey(attachment), attachment);
      return {
        hostIfname: `slc-${attachment.containerId}`,
        ownMac: 'ee:ee:ee:ee:ee:ee',
        mac: attachment.mac ?? '02:00:00:00:00:01',
        gateways: { 4: '169.254.1.1', 6: 'fe80::1' },
      };
    },
    detach: async (of) => {
      await step('link.detach');
      links.delete(ownerKey(of));
    },
    check: () => wrong.check,
    conflict: () => wrong.conflict,
  };
  return { attachments, links, wrong };
}

interface RigOptions {
  readonly ipam?: Ipam;
}

/** Everything an ADD can leave behind is in `held`, `links` and `records`. */
export function verbsRig(options: RigOptions = {}) {
  const steps: string[] = [];
  const failing = new Set<string>();
  /** Steps that fail with an error of their own. */
  const failures = new Map<string, Error>();
  /** What an address plugin gives. */
  const granting: { ips: ResultIp[]; routes: ResultRoute[] } = {
    ips: [{ address: '10.7.0.9/24' }],
    routes: [],
  };
  /** Waited for before a step is done. */
  const holds = new Map<string, Promise<void>>();
  const step: Step = async (name) => {
    steps.push(name);
    await holds.get(name);
    if (failing.has(name)) throw new Error(`${name} fails`);
    const failure = failures.get(name);
    if (failure !== undefined) throw failure;
  };
  const memory = memoryIpam(step);
  const { store, records } = memoryStore(step);
  const { attachments, links, wrong } = memoryLinks(step);
  const calls: { type: string; verb: RequestVerb; stdin: unknown; env: Record<string, string> }[] =
    [];
  const askDelegate: AskDelegate = async (type, verb, { stdin, env }) => {
    await step(`delegate.${verb}`);
    calls.push({ type, verb, stdin: JSON.parse(stdin), env: Object.fromEntries(env) });
    if (verb !== 'ADD') return undefined;
    return { interfaces: [], dns: {}, ...granting };
  };
  const ipam = options.ipam ?? memory.ipam;
  const turns = createTurns();
  const { log, lines } = recordingLog();
  const undo = createUndo({ attachments, ipam, store, askDelegate, log });
  const ready: { why: string | undefined } = { why: undefined };
  const handle = createVerbs({
    ...{ ipam, store, attachments, turns, undo, askDelegate, log },
    mtu: () => 1450,
    unready: () => ready.why,
    nowMs: () => 1_000,
  });
  /** As dispatch does it: in the turn of the attachment. */
  const run = (request: CniRequest, signal = new AbortController().signal) => {
    const work = () => handle(request, signal);
    const {
      conf: { name: network },
      containerId,
      ifname,
    } = request;
    return containerId === ''
      ? work()
      : turns.take(ownerKey({ network, containerId, ifname }), work);
  };
  const left = () => [...memory.held.keys(), ...links.keys(), ...records.keys()];
  const { held, asked } = memory;
  return {
    run,
    steps,
    failing,
    failures,
    granting,
    holds,
    held,
    asked,
    links,
    records,
    calls,
    wrong,
    ready,
    store,
    left,
    lines,
  };
}

export const addressesOf = (request: AddressRequest | undefined): string[] =>
  (request?.requested ?? []).map(formatAddress);
