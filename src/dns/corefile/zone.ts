/**
 * Zones: of a server block, and of the arguments of a plugin.
 *
 * Spec  CoreDNS, plugin/normalize.go; RFC 1035 2.3.4 (lengths)
 */
import { isIP } from 'node:net';
import { canonicalCidr } from '../../addr.js';
import { failAt, shown } from './complaint.js';
import type { Scheme, Token } from './corefile.js';
import { reverseZones } from './reverse.js';

const DEFAULT_PORTS: Readonly<Record<Scheme, number>> = {
  dns: 53,
  tls: 853,
  quic: 853,
  grpc: 443,
  https: 443,
  https3: 443,
};
const PORT_MAX = 65_535;
const LABEL_LEN_MAX = 63;
/** Octets of a name in a message, with the length octet of each label and of the root. */
const NAME_SIZE_MAX = 255;
const SIZE_COMPLAINT = `the zone has more than ${NAME_SIZE_MAX} octets`;
/** A slash is part of RFC 2317's zones, an underscore of service names, a star of wildcards. */
const ZONE_CHARACTERS = /^[a-z0-9._/*-]*$/i;

/** `[scheme://]zone[:port]`, with what is not written filled in. */
export interface ZoneAddress {
  readonly scheme: Scheme;
  /** Absolute and in lower case; several for a prefix that is not cut at a label. */
  readonly zones: readonly string[];
  readonly port: number;
}

/** Throws what is wrong with a zone, at its place. */
type Refuse = (complaint: string) => never;

function isScheme(text: string): text is Scheme {
  return Object.hasOwn(DEFAULT_PORTS, text);
}

function splitScheme(text: string, refuse: Refuse): { scheme: Scheme; rest: string } {
  const match = /^([^/]*?):\/\/([^]*)$/.exec(text);
  if (match === null) return { scheme: 'dns', rest: text };
  const [, name = '', rest = ''] = match;
  const scheme = name.toLowerCase();
  if (isScheme(scheme)) return { scheme, rest };
  const known = Object.keys(DEFAULT_PORTS).join(', ');
  return refuse(`unknown scheme; expected one of ${known}`);
}

/** The port is the digits behind the last colon, also behind an IPv6 prefix. */
function splitPort(rest: string, refuse: Refuse): { name: string; port: number | undefined } {
  const colon = rest.lastIndexOf(':');
  if (colon < 0) return { name: rest, port: undefined };
  const behind = rest.slice(colon + 1);
  if (behind === '') refuse('expected a port behind the last colon');
  if (!/^\d+$/.test(behind)) return { name: rest, port: undefined };
  const port = Number(behind);
  if (port > PORT_MAX) refuse(`the port is above ${PORT_MAX}`);
  return { name: rest.slice(0, colon), port };
}

/** Whether a prefix is meant, be it right or wrong. */
function looksLikePrefix(name: string): boolean {
  return /^[\d.]+\/\d*$/.test(name) || (name.includes(':') && name.includes('/'));
}

function prefixZones(name: string, refuse: Refuse): string[] {
  const [host = ''] = name.split('/');
  // 010.0.0.0/8 is read in two ways by different programs, so it is not read at all.
  const cidr = isIP(host) === 0 ? undefined : canonicalCidr(name);
  // CoreDNS refuses IPv6 prefixes that begin so; nobody has a reverse zone there.
  if (cidr === undefined || name.startsWith(':') || /^0.*:/.test(name)) {
    return refuse('no reverse zone; expected a prefix such as 10.0.0.0/8 or 2001:db8::/32');
  }
  return reverseZones(cidr);
}

function nameComplaint(name: string): string | undefined {
  if (name === '' || name === '.') return undefined;
  if (name.length > NAME_SIZE_MAX) return SIZE_COMPLAINT;
  const labels = (name.endsWith('.') ? name.slice(0, -1) : name).split('.');
  if (!ZONE_CHARACTERS.test(name)) return 'the zone has characters other than a-z, 0-9, -_*/ and .';
  if (labels.includes('')) return 'the zone has an empty label';
  if (labels.some((label) => label.length > LABEL_LEN_MAX)) {
    return `the zone has a label of more than ${LABEL_LEN_MAX} characters`;
  }
  const size = labels.reduce((sum, label) => sum + label.length + 1, 1);
  return size > NAME_SIZE_MAX ? SIZE_COMPLAINT : undefined;
}

/**
 * Read an address of a server block, or a zone where a plugin takes one.
 *
 * @param refuse  for a plugin, which says its name as well
 * @throws DataplaneError ERR_CONFIG
 */
export function readZoneAddress(
  token: Token,
  refuse: Refuse = (complaint) => failAt(token, `${shown(token.text)}: ${complaint}`),
): ZoneAddress {
  const { scheme, rest } = splitScheme(token.text, refuse);
  if (isIP(rest) === 6) refuse(`an address is no zone; expected ${rest}/128`);
  const { name, port = DEFAULT_PORTS[scheme] } = splitPort(rest, refuse);
  if (looksLikePrefix(name)) return { scheme, zones: prefixZones(name, refuse), port };
  const complaint = nameComplaint(name);
  if (complaint !== undefined) refuse(complaint);
  const lower = name.toLowerCase();
  return { scheme, zones: [lower.endsWith('.') ? lower : `${lower}.`], port };
}
