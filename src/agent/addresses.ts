/** Who gives addresses to this node's pods: what the configuration says. */
import { formatCidr } from '../addr.js';
import type { AttachmentStore } from '../cni/attachment-store.js';
import type { Control } from '../compile/control.js';
import type { SluiceConfig } from '../config/config.js';
import type { BlocksConfig } from '../config/ipam-blocks.js';
import { createBlockIpam } from '../ipam/blocks/block-ipam.js';
import type { BlockIpam } from '../ipam/blocks/block-ipam.js';
import type { AddressRange } from '../ipam/ipam.js';
import { createRangeIpam } from '../ipam/range/range-ipam.js';
import type { RangeIpam } from '../ipam/range/range-ipam.js';
import { openStore } from '../ipam/store/open.js';
import type { Store } from '../ipam/store/store.js';
import type { Log } from '../log.js';
import { createClient } from '../sources/kubernetes/client.js';
import { jsonRequest } from '../sources/kubernetes/json-request.js';
import { connectionOf } from '../sources/open.js';

const MS_PER_SEC = 1000;
/** The label that every namespace has; others of it are not known here. */
const NAMESPACE_LABEL = 'kubernetes.io/metadata.name';

export type Addresses =
  | { readonly mode: 'range'; readonly ipam: RangeIpam }
  | { readonly mode: 'blocks'; readonly ipam: BlockIpam };

export interface AddressesParts {
  readonly config: Pick<SluiceConfig, 'ipam' | 'source' | 'nodeName' | 'cni'>;
  readonly control: Pick<Control, 'ownNode'>;
  readonly records: Pick<AttachmentStore, 'all' | 'find'>;
  readonly log: Log;
}

/** The ranges of this node's object, one set a family; undefined while it has none. */
function rangesOfNode(
  control: AddressesParts['control'],
): readonly (readonly AddressRange[])[] | undefined {
  const cidrs = control.ownNode()?.podCIDRs ?? [];
  if (cidrs.length === 0) return undefined;
  const ofFamily = (family: 4 | 6): AddressRange[] =>
    cidrs.filter((cidr) => cidr.family === family).map((cidr) => ({ subnet: formatCidr(cidr) }));
  return [ofFamily(4), ofFamily(6)].filter((set) => set.length > 0);
}

/** The configured network is served from the beginning, and those that have attachments. */
function openRange({ config, control, records, log }: AddressesParts): RangeIpam {
  const { dataDir, ranges, cooldownSec } = config.ipam;
  const networks = records.all().map(({ network }) => network);
  return createRangeIpam({
    dataDir,
    ranges: () => ranges ?? rangesOfNode(control),
    now: Date.now,
    cooldownMs: cooldownSec * MS_PER_SEC,
    networks: [...new Set([...(config.cni === undefined ? [] : [config.cni.name]), ...networks])],
    hasOwnRanges: (owner) => records.find(owner)?.hasOwnRanges === true,
    onBroken: (complaint) => {
      log.warn(`ipam: ${complaint}`);
    },
  });
}

/** A store in the API server holds a connection of its own. */
async function openBlockStore(
  { store: spec }: BlocksConfig,
  source: SluiceConfig['source'],
): Promise<Store> {
  if (spec.kind !== 'kubernetes' || source.kubernetes === undefined) return openStore(spec);
  const client = createClient(connectionOf(source.kubernetes));
  const store = await openStore(spec, jsonRequest(client));
  return {
    ...store,
    close: async () => {
      await store.close();
      client.close();
    },
  };
}

async function openBlocks(blocks: BlocksConfig, parts: AddressesParts): Promise<BlockIpam> {
  const { config, control, log } = parts;
  const { cooldownSec, leakGraceSec } = config.ipam;
  const { inline, strictAffinity, maxBlocksPerHost } = blocks;
  return createBlockIpam({
    store: await openBlockStore(blocks, config.source),
    nodeName: config.nodeName,
    nodeLabels: () => Object.fromEntries(control.ownNode()?.labels ?? []),
    namespaceLabels: (namespace) => ({ [NAMESPACE_LABEL]: namespace }),
    ...(inline === undefined ? {} : { inline }),
    strictAffinity,
    maxBlocksPerHost,
    cooldownMs: cooldownSec * MS_PER_SEC,
    leakGraceMs: leakGraceSec * MS_PER_SEC,
    onBroken: (complaint) => {
      log.warn(`ipam: ${complaint}`);
    },
  });
}

/** @throws StoreError, DataplaneError  when the store cannot be opened at all */
export async function openAddresses(parts: AddressesParts): Promise<Addresses> {
  const { blocks } = parts.config.ipam;
  if (blocks !== undefined) return { mode: 'blocks', ipam: await openBlocks(blocks, parts) };
  return { mode: 'range', ipam: openRange(parts) };
}
