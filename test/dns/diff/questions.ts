/** Random questions about a cluster, most of them about names that are there, some no questions at all. */
import { chance, pick } from './cluster.js';
import type { Random } from '../../fuzz/frames.js';
import type { Model } from './model.js';

/** What has to become of a message that is no question (spec/dns.md 3.12). */
export type Fault = 'DROP' | 'FORMERR' | 'NOTIMP' | 'REFUSED' | 'BADVERS';

export interface Question {
  readonly message: Uint8Array;
  /** As it is spelt in the message, without its final dot. */
  readonly name: string;
  /** `A`, `TYPE65280` */
  readonly type: string;
  /** Of an OPT record; undefined: there is none. */
  readonly udpSize: number | undefined;
  readonly fault: Fault | undefined;
}

/** RFC 1035 3.2.2 and others. */
const TYPES: Readonly<Record<string, number>> = {
  ...{ A: 1, CNAME: 5, SOA: 6, PTR: 12, MX: 15, TXT: 16, AAAA: 28, SRV: 33, DS: 43 },
  ...{ HTTPS: 65, TYPE65280: 65_280, IXFR: 251, AXFR: 252, ANY: 255, OPT: 41 },
};
const COMMON = ['A', 'AAAA', 'SRV', 'PTR', 'CNAME', 'TXT'];
const UDP_SIZES = [undefined, undefined, 0, 512, 1232, 4096, 65_535];
const LABELS = ['nosuch', '*', '_http', '_tcp', 'a', 'svc', '10-1-2-3', '1-2-3-400', 'any'];

const u16 = (n: number): number[] => [n >> 8, n & 0xff];

function wireName(name: string): number[] {
  const labels = name.split('.').filter((label) => label !== '');
  return [...labels.flatMap((label) => [label.length, ...Buffer.from(label)]), 0];
}

const optRecord = (size: number, version = 0): number[] => [
  ...[0, ...u16(41), ...u16(size), 0, version],
  ...[0x80, 0, 0, 0],
];

/** Letters in upper case here and there. */
function spell(random: Random, name: string): string {
  if (chance(random, 2)) return name;
  return Array.from(name, (c) => (chance(random, 2) ? c.toUpperCase() : c)).join('');
}

function randomName(random: Random, { names, cluster }: Model): string {
  const name = pick(random, [...names.keys()]);
  const labels = name.split('.');
  switch (random(10)) {
    case 0:
      return [pick(random, LABELS), ...labels].join('.');
    case 1:
      return [pick(random, LABELS), ...labels.slice(1)].join('.');
    case 2:
      return labels.slice(1 + random(2)).join('.');
    case 3: {
      const namespace = pick(random, [...cluster.namespaces, 'nosuch']);
      const pod = `${random(256)}-${random(300)}-0-${random(256)}`;
      return `${pod}.${namespace}.pod.${cluster.domain}`;
    }
    default:
      return name;
  }
}

const HEADER_LEN = 12;
const LENGTH_MAX = 255;

/** A question that is not one, and what has to come of it. */
function spoil(random: Random, message: number[], questionEnd: number): [number[], Fault] {
  const bytes = [...message];
  const set = (at: number, value: number): number[] => bytes.with(at, value);
  switch (random(11)) {
    case 0:
      return [bytes.slice(0, random(HEADER_LEN)), 'DROP'];
    case 1:
      return [set(2, 0x81), 'DROP'];
    case 2:
      return [set(2, pick(random, [0x09, 0x11, 0x21, 0x29])), 'NOTIMP'];
    case 3:
      return [set(5, pick(random, [0, 2, 255])), 'FORMERR'];
    case 4:
      return [set(pick(random, [7, 9]), 1), 'FORMERR'];
    case 5:
      return [bytes.slice(0, HEADER_LEN + random(questionEnd - HEADER_LEN)), 'FORMERR'];
    case 6:
      return [set(HEADER_LEN, pick(random, [0x40, 0x80, 0xbf, 0xc0, 0xff])), 'FORMERR'];
    case 7:
      return [set(questionEnd - 1, pick(random, [0, 3, 254, 255])), 'REFUSED'];
    case 8: {
      const question = bytes.slice(0, questionEnd).with(11, 1);
      return [[...question, ...optRecord(1232, 1)], 'BADVERS'];
    }
    case 9: {
      const question = bytes.slice(0, questionEnd).with(11, 2);
      return [[...question, ...optRecord(1232), ...optRecord(1232)], 'FORMERR'];
    }
    default: {
      const question = bytes.slice(0, questionEnd).with(11, 1);
      return [[...question, ...optRecord(1232).slice(0, random(11))], 'FORMERR'];
    }
  }
}

/** A question that the seed determines. */
export function randomQuestion(random: Random, model: Model): Question {
  let name = spell(random, randomName(random, model));
  if (wireName(name).length > LENGTH_MAX) name = model.cluster.domain;
  const own = (model.names.get(name.toLowerCase()) ?? []).map((record) => record.type);
  const types = chance(random, 3) || own.length === 0 ? COMMON : own;
  const type = chance(random, 6) ? pick(random, Object.keys(TYPES)) : pick(random, types);
  const udpSize = pick(random, UDP_SIZES);
  const header = [
    ...u16(random(0x10000)),
    1,
    0,
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    udpSize === undefined ? 0 : 1,
  ];
  const question = [...wireName(name), ...u16(TYPES[type] ?? 0), ...u16(1)];
  const message = [...header, ...question, ...(udpSize === undefined ? [] : optRecord(udpSize))];
  const whole = { name, type, udpSize };
  if (type === 'OPT' || !chance(random, 12))
    return { ...whole, message: Uint8Array.from(message), fault: undefined };
  const [spoilt, fault] = spoil(random, message, header.length + question.length);
  return { ...whole, message: Uint8Array.from(spoilt), fault };
}
