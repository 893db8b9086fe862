/** What a reply means: everything but order, compression, serial numbers, and sizes of UDP. */
import dnsPacket from 'dns-packet';
import { canonical } from './model.js';

export interface Meaning {
  readonly rcode: string;
  readonly isAuthoritative: boolean;
  readonly isTruncated: boolean;
  /** As `name TTL type data`, names in lower case; sorted. */
  readonly answers: readonly string[];
  readonly soaOf: string | undefined;
  readonly glue: readonly string[];
  /** Owner of the first answer, as it is spelt. */
  readonly owner: string | undefined;
}

/** What dns-packet knows of a record. */
interface Decoded {
  readonly name: string;
  readonly ttl: number;
  readonly type: string;
  readonly data: unknown;
}

type Fields = Readonly<Record<string, string | number>>;

function dataOf({ type, data }: Decoded): string {
  if (type === 'HINFO') return '';
  if (type === 'AAAA') return canonical(String(data));
  if (Array.isArray(data)) return data.map(String).join(' ').toLowerCase();
  if (typeof data === 'string' || typeof data === 'number') return String(data).toLowerCase();
  const all = data as Fields;
  const words = (...keys: string[]): string => keys.map((key) => String(all[key])).join(' ');
  if (type === 'SRV') return words('priority', 'weight', 'port', 'target').toLowerCase();
  if (type !== 'SOA') return JSON.stringify(data);
  return words('mname', 'rname', 'refresh', 'retry', 'expire', 'minimum').toLowerCase();
}

function shown(record: Decoded): string {
  const { name, ttl, type } = record;
  return `${name.toLowerCase()} ${ttl} ${type} ${dataOf(record)}`.trimEnd();
}

function recordsOf(answers: dnsPacket.Answer[] | undefined): Decoded[] {
  return (answers ?? []).filter(({ type }) => type !== 'OPT') as unknown as Decoded[];
}

/** @throws when the reply is none */
export function meaningOf(reply: Uint8Array): Meaning {
  const packet = dnsPacket.decode(Buffer.from(reply)) as dnsPacket.DecodedPacket & {
    rcode: string;
  };
  if (!packet.flag_qr) throw new Error('the reply is a query');
  const answers = recordsOf(packet.answers);
  const opt = packet.additionals?.find(({ type }) => type === 'OPT');
  const isBadVersion = opt?.type === 'OPT' && opt.extendedRcode === 1;
  return {
    rcode: isBadVersion ? 'BADVERS' : packet.rcode,
    isAuthoritative: packet.flag_aa,
    isTruncated: packet.flag_tc,
    answers: answers.map(shown).sort(),
    soaOf: recordsOf(packet.authorities)
      .find(({ type }) => type === 'SOA')
      ?.name.toLowerCase(),
    glue: recordsOf(packet.additionals).map(shown).sort(),
    owner: answers[0]?.name,
  };
}
