/** Configuration keys of who gives pods their addresses. */
import { z } from 'zod';
import { parseAddress } from '../addr.js';
import { blockChecks, blockRows, completeBlocks } from './ipam-blocks.js';
import type { BlocksConfig } from './ipam-blocks.js';
import type { Broken } from './proxy.js';
import { count, row, rowOr } from './rows.js';
import { messageOf } from '../errors.js';
import type { AddressRange } from '../ipam/ipam.js';
import { parseRangeSets } from '../ipam/range/ranges.js';
import { parsePoolCidr } from '../pool-prefix.js';
import { parsed } from '../validate.js';

const WEEK_SEC = 604_800;

/** Checked, and kept as it is written: ranges go on as text, as they come in requests. */
const textOf = (parse: (text: string) => unknown) =>
  parsed((text) => {
    parse(text);
    return text;
  });

const rangeSchema = z.strictObject({
  subnet: row(textOf(parsePoolCidr), 'CIDR', 'addresses are taken from this prefix'),
  rangeStart: row(textOf(parseAddress).optional(), 'IP', 'the first one; default the first usable'),
  rangeEnd: row(textOf(parseAddress).optional(), 'IP', 'the last one; default the last usable'),
  gateway: row(
    textOf(parseAddress).optional(),
    'IP',
    'never given to a pod; default the first address of the subnet',
  ),
});

const ipamSchema = z.strictObject({
  mode: rowOr(
    z.enum(['range', 'blocks']),
    'range',
    'range|blocks',
    "where addresses come from: this node's ranges, or blocks of pools that all nodes share",
  ),
  ranges: rowOr(
    z.array(z.array(rangeSchema)),
    [],
    'list of lists',
    'a pod gets an address of each set, from any of its ranges; default podCIDRs of the Node',
  ),
  dataDir: rowOr(
    z.string().min(1, { error: 'expected a path' }),
    '/var/lib/cni/networks',
    'DIR',
    "addresses given out, a folder for each network, in host-local's layout",
  ),
  cooldownSec: rowOr(count(0, WEEK_SEC), 0, 'seconds', 'an address given back is not given again'),
  leakGraceSec: rowOr(
    count(0, WEEK_SEC),
    300,
    'seconds',
    'an address whose pod is not there is kept for it; 0: none is ever freed',
  ),
  ...blockRows,
});

export const ipamRows = {
  ipam: rowOr(ipamSchema, {}, 'mapping', 'addresses of pods'),
};

interface Parsed {
  readonly source: { readonly kubernetes?: unknown };
  readonly ipam: z.output<typeof ipamSchema>;
}

export interface IpamConfig {
  readonly ipam: {
    readonly mode: 'range' | 'blocks';
    /** Undefined: the Node says them. */
    readonly ranges: readonly (readonly AddressRange[])[] | undefined;
    readonly dataDir: string;
    readonly cooldownSec: number;
    readonly leakGraceSec: number;
    /** With mode blocks, and only then. */
    readonly blocks: BlocksConfig | undefined;
  };
}

/** Keys of the other mode. */
function misplaced({ mode, ranges, store, pools }: Parsed['ipam']): Broken[] {
  const wrong =
    mode === 'blocks'
      ? { ranges: ranges.length > 0 }
      : { store: store !== undefined, pools: pools.length > 0 };
  const expectation = `expected none with mode ${mode}`;
  return Object.entries(wrong).flatMap(([key, isThere]) =>
    isThere ? [{ path: ['ipam', key], expectation }] : [],
  );
}

function checkRanges({ ranges }: Parsed['ipam']): Broken[] {
  if (ranges.length === 0) return [];
  try {
    parseRangeSets(rangesOf(ranges));
    return [];
  } catch (cause) {
    return [{ path: ['ipam', 'ranges'], expectation: messageOf(cause) }];
  }
}

/** Rules that need more than one key. */
export function ipamChecks({ ipam, source }: Parsed): Broken[] {
  const broken = misplaced(ipam);
  if (ipam.mode === 'range') return [...broken, ...checkRanges(ipam)];
  broken.push(...blockChecks(ipam));
  if (ipam.store?.kubernetes === true && source.kubernetes === undefined) {
    const path = ['ipam', 'store', 'kubernetes'];
    broken.push({ path, expectation: 'expected source.kubernetes with it' });
  }
  return broken;
}

/** Without the keys that are not given. */
function rangesOf(ranges: Parsed['ipam']['ranges']): readonly (readonly AddressRange[])[] {
  return ranges.map((set) =>
    set.map(({ subnet, rangeStart, rangeEnd, gateway }) => ({
      subnet,
      ...(rangeStart === undefined ? {} : { rangeStart }),
      ...(rangeEnd === undefined ? {} : { rangeEnd }),
      ...(gateway === undefined ? {} : { gateway }),
    })),
  );
}

/** Fill in what depends on other keys. @param absolute  a path from the file's own folder */
export function completeIpam({ ipam }: Parsed, absolute: (path: string) => string): IpamConfig {
  const { mode, cooldownSec, leakGraceSec } = ipam;
  const ranges = ipam.ranges.length === 0 ? undefined : rangesOf(ipam.ranges);
  const blocks = mode === 'blocks' ? completeBlocks(ipam, absolute) : undefined;
  const dataDir = absolute(ipam.dataDir);
  return { ipam: { mode, ranges, dataDir, cooldownSec, leakGraceSec, blocks } };
}
