import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatAddress, parseAddress } from '../../../src/addr.js';
import { IpamError } from '../../../src/ipam/ipam.js';
import type { AddressRange, AddressRequest, Owner } from '../../../src/ipam/ipam.js';
import { createRangeIpam } from '../../../src/ipam/range/range-ipam.js';
import type { RangeIpam, RangeIpamOptions } from '../../../src/ipam/range/range-ipam.js';

export const NETWORK = 'net';
const dataDirs: string[] = [];
process.on('exit', () => {
  for (const dataDir of dataDirs) rmSync(dataDir, { recursive: true, force: true });
});

export function newDataDir(): string {
  const dataDir = mkdtempSync(join(tmpdir(), 'sluice-range-'));
  dataDirs.push(dataDir);
  mkdirSync(join(dataDir, NETWORK), { recursive: true });
  return dataDir;
}

export const owner = (containerId: string, ifname = 'eth0'): Owner => ({
  network: NETWORK,
  containerId,
  ifname,
});

export const request = (
  of: Owner,
  requested: readonly string[] = [],
  rest: Partial<AddressRequest> = {},
): AddressRequest => ({
  owner: of,
  pod: undefined,
  requested: requested.map(parseAddress),
  rangeSets: [],
  pools: [],
  ...rest,
});

export type Ranges = readonly (readonly AddressRange[])[];

export interface Rig {
  readonly ipam: RangeIpam;
  readonly dataDir: string;
  /** Addresses, or `kind: message` of the refusal. */
  add(of: Owner, requested?: readonly string[]): Promise<readonly string[] | string>;
  del(of: Owner): Promise<readonly string[]>;
}

export function rig(ranges: Ranges, rest: Partial<RangeIpamOptions> = {}): Rig {
  const dataDir = rest.dataDir ?? newDataDir();
  const networks = [NETWORK];
  const own = { dataDir, ranges: () => ranges, now: Date.now, networks, ...rest };
  const ipam = createRangeIpam(own);
  return {
    ipam,
    dataDir,
    async add(of, requested) {
      try {
        return (await ipam.acquire(request(of, requested))).map(formatAddress);
      } catch (cause) {
        if (!(cause instanceof IpamError)) throw cause;
        return `${cause.kind}: ${cause.message}`;
      }
    },
    del: async (of) => (await ipam.release(of)).map(formatAddress),
  };
}

/** Every file of the network but the lock, with its contents. */
export function filesOf(dataDir: string): Record<string, string> {
  const folder = join(dataDir, NETWORK);
  const names = readdirSync(folder).filter((name) => name !== 'lock');
  return Object.fromEntries(
    names.sort().map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
  );
}
