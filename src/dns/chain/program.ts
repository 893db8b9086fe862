/**
 * A Corefile at work: its listeners, the zones of its `kubernetes` plugins, its cuts, and the chain
 * that answers what the core leaves to the host.
 */
import { LISTENER_MAX, SPACE_FIRST } from '../../../assembly/abi-dns.js';
import { parseAddress } from '../../addr.js';
import { DataplaneError } from '../../errors.js';
import type { Corefile, Directive, ServerBlock } from '../corefile/corefile.js';
import { failAt, shown } from '../corefile/complaint.js';
import { inPluginOrder } from '../corefile/plugin-order.js';
import { queryOf } from '../message/decode.js';
import { encodeMessage } from '../message/encode.js';
import { finishReply } from '../message/finish.js';
import { replyTo } from '../message/message.js';
import { formatRcode, formatType } from '../message/types.js';
import type { Client, Query, Reply } from '../plugin.js';
import type { Interfaces } from '../plugins/bind.js';
import { readView } from '../plugins/view/view.js';
import { zonesText } from '../plugins/cache.js';
import { FLAGS_OFF, RCODE_MASK, Rcode } from '../wire/header.js';
import { formatName, parseName } from '../wire/name.js';
import { compose, failure } from './chain.js';
import { cutsOf, privateCuts } from './cuts.js';
import type { Cut } from './cuts.js';
import { ownAddresses, planListeners } from './listeners.js';
import type { DefaultBind, ListenerPlan } from './listeners.js';
import { SETTINGS_ONLY, SETUPS } from './registry.js';
import { blockFor, blocksByZone } from './server-blocks.js';
import type { Block, BlocksByZone } from './server-blocks.js';
import { readBlockSettings, readSettings } from './settings.js';
import type { BlockSettings, Settings } from './settings.js';
import type { ChainPlugin, SetupContext, Surroundings, ZoneInstance } from './setup.js';
import {
  assignCounters,
  counterIndex,
  metricsOfView,
  pluginsEnabled,
  zoneLabels,
} from './zone-labels.js';
import type { EnabledPlugin, ZoneCounters } from './zone-labels.js';
import type { KubernetesOptions } from './zone-options.js';

/** Questions of plugins to the server itself that lead to one another. */
const DEPTH_MAX = 10;
const MS_PER_SEC = 1000;
const UDP_MAX = 1232;
const AS_WRITTEN: DefaultBind = { hosts: [], ports: {} };
/** Who asks when nobody does. */
const OURSELVES: Client = {
  address: parseAddress('127.0.0.1'),
  port: 1,
  transport: 'udp',
  server: { address: parseAddress('127.0.0.1'), port: 53 },
};

export interface ProgramListener
  extends Omit<ListenerPlan, 'blocks'>, Pick<BlockSettings, 'tls' | 'timeouts'> {
  /** 1 to LISTENER_MAX. */
  readonly id: number;
  /** `tls` and `timeouts` are those of the first that has any. */
  readonly blocks: readonly Block[];
}

/** A reply of the chain. */
export interface Resolved {
  readonly query: Query;
  /** As it is sent. */
  readonly message: Uint8Array;
  /** Empty: none of them. */
  readonly plugin: string;
  readonly problem: string | undefined;
}

/** A wire cache and whose it is. */
export interface ProgramCache {
  readonly id: number;
  readonly server: string;
  /** `example.org.,example.net.` */
  readonly zones: string;
  readonly view: string;
}

export interface DnsProgram {
  readonly listeners: readonly ProgramListener[];
  readonly zones: readonly ZoneInstance[];
  readonly counters: readonly ZoneCounters[];
  readonly enabled: readonly EnabledPlugin[];
  readonly settings: Settings;
  /** As claims are now. */
  readonly cuts: () => readonly Cut[];
  /** Answer a query that the core has left to the host, as it is sent. Never rejects. */
  readonly answer: (listener: number, message: Uint8Array, client: Client) => Promise<Uint8Array>;
  /** The same, not counted, and with who has answered. @returns undefined for what is no query */
  readonly resolve: (
    listener: number,
    message: Uint8Array,
    client: Client,
  ) => Promise<Resolved | undefined>;
  readonly caches: readonly ProgramCache[];
  /** Ask for a reply of a cache again, behind everybody's back. */
  readonly refresh: (cache: number, message: Uint8Array) => void;
  /** Why plugins are not ready, one sentence each. */
  readonly notReady: () => readonly string[];
  readonly close: () => Promise<void>;
}

/** A server block set up; it may be on several listeners. */
interface Prepared extends Pick<Block, 'plugins' | 'handle' | 'view'> {
  readonly own: BlockSettings;
  /** `dns://:53` */
  readonly server: string;
}

interface Numbers {
  listener: number;
  space: number;
}

/** Directives by plugin, plugins in the order of the chain. */
function byPlugin({ directives }: ServerBlock): Map<string, Directive[]> {
  const groups = new Map<string, Directive[]>();
  for (const directive of inPluginOrder(directives)) {
    const name = directive.name.text;
    groups.set(name, [...(groups.get(name) ?? []), directive]);
  }
  return groups;
}

/** The TTL that a cache in front leaves: it has to have all the zones. */
function capTtl(options: KubernetesOptions, before: readonly ChainPlugin[]): KubernetesOptions {
  const cache = before.find(({ core }) => core?.cache !== undefined)?.core?.cache;
  const isCovered = cache !== undefined && options.zones.every((zone) => cache.covers(zone));
  return isCovered ? { ...options, ttlMax: cache.maxTtlSec } : options;
}

function setUpBlock(block: ServerBlock, context: Omit<SetupContext, 'openZones'>, open: Opener) {
  const plugins: ChainPlugin[] = [];
  const whole: SetupContext = { ...context, openZones: (options) => open(options, plugins) };
  for (const [name, directives] of byPlugin(block)) {
    const [first] = directives;
    if (first === undefined || SETTINGS_ONLY.has(name)) continue;
    const setUp = SETUPS.get(name);
    if (setUp === undefined) failAt(first.name, `plugin ${name} is not part of this server`);
    const plugin = setUp(directives, whole);
    if (plugin !== undefined) plugins.push(plugin);
  }
  return plugins;
}

type Opener = (options: KubernetesOptions, before: readonly ChainPlugin[]) => ZoneInstance;

function createOpener(numbers: Numbers, zones: ZoneInstance[]): Opener {
  return (options, before) => {
    if (numbers.listener > LISTENER_MAX) {
      const what = `the Corefile has more than ${LISTENER_MAX} listeners and kubernetes plugins`;
      throw new DataplaneError('ERR_CONFIG', what);
    }
    const instance: ZoneInstance = {
      options: capTtl(options, before),
      space: numbers.space++,
      listener: numbers.listener++,
    };
    zones.push(instance);
    return instance;
  };
}

function refusal(query: Query): Reply {
  return { message: encodeMessage(replyTo(query, { rcode: Rcode.REFUSED })), plugin: '' };
}

/** Ask the blocks of a listener. */
function askBlocks(byZone: BlocksByZone, query: Query): Promise<Reply> {
  if ((query.depth ?? 0) > DEPTH_MAX) {
    return Promise.resolve(failure(query, '', `a name leads to ${DEPTH_MAX} others`));
  }
  const block = blockFor(byZone, query);
  if (block === undefined || block.plugins.length === 0) return Promise.resolve(refusal(query));
  return block.handle(query);
}

/** Block with the limit of its own. */
function udpMaxOf(block: Block | undefined): number {
  const own = block?.plugins.map(({ core }) => core?.udpMax ?? Infinity) ?? [];
  const least = Math.min(...own);
  return Number.isFinite(least) ? least : UDP_MAX;
}

/** @throws DataplaneError ERR_CONFIG  a listener by TLS of which no block has a certificate */
function requireCertificate(
  { scheme, blocks }: ListenerPlan,
  prepared: ReadonlyMap<ServerBlock, Prepared>,
): void {
  const hasOne = blocks.some(({ block }) => prepared.get(block)?.own.tls !== undefined);
  const [address] = blocks
    .flatMap(({ block }) => block.addresses)
    .filter((each) => each.scheme === scheme);
  if (scheme !== 'tls' || hasOne || address === undefined) return;
  const what = 'expected a directive tls with certificate and key in its server block';
  failAt(address.token, `${shown(address.token.text)}: ${what}`);
}

/**
 * Set up all plugins of a Corefile.
 *
 * @param interfaces  of this node: os.networkInterfaces()
 * @param bind        of the command line
 * @throws DataplaneError ERR_CONFIG; what was set up before is closed
 */
export function createProgram(
  corefile: Corefile,
  surroundings: Surroundings,
  interfaces: Interfaces,
  bind: DefaultBind = AS_WRITTEN,
): DnsProgram {
  const settings = readSettings(corefile);
  const plans = planListeners(corefile, interfaces, bind);
  const zones: ZoneInstance[] = [];
  const counters = assignCounters(plans);
  const open = createOpener({ listener: plans.length + 1, space: SPACE_FIRST }, zones);
  const prepared = new Map<ServerBlock, Prepared>();
  const byListener = new Map<number, BlocksByZone>();
  const panicked = (): void => {
    surroundings.metrics.count('coredns_panics_total');
  };
  const close = async (): Promise<void> => {
    const plugins = [...prepared.values()].flatMap((each) => each.plugins);
    await Promise.all(plugins.map((plugin) => plugin.close?.() ?? Promise.resolve()));
  };

  try {
    for (const block of corefile.blocks) {
      const id = plans.findIndex((plan) => plan.blocks.some((each) => each.block === block)) + 1;
      const own = readBlockSettings(block, surroundings.folder);
      const server = plans[id - 1]?.server ?? '';
      const view = readView(block.directives);
      const plugins = setUpBlock(
        block,
        {
          ...surroundings,
          metrics: metricsOfView(surroundings.metrics, view?.name),
          folder: own.folder,
          zones: block.addresses.map(({ zone }) => parseName(zone)),
          block: block.directives,
          server,
          ownAddresses: ownAddresses(plans, block, bind),
          ask: (query) => askBlocks(byListener.get(id) ?? new Map(), query),
        },
        open,
      );
      prepared.set(block, { server, plugins, handle: compose(plugins, panicked), view, own });
    }
    for (const plan of plans) requireCertificate(plan, prepared);
  } catch (error) {
    void close();
    throw error;
  }

  const listeners = plans.map(({ blocks, ...plan }, i): ProgramListener => {
    const settingsOf = blocks.map(({ block }) => prepared.get(block)?.own);
    return {
      ...plan,
      id: i + 1,
      blocks: blocks.map(({ block, zones: own }) => {
        const { plugins = [], handle = compose([]), view } = prepared.get(block) ?? {};
        return { zones: own, plugins, handle, view };
      }),
      tls: settingsOf.find((own) => own?.tls)?.tls,
      timeouts: settingsOf.find((own) => own?.timeouts)?.timeouts,
    };
  });
  for (const { id, blocks } of listeners) byListener.set(id, blocksByZone(blocks));

  const hasForward = (instance: ZoneInstance): boolean =>
    [...prepared.values()].some(
      ({ plugins }) =>
        plugins.some(({ core }) => core?.zones === instance) &&
        plugins.some(({ name }) => name === 'forward'),
    );

  const zonesOf = (listener: number): BlocksByZone => byListener.get(listener) ?? new Map();
  const resolveQuery = async (listener: number, query: Query): Promise<Resolved> => {
    const byZone = zonesOf(listener);
    const reply = await askBlocks(byZone, query);
    const udpMax = udpMaxOf(blockFor(byZone, query));
    const finished = finishReply(query, reply.message, { udpMax });
    return { query, message: finished, plugin: reply.plugin, problem: reply.problem };
  };

  return {
    listeners,
    zones,
    counters,
    enabled: pluginsEnabled(plans, (block) => prepared.get(block)?.view?.name),
    settings,
    cuts: () => [
      ...listeners.flatMap((plan) =>
        cutsOf({
          id: plan.id,
          byZone: byListener.get(plan.id) ?? new Map(),
          countersOf: (zone) =>
            counterIndex(counters, { server: plan.server, zone: formatName(zone) }),
        }),
      ),
      ...zones.flatMap((instance) => privateCuts(instance, hasForward(instance))),
    ],
    resolve: async (listener, message, client) => {
      const query = queryOf(message, client);
      return query && byListener.has(listener) ? resolveQuery(listener, query) : undefined;
    },
    answer: async (listener, message, client) => {
      const beganMs = surroundings.nowMs();
      const query = queryOf(message, client);
      const plan = listeners[listener - 1];
      if (query === undefined || plan === undefined) return new Uint8Array();
      const zone = zoneLabels(plan.server, zonesOf(listener), query);
      const counted = counterIndex(counters, zone);
      surroundings.asked?.({ query, zone, counters: counted });
      const { plugin, message: finished } = await resolveQuery(listener, query);
      surroundings.replied({
        ...{ query, plugin },
        zone,
        rcode: formatRcode((finished[FLAGS_OFF + 1] ?? 0) & RCODE_MASK),
        type: formatType(query.type),
        transport: client.transport,
        bytes: finished.length,
        seconds: (surroundings.nowMs() - beganMs) / MS_PER_SEC,
      });
      return finished;
    },
    caches: [...prepared.values()].flatMap(({ server, plugins, view }) =>
      plugins.flatMap(({ core }) => {
        if (core?.cache === undefined) return [];
        const { id, zones: cached } = core.cache;
        return [{ id, server, zones: zonesText(cached), view: view?.name ?? '' }];
      }),
    ),
    refresh: (cache, message) => {
      const query = queryOf(message, OURSELVES);
      const owner = [...prepared.values()].find(({ plugins }) =>
        plugins.some(({ core }) => core?.cache?.id === cache),
      );
      if (query !== undefined) void owner?.handle({ ...query, refreshes: cache });
    },
    notReady: () =>
      [...prepared.values()].flatMap(({ plugins }) =>
        plugins.flatMap((plugin) => {
          const why = plugin.notReady?.();
          return why === undefined ? [] : [`${plugin.name}: ${why}`];
        }),
      ),
    close,
  };
}
