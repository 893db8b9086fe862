/** Addresses and attachments of a node as the command line asks for them, and as people see them. */
import type { Address } from '../addr.js';
import { formatTable } from './format.js';

/** Of addresses: digits where a number would not be exact. */
export type Count = number | string;

export interface PoolRow {
  readonly name: string;
  /** Prefix of a pool, bounds of a range. */
  readonly addresses: string;
  readonly size: Count;
  readonly inUse: number;
  /** Never given by themselves. */
  readonly reserved: Count;
  /** Of those in use, from blocks of other nodes. With blocks only, like the next. */
  readonly borrowed?: number;
  readonly blocks?: number;
  readonly disabled?: boolean;
}

export interface NodeRow {
  readonly node: string;
  readonly blocks: number;
  readonly inUse: number;
  readonly borrowed: number;
}

export interface IpamReport {
  readonly mode: 'range' | 'blocks';
  readonly pools: readonly PoolRow[];
  /** With blocks. */
  readonly nodes: readonly NodeRow[];
  /** What is wrong with the pools or ranges themselves. */
  readonly complaints: readonly string[];
}

export interface IpamFinding {
  readonly kind: 'double' | 'leaked' | 'unknown' | 'broken' | 'missing';
  /** An address, a prefix, a path or a key. */
  readonly subject: string;
  readonly text: string;
}

export interface AttachmentRow {
  readonly network: string;
  readonly containerId: string;
  readonly ifname: string;
  /** `namespace/name`, when the runtime has said it. */
  readonly pod: string | undefined;
  readonly addresses: readonly string[];
  readonly netns: string;
  /** Of the plugin that gave the addresses, when it was another one. */
  readonly delegate: string | undefined;
  readonly since: string;
  /** `gone`: neither its namespace nor its link is there. */
  readonly state: 'attached' | 'pending' | 'gone';
}

/** What an agent that serves CNI answers. */
export interface NodeDesk {
  show(): Promise<IpamReport>;
  check(): Promise<readonly IpamFinding[]>;
  /**
   * Give an address back, with everything its owner has.
   *
   * @param isForced  also one that is in use
   * @returns what was done, a sentence
   * @throws  DataplaneError ERR_USAGE  nobody has it; somebody uses it
   */
  release(address: Address, isForced: boolean): Promise<string>;
  attachments(): readonly AttachmentRow[];
}

const number = (count: Count | undefined): string => (count === undefined ? '-' : String(count));

export function formatIpam({ mode, pools, nodes, complaints }: IpamReport): string {
  const headings = ['NAME', 'ADDRESSES', 'SIZE', 'IN USE', 'RESERVED', 'BORROWED', 'BLOCKS'];
  const rows = pools.map((pool) => [
    pool.disabled === true ? `${pool.name} (disabled)` : pool.name,
    pool.addresses,
    number(pool.size),
    number(pool.inUse),
    number(pool.reserved),
    number(pool.borrowed),
    number(pool.blocks),
  ]);
  const parts = [
    pools.length === 0
      ? `no ${mode === 'range' ? 'ranges' : 'pools'}`
      : formatTable(headings, rows),
  ];
  if (nodes.length > 0) {
    const lines = nodes.map((node) => [
      node.node,
      number(node.blocks),
      number(node.inUse),
      number(node.borrowed),
    ]);
    parts.push('', formatTable(['NODE', 'BLOCKS', 'IN USE', 'BORROWED'], lines));
  }
  if (complaints.length > 0) parts.push('', ...complaints);
  return parts.join('\n');
}

export function formatFindings(findings: readonly IpamFinding[]): string {
  if (findings.length === 0) return 'nothing is wrong';
  return findings.map(({ kind, subject, text }) => `${kind} ${subject}: ${text}`).join('\n');
}

export function formatAttachments(rows: readonly AttachmentRow[]): string {
  if (rows.length === 0) return 'no attachments';
  const headings = ['NETWORK', 'CONTAINER', 'IFNAME', 'POD', 'ADDRESSES', 'STATE', 'SINCE'];
  return formatTable(
    headings,
    rows.map((row) => [
      row.network,
      row.containerId,
      row.ifname,
      row.pod ?? '-',
      row.addresses.join(',') || '-',
      row.state,
      row.since,
    ]),
  );
}
