/**
 * What each verb does with an attachment: addresses, link, record, in an order in which a crash at
 * any point leaves either the whole of it or a record of what has to be undone.
 *
 *   ADD     record (pending), addresses, link and rows, record, answer
 *   DEL     rows and link, addresses, record
 *   CHECK   record, link, addresses, previous result
 *   GC      DEL of everything in the network that is not in the list
 *   STATUS  whether an ADD would find an agent that programmes and an address
 *
 * Spec  CNI 1.1.0, Section 4
 */
import { formatAddress, hostCidr, formatCidr, parseAddress } from '../addr.js';
import type { Address } from '../addr.js';
import { messageOf } from '../errors.js';
import type { AddressWishes } from '../ipam/annotations.js';
import { keptRoutes, recordOf, wishesOf } from './attachment-record.js';
import type { StoredAttachment } from './attachment-store.js';
import type { AttachedLink, Attachments } from './attachments.js';
import { collect } from './collect.js';
import type { CollectPorts } from './collect.js';
import { asDelegateSaid, delegateOf, gatewaysOf, keptGateways } from './delegated.js';
import type { Gateways } from './delegated.js';
import type { CniHandler } from './dispatch.js';
import { CNI_CODE, CniError } from './errors.js';
import { lostNetns, withNetnsId } from './recorded-netns.js';
import { ownerOf } from './request.js';
import type { CniRequest } from './request.js';
import { addressesOf, bareAddress, behind, chooseDns, familyOf } from './result.js';
import type { CniResult, Dns, ResultRoute } from './result.js';

export interface VerbPorts extends CollectPorts {
  readonly attachments: Attachments;
  /** Of pod links, where the configuration of the network says nothing. */
  readonly mtu: () => number;
  /** Why the agent cannot serve now; undefined: it can. */
  readonly unready: () => string | undefined;
  readonly nowMs: () => number;
}

/** Addresses for an attachment, and what came with them. */
interface Granted {
  readonly ips: readonly Address[];
  /** By address, where a plugin has said them. */
  readonly gateways: Gateways;
  readonly routes: readonly ResultRoute[];
  readonly dns: Dns;
}

const NOTHING: CniResult = { interfaces: [], ips: [], routes: [], dns: {} };
const EVERYTHING = { 4: '0.0.0.0/0', 6: '::/0' } as const;

function resultOf(
  request: CniRequest,
  attachment: StoredAttachment,
  link: AttachedLink,
  { routes, dns }: Granted,
): CniResult {
  const { netns, ifname, mtu } = attachment;
  const { conf } = request;
  const ips = attachment.ips.map((text) => parseAddress(text));
  const own: CniResult = {
    interfaces: [
      { name: link.hostIfname, mac: link.ownMac, mtu },
      { name: ifname, mac: link.mac, mtu, sandbox: netns },
    ],
    ips: ips.map((address) => ({
      address: formatCidr(hostCidr(address)),
      gateway: link.gateways[address.family],
      interface: 1,
    })),
    routes: [
      ...ips.map(({ family }) => ({ dst: EVERYTHING[family], gw: link.gateways[family] })),
      ...routes.map((route) => ({ ...route, gw: link.gateways[familyOf(route.dst)] })),
    ],
    // The runtime speaks of one pod, the administrator of all.
    dns: chooseDns(conf.runtimeConfig.dns ?? conf.dns, dns),
  };
  return conf.prevResult === undefined ? own : behind(own, conf.prevResult);
}

/** What is left of routes that an address plugin names: the default is there anyway. */
function besideDefault(routes: readonly ResultRoute[], ips: readonly Address[]): ResultRoute[] {
  const families = new Set(ips.map(({ family }) => family));
  return routes.filter(({ dst }) => {
    const family = familyOf(dst);
    return dst !== EVERYTHING[family] && families.has(family);
  });
}

export function createVerbs(ports: VerbPorts): CniHandler {
  const { ipam, store, attachments, askDelegate, undo, log } = ports;

  const grant = async (
    request: CniRequest,
    { requested, pools }: AddressWishes,
    signal: AbortSignal,
  ): Promise<Granted> => {
    const delegate = delegateOf(request);
    if (delegate !== undefined) {
      const given = await askDelegate(delegate, 'ADD', request, signal);
      const { ips, routes, dns } = given ?? NOTHING;
      const addresses = ips.map(bareAddress);
      const gateways = gatewaysOf(ips);
      return { ips: addresses, gateways, routes: besideDefault(routes, addresses), dns };
    }
    const ips = await ipam.acquire({
      owner: ownerOf(request),
      pod: request.pod,
      requested,
      rangeSets: request.conf.runtimeConfig.ipRanges,
      pools,
    });
    return { ips, gateways: {}, routes: [], dns: {} };
  };

  const add = async (request: CniRequest, signal: AbortSignal): Promise<CniResult> => {
    const owner = ownerOf(request);
    const known = store.find(owner);
    if (known?.isPending === false) {
      const message = `container ${owner.containerId} has ${owner.ifname} in network ${owner.network} already`;
      throw new CniError(CNI_CODE.DUPLICATE, message);
    }
    const unready = ports.unready();
    if (unready !== undefined) throw new CniError(CNI_CODE.TRY_AGAIN, unready);
    const wishes = wishesOf(request);
    // An agent died over the same request.
    if (known) await undo(owner, request);
    const pending = await withNetnsId(recordOf(request, wishes, ports.mtu(), ports.nowMs()));
    const conflict = attachments.conflict(pending);
    // The port is free when the other pod has gone.
    if (conflict !== undefined) throw new CniError(CNI_CODE.TRY_AGAIN, conflict);
    await store.put(pending);
    try {
      const granted = await grant(request, wishes, signal);
      signal.throwIfAborted();
      const ips = granted.ips.map(formatAddress);
      const attachment = {
        ...pending,
        ...keptGateways(pending, granted.gateways),
        ...keptRoutes(granted.routes),
        ips,
      };
      const link = await attachments.attach(attachment);
      signal.throwIfAborted();
      await store.put({ ...attachment, isPending: false });
      // Nobody waits any more: the runtime will ask again, for something that is not there yet.
      signal.throwIfAborted();
      return resultOf(request, attachment, link, granted);
    } catch (error) {
      await undo(owner, request).catch((second: unknown) => {
        log.error({ ...owner }, `an ADD that failed could not be undone: ${messageOf(second)}`);
      });
      throw error;
    }
  };

  const check = async (request: CniRequest): Promise<void> => {
    const owner = ownerOf(request);
    const { prevResult } = request.conf;
    if (prevResult === undefined) {
      throw new CniError(
        CNI_CODE.INVALID_CONFIG,
        'prevResult: missing, expected what ADD returned',
      );
    }
    const known = store.find(owner);
    if (known === undefined || known.isPending) {
      const message = `container ${owner.containerId} has no ${owner.ifname} in network ${owner.network}`;
      throw new CniError(CNI_CODE.UNKNOWN_CONTAINER, message);
    }
    const fail = (message: string): never => {
      throw new CniError(CNI_CODE.CHECK_FAILED, message);
    };
    const said = addressesOf(prevResult, owner.ifname).map((ip) => formatAddress(bareAddress(ip)));
    const missing = known.ips.find((ip) => !said.includes(ip));
    if (missing !== undefined) fail(`prevResult: ips: ${missing} of ${owner.ifname} is missing`);
    if (request.netns !== undefined && request.netns !== known.netns) {
      const elsewhere = lostNetns({ ...known, netns: request.netns });
      if (elsewhere !== undefined) fail(`CNI_NETNS: ${elsewhere}`);
    }
    const wrong = attachments.check(known);
    if (wrong !== undefined) fail(wrong);
    if (known.delegate !== undefined) {
      await askDelegate(known.delegate.type, 'CHECK', asDelegateSaid(request, known.delegate));
      return;
    }
    const held = (await ipam.held(owner)).map(formatAddress);
    const lost = known.ips.find((ip) => !held.includes(ip));
    if (lost !== undefined) fail(`${lost} of ${owner.ifname} is not allocated any more`);
  };

  const status = async (request: CniRequest): Promise<void> => {
    const delegate = delegateOf(request);
    const why =
      ports.unready() ??
      (delegate === undefined ? await ipam.status(request.conf.name) : undefined);
    if (why !== undefined) throw new CniError(CNI_CODE.NOT_AVAILABLE, why);
    if (delegate !== undefined) await askDelegate(delegate, 'STATUS', request);
  };

  return async (request, signal) => {
    switch (request.verb) {
      case 'ADD':
        return add(request, signal);
      case 'DEL':
        await undo(ownerOf(request), request);
        return undefined;
      case 'CHECK':
        await check(request);
        return undefined;
      case 'GC':
        await collect(request, ports);
        return undefined;
      case 'STATUS':
        await status(request);
        return undefined;
    }
  };
}
