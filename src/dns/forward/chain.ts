/**
 * Which records of an answer belong to the question.
 *
 * The name asked for, and what CNAMEs lead to from there, is the chain. A record whose owner is not
 * on it was not asked for: a server that adds one is broken, and a forger's reply is made of them.
 *
 * Spec  RFC 1034 3.6.2 (CNAME), RFC 2181 10.1 (one a name), RFC 5452 3 and 6, RFC 6672 3.1 (DNAME)
 */
import { RecordType } from '../wire/header.js';
import type { Message, RecordAt } from '../wire/message.js';
import { isWithin, nameKey } from '../wire/name.js';
import { readName } from '../wire/read-name.js';

/** Links followed from a question; longer chains are loops or mistakes. */
export const CHAIN_MAX = 10;

const CNAME = RecordType.CNAME;
const DNAME = RecordType.DNAME;

interface Owned {
  readonly record: RecordAt;
  readonly owner: Uint8Array;
  readonly key: string;
}

export interface Chain {
  /** Records of the answer section that do not belong to the question. */
  readonly strangers: ReadonlySet<RecordAt>;
  /** Whether the CNAMEs return to a name, or do not end within `CHAIN_MAX` links. */
  readonly isEndless: boolean;
}

/** Names from `start` along CNAMEs, and the records that were followed; undefined when endless. */
function followCnames(start: Uint8Array, bytes: Uint8Array, cnames: ReadonlyMap<string, Owned>) {
  const names = new Map([[nameKey(start), start]]);
  const followed = new Set<RecordAt>();
  let link = cnames.get(nameKey(start));
  while (link !== undefined) {
    const target = readName(bytes, link.record.rdataOff);
    if (target === undefined) break;
    const key = nameKey(target);
    if (names.has(key) || followed.size === CHAIN_MAX) return undefined;
    followed.add(link.record);
    names.set(key, target);
    link = cnames.get(key);
  }
  return { names, followed };
}

/** Look at the answer section of a sound reply. @param question  the name asked for, wire form */
export function chainOf({ bytes, records }: Message, question: Uint8Array): Chain {
  const owned: Owned[] = [];
  const cnames = new Map<string, Owned>();
  for (const record of records) {
    if (record.section !== 'answer') continue;
    const owner = readName(bytes, record.nameOff) ?? Uint8Array.of(0);
    const own: Owned = { record, owner, key: nameKey(owner) };
    owned.push(own);
    if (record.type === CNAME && !cnames.has(own.key)) cnames.set(own.key, own);
  }
  const chain = followCnames(question, bytes, cnames);
  if (chain === undefined) return { strangers: new Set(), isEndless: true };
  const { names, followed } = chain;
  const belongs = ({ record, owner, key }: Owned): boolean => {
    if (record.type === CNAME) return followed.has(record);
    if (names.has(key)) return true;
    // A DNAME stands above the name it rewrites; the CNAME made from it is on the chain.
    return record.type === DNAME && [...names.values()].some((name) => isWithin(name, owner));
  };
  const strangers = owned.filter((own) => !belongs(own)).map(({ record }) => record);
  return { strangers: new Set(strangers), isEndless: false };
}
