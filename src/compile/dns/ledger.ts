/**
 * What is programmed, and writing what differs: of each name a digest of its value, not the value.
 *
 * A batch is written, sent, and comes back with what was refused of it; until then it is taken for
 * applied.
 */
import { DeltaError } from '../../../assembly/abi.js';
import { createNamesWriter, refusedNames } from '../../core/names-writer.js';
import { encodeValue } from './rrsets.js';
import type { NameRecord } from './rrsets.js';
import { nameBelow } from './wire-names.js';

/** Names of one object below one suffix: their digests by what is in front of the suffix. */
export type Ledger = Map<string, number>;

/** A record of a batch that the core would not apply. */
export interface Refusal<Owner> {
  readonly owner: Owner;
  readonly name: Uint8Array;
  readonly error: DeltaError;
}

interface Sent<Owner> {
  readonly owner: Owner;
  readonly ledger: Ledger;
  readonly key: string;
  /** Digests; undefined: not there. */
  readonly before: number | undefined;
  readonly after: number | undefined;
}

export interface Batch<Owner> {
  /** State all names that an object has below a suffix; others of its ledger are removed. */
  settle(owner: Owner, ledger: Ledger, suffix: Uint8Array, wished: readonly NameRecord[]): void;
  /** State one name of a ledger, and nothing of the others. */
  settleOne(owner: Owner, ledger: Ledger, wish: Wish): void;
  /** About as many as `take` will give. */
  bytes(): number;
  take(): Uint8Array;
  /** The records are back with their results. */
  settleRefused(records: Uint8Array): Refusal<Owner>[];
}

/** A name, and what it is to have if it is to be there. */
export interface Wish {
  readonly key: string;
  /** Wire name. */
  readonly name: Uint8Array;
  readonly record: NameRecord | undefined;
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** Any odd number: a second lane that mixes in another way. */
const SECOND_PRIME = 0x85ebca6b;
const HIGH_BITS = 2 ** 21;
const LOW_SHIFT = 11;
const RECORD_HEAD = 32;

/** 53 bits over a value and its flags: two FNV-1a lanes. */
function digest(bytes: Uint8Array, flags: number): number {
  let a = FNV_OFFSET ^ flags;
  let b = FNV_OFFSET ^ bytes.length;
  for (let i = 0; i < bytes.length; i++) {
    const octet = bytes[i] ?? 0;
    a = Math.imul(a ^ octet, FNV_PRIME);
    b = Math.imul(b ^ octet, SECOND_PRIME);
    b ^= b >>> 15;
  }
  return (a >>> 0) * HIGH_BITS + (b >>> LOW_SHIFT);
}

export function createBatch<Owner>(space: number): Batch<Owner> {
  const writer = createNamesWriter();
  const sent: Sent<Owner>[] = [];
  let bytes = 0;

  const note = (change: Sent<Owner>, size: number): void => {
    const { ledger, key, after } = change;
    sent.push(change);
    bytes += RECORD_HEAD + size;
    if (after === undefined) ledger.delete(key);
    else ledger.set(key, after);
  };

  const put = (owner: Owner, ledger: Ledger, { key, name, flags, sets }: NameRecord): void => {
    const value = encodeValue(name, sets);
    const after = digest(value, flags);
    const before = ledger.get(key);
    if (before === after) return;
    note({ owner, ledger, key, before, after }, name.length + value.length);
    writer.put(space, flags, name, value);
  };

  const remove = (owner: Owner, ledger: Ledger, key: string, name: Uint8Array): void => {
    const before = ledger.get(key);
    if (before === undefined) return;
    note({ owner, ledger, key, before, after: undefined }, name.length);
    writer.remove(space, name);
  };

  return {
    settle: (owner, ledger, suffix, wished) => {
      for (const record of wished) put(owner, ledger, record);
      if (ledger.size === wished.length) return;
      const keys = new Set(wished.map(({ key }) => key));
      for (const key of [...ledger.keys()]) {
        if (!keys.has(key)) remove(owner, ledger, key, nameBelow(key, suffix));
      }
    },
    settleOne: (owner, ledger, { key, name, record }) => {
      if (record === undefined) remove(owner, ledger, key, name);
      else put(owner, ledger, record);
    },
    bytes: () => bytes,
    take: () => writer.take(),
    settleRefused: (records) => {
      const refusals: Refusal<Owner>[] = [];
      for (const { record, name, error } of refusedNames(records)) {
        const change = sent[record];
        // What is not there need not be removed.
        if (change === undefined || error === DeltaError.ABSENT) continue;
        const { owner, ledger, key, before, after } = change;
        const isLast = ledger.get(key) === after;
        if (isLast && before === undefined) ledger.delete(key);
        if (isLast && before !== undefined) ledger.set(key, before);
        refusals.push({ owner, name: name.slice(), error });
      }
      return refusals;
    },
  };
}
