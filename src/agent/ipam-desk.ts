/** What `sluice ipam` and `sluice cni list` are answered with: addresses beside attachments. */
import { formatAddress } from '../addr.js';
import type { Address } from '../addr.js';
import type { StoredAttachment } from '../cni/attachment-store.js';
import { DataplaneError } from '../errors.js';
import { ownerKey } from '../ipam/ipam.js';
import type { Lease, Owner } from '../ipam/ipam.js';
import { numberOf } from '../ipam/number.js';
import type { BlockIpam } from '../ipam/blocks/block-ipam.js';
import type { RangeIpam } from '../ipam/range/range-ipam.js';
import { formatRangeSet, isWithin, parseRangeSets } from '../ipam/range/ranges.js';
import type { Range, RangeSet } from '../ipam/range/ranges.js';
import type { AttachmentRow, Count, IpamFinding, IpamReport, NodeDesk } from '../ops/ipam.js';
import type { LeakSweepParts } from './leak-sweep.js';

export type DeskParts = Pick<
  LeakSweepParts,
  'store' | 'addresses' | 'turns' | 'undo' | 'isThere' | 'hasPod'
>;

const nameOf = ({ network, containerId, ifname }: Owner): string =>
  `container ${containerId} ${ifname} of network ${network}`;

/** Numbers of a range that are never given. */
function reservedIn({ first, last, gateway, unusable }: Range): number {
  const kept = new Set([gateway, ...unusable]);
  return [...kept].filter((number) => number >= first && number <= last).length;
}

/** A number as long as it is exact, digits beyond. */
const exactly = (count: bigint): Count =>
  count <= Number.MAX_SAFE_INTEGER ? Number(count) : String(count);

function rangeRow(set: RangeSet, idx: number, leases: readonly Lease[]) {
  return {
    name: `set ${idx}`,
    addresses: formatRangeSet(set),
    size: exactly(set.reduce((sum, { first, last }) => sum + last - first + 1n, 0n)),
    inUse: leases.filter(({ address }) => isWithin(set, numberOf(address))).length,
    reserved: set.reduce((sum, range) => sum + reservedIn(range), 0),
  };
}

async function showRange(ipam: RangeIpam): Promise<IpamReport> {
  const leases = await ipam.leases();
  const ranges = ipam.ranges();
  const sets = ranges === undefined ? [] : parseRangeSets(ranges);
  const strays = leases.filter(
    ({ address }) => !sets.some((set) => isWithin(set, numberOf(address))),
  );
  const why = await ipam.status();
  const broken = new Set(ipam.broken().map((network) => network.why));
  return {
    mode: 'range',
    pools: sets.map((set, i) => rangeRow(set, i, leases)),
    nodes: [],
    complaints: [
      ...strays.map(
        ({ address, owner }) => `${formatAddress(address)} of ${nameOf(owner)} is in no range`,
      ),
      ...broken,
      ...(why === undefined || broken.has(why) ? [] : [why]),
    ],
  };
}

async function showBlocks(ipam: BlockIpam): Promise<IpamReport> {
  const { pools, nodes, complaints } = await ipam.overview();
  return {
    mode: 'blocks',
    pools: pools.map(({ name, cidr, size, inUse, reserved, borrowed, blocks, disabled }) => ({
      ...{ name, addresses: cidr, inUse, borrowed, blocks, disabled },
      size: exactly(size),
      reserved: exactly(reserved),
    })),
    nodes,
    complaints,
  };
}

/** Addresses that two have. */
function doubles(
  held: readonly { readonly address: string; readonly who: string }[],
): IpamFinding[] {
  const holders = new Map<string, Set<string>>();
  for (const { address, who } of held) {
    holders.set(address, (holders.get(address) ?? new Set()).add(who));
  }
  return [...holders]
    .filter(([, who]) => who.size > 1)
    .map(([subject, who]) => ({
      kind: 'double',
      subject,
      text: `held by ${[...who].join(' and ')}`,
    }));
}

export function createDesk(parts: DeskParts): NodeDesk {
  const { store, addresses, turns, undo, isThere, hasPod } = parts;

  const stateOf = (record: StoredAttachment): AttachmentRow['state'] => {
    if (record.isPending) return 'pending';
    return isThere(record) ? 'attached' : 'gone';
  };

  const rowOf = (record: StoredAttachment): AttachmentRow => {
    const { network, containerId, ifname, pod, ips, netns, delegate, sinceMs } = record;
    return {
      ...{ network, containerId, ifname, netns, addresses: ips },
      pod: pod && `${pod.namespace}/${pod.name}`,
      delegate: delegate?.type,
      since: new Date(sinceMs).toISOString(),
      state: stateOf(record),
    };
  };

  /** Records of a lease's owner: all of its container when it names no interface. */
  const recordsOf = (owner: Owner): readonly StoredAttachment[] =>
    store
      .all()
      .filter(
        (r) =>
          r.network === owner.network &&
          r.containerId === owner.containerId &&
          (owner.ifname === '' || r.ifname === owner.ifname),
      );

  const checkRange = async (ipam: RangeIpam): Promise<IpamFinding[]> => {
    const leases = await ipam.leases();
    const bare = leases.filter(
      ({ owner, address }) => recordsOf(owner).length === 0 && hasPod?.(address) !== true,
    );
    return [
      ...bare.map(({ owner, address }): IpamFinding => {
        const text = `given to ${nameOf(owner)}, which has no attachment here; another plugin's, or leaked`;
        return { kind: 'leaked', subject: formatAddress(address), text };
      }),
      ...doubles(
        leases.map(({ owner, address }) => ({
          address: formatAddress(address),
          who: nameOf(owner),
        })),
      ),
      ...ipam.broken().map(({ path, why }): IpamFinding => {
        return { kind: 'broken', subject: path, text: why };
      }),
      ...ipam.unknownFiles().map((subject): IpamFinding => {
        return {
          kind: 'unknown',
          subject,
          text: 'neither an address nor anything else of the layout',
        };
      }),
    ];
  };

  const checkBlocks = async (ipam: BlockIpam): Promise<IpamFinding[]> => {
    const findings = await ipam.check({
      isAlive: ({ owner, address }) => recordsOf(owner).length > 0 || hasPod?.(address) === true,
    });
    return [...findings];
  };

  /** What an attachment uses has to be given to it, and to nobody else. */
  const checkAttachments = async (): Promise<IpamFinding[]> => {
    const records = store.all().filter(({ isPending }) => !isPending);
    const leases = await addresses.ipam.leases();
    const given = new Set(leases.map((l) => `${ownerKey(l.owner)} ${formatAddress(l.address)}`));
    const missing = records
      .filter(({ delegate }) => delegate === undefined)
      .flatMap((record) => record.ips.map((ip) => ({ record, ip })))
      .filter(({ record, ip }) => !given.has(`${ownerKey(record)} ${ip}`))
      .map(({ record, ip }): IpamFinding => {
        return {
          kind: 'missing',
          subject: ip,
          text: `used by ${nameOf(record)}, but not given to it`,
        };
      });
    const used = records.flatMap((r) => r.ips.map((address) => ({ address, who: nameOf(r) })));
    return [...missing, ...doubles(used)];
  };

  const refuse = (message: string): never => {
    throw new DataplaneError('ERR_USAGE', message);
  };

  /** Who has an address: an attachment, or a lease without one. */
  const holderOf = async (address: string): Promise<Owner | undefined> => {
    const record = store.all().find(({ ips }) => ips.includes(address));
    if (record !== undefined) return record;
    const leases = await addresses.ipam.leases();
    return leases.find((lease) => formatAddress(lease.address) === address)?.owner;
  };

  const free = async (owner: Owner, address: Address, isForced: boolean): Promise<string> => {
    const record = store.find(owner);
    const text = formatAddress(address);
    const hint = 'delete its pod, or say --force';
    if (record === undefined) {
      if (!isForced && hasPod?.(address) === true) refuse(`${text} is in use by a Pod: ${hint}`);
      const given = (await addresses.ipam.release(owner)).map(formatAddress);
      return given.length === 0
        ? `${text} has been given back meanwhile`
        : `given back: ${given.join(', ')} of ${nameOf(owner)}, which has no attachment`;
    }
    const state = stateOf(record);
    if (!isForced && state === 'attached') refuse(`${text} is in use by ${nameOf(owner)}: ${hint}`);
    await undo({ network: owner.network, containerId: owner.containerId, ifname: owner.ifname });
    const end = {
      attached: 'which is cut off now',
      pending: 'which was never completed',
      gone: 'whose container is gone',
    }[state];
    return `given back: ${record.ips.join(', ') || text} of ${nameOf(owner)}, ${end}`;
  };

  return {
    show: () =>
      addresses.mode === 'range' ? showRange(addresses.ipam) : showBlocks(addresses.ipam),
    check: async () => {
      const { mode, ipam } = addresses;
      const own = mode === 'range' ? await checkRange(ipam) : await checkBlocks(ipam);
      return [...own, ...(await checkAttachments())];
    },
    release: async (address, isForced) => {
      const text = formatAddress(address);
      const owner = await holderOf(text);
      if (owner === undefined) return refuse(`${text} is given to nobody on this node`);
      return turns.take(ownerKey(owner), () => free(owner, address, isForced));
    },
    attachments: () => store.all().map(rowOf),
  };
}
