/**
 * What a model has to say to a question (spec/dns.md 1.3, 1.4, 1.6 and the column Ours of 3.12).
 */
import { canonical, isIPv6 } from './model.js';
import type { Model, ModelRecord } from './model.js';

/** Records as `name TTL type data`, names in lower case; sorted where there are several. */
export interface Expected {
  readonly rcode: string;
  readonly isAuthoritative: boolean;
  readonly answers: readonly string[];
  /** Zone of the SOA record in the authority section. */
  readonly soaOf: string | undefined;
  /** Addresses of the targets of SRV records. */
  readonly glue: readonly string[];
  /** The name that a chain of CNAMEs leaves the zone for: what is behind is others' to say. */
  readonly outside: string | undefined;
}

const CHAIN_MAX = 10;
const POD = /^((?:\d{1,3}-){3}\d{1,3})\.([^.]+)$/;

const plain = (rcode: string): Expected => ({
  ...{ rcode, isAuthoritative: false, answers: [], soaOf: undefined },
  ...{ glue: [], outside: undefined },
});

export function zoneOf({ zones }: Model, name: string): string | undefined {
  return zones.find((zone) => name === zone || name.endsWith(`.${zone}`));
}

/** 1.3, `pods insecure`: of IPv4, which is enough to see that the rest is asked for. */
function podRecords({ cluster }: Model, name: string): ModelRecord[] | undefined {
  const end = `.pod.${cluster.domain}`;
  const match = name.endsWith(end) ? POD.exec(name.slice(0, -end.length)) : null;
  const [, text = '', namespace = ''] = match ?? [];
  if (cluster.pods === 'disabled' || !cluster.namespaces.includes(namespace)) return undefined;
  const octets = text.split('-');
  const isAddress = octets.every((octet) => Number(octet) < 256 && String(Number(octet)) === octet);
  if (!isAddress) return undefined;
  return [{ type: 'A', ttl: cluster.ttl, data: canonical(octets.join('.')) }];
}

function recordsAt(model: Model, name: string): readonly ModelRecord[] | undefined {
  return model.names.get(name) ?? podRecords(model, name);
}

const shown = (name: string, { ttl, type, data }: ModelRecord): string =>
  `${name} ${ttl} ${type} ${data}`;

function glueOf(answers: readonly ModelRecord[]): string[] {
  const all = answers.flatMap(({ data, ttl, glue = [] }) =>
    glue.map((address) => {
      const type = isIPv6(address) ? 'AAAA' : 'A';
      return shown(data.split(' ')[3] ?? '', { ttl, type, data: address });
    }),
  );
  return [...new Set(all)];
}

/** R9: a CNAME is followed for addresses; what leads to no data is no data (case 44). */
function follow(model: Model, zone: string, name: string, type: string): Expected {
  const answers: string[] = [];
  let at = name;
  const nothing: Expected = { ...plain('NOERROR'), isAuthoritative: true, soaOf: zone };
  for (let i = 0; i <= CHAIN_MAX; i += 1) {
    const records = recordsAt(model, at) ?? [];
    const [link] = records.filter((record) => record.type === 'CNAME');
    if (link === undefined) {
      const found = records.filter((record) => record.type === type);
      if (found.length === 0) return nothing;
      const all = [...answers, ...found.map((record) => shown(at, record))];
      return { ...plain('NOERROR'), isAuthoritative: true, answers: all.sort() };
    }
    answers.push(shown(at, link));
    at = link.data;
    if (zoneOf(model, at) !== zone) return { ...nothing, outside: at };
  }
  return nothing;
}

/** @param name  in lower case, without its final dot. @param type  `A`, `TYPE65280` */
export function expect(model: Model, name: string, type: string): Expected {
  const zone = zoneOf(model, name);
  if (type === 'OPT') return plain('FORMERR');
  if (zone === undefined || type === 'AXFR' || type === 'IXFR') return plain('REFUSED');
  const records = recordsAt(model, name);
  const authoritative = { isAuthoritative: true };
  if (records === undefined) return { ...plain('NXDOMAIN'), ...authoritative, soaOf: zone };
  const isAlias = records.some((record) => record.type === 'CNAME');
  if (isAlias && (type === 'A' || type === 'AAAA')) return follow(model, zone, name, type);
  const { ttl } = model.cluster;
  const soaTtl = Math.min(ttl, 300);
  const answer = (text: string): Expected => ({
    ...plain('NOERROR'),
    ...authoritative,
    answers: [`${name} ${text}`],
  });
  if (type === 'SOA' && name === zone) {
    return answer(`${soaTtl} SOA ns.dns.${zone} hostmaster.${zone} 7200 1800 86400 ${ttl}`);
  }
  if (type === 'ANY') return answer('8482 HINFO');
  const found = records.filter((record) => record.type === type);
  if (found.length === 0) return { ...plain('NOERROR'), ...authoritative, soaOf: zone };
  return {
    ...plain('NOERROR'),
    ...authoritative,
    answers: found.map((record) => shown(name, record)).sort(),
    glue: glueOf(found).sort(),
  };
}
