/**
 * Zones: of a server block, and of the arguments of a plugin.
 *
 * Spec  CoreDNS, plugin/normalize.go; RFC 1035 2.3.4 (lengths)
 */
import { isIP } from 'node:net';
import { canonicalCidr } from '../../addr.js';
import { failAt, shown } from './complaint.js';
import type { Scheme, ServerBlock, Token } from './corefile.js';
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

function isScheme(text: string): text is Scheme {
  return Object.hasOwn(DEFAULT_PORTS, text);
}

function splitScheme(token: Token): { scheme: Scheme; rest: string } {
  const match = /^([^/]*?):\/\/([^]*)$/.exec(token.text);
  if (match === null) return { scheme: 'dns', rest: token.text };
  const [, name = '', rest = ''] = match;
  const scheme = name.toLowerCase();
  if (isScheme(scheme)) return { scheme, rest };
  const known = Object.keys(DEFAULT_PORTS).join(', ');
  return failAt(token, `${shown(token.text)}: unknown scheme; expected one of ${known}`);
}

/** The port is the digits behind the last colon, also behind an IPv6 prefix. */
function splitPort(token: Token, rest: string): { name: string; port: number | undefined } {
  const colon = rest.lastIndexOf(':');
  if (colon < 0) return { name: rest, port: undefined };
  const behind = rest.slice(colon + 1);
  if (behind === '') failAt(token, `${shown(token.text)}: expected a port behind the last colon`);
  if (!/^\d+$/.test(behind)) return { name: rest, port: undefined };
  const port = Number(behind);
  if (port > PORT_MAX) failAt(token, `${shown(token.text)}: the port is above ${PORT_MAX}`);
  return { name: rest.slice(0, colon), port };
}

/** Whether a prefix is meant, be it right or wrong. */
function looksLikePrefix(name: string): boolean {
  return /^[\d.]+\/\d*$/.test(name) || (name.includes(':') && name.includes('/'));
}

function prefixZones(token: Token, name: string): string[] {
  const shownText = shown(token.text);
  const [host = ''] = name.split('/');
  // 010.0.0.0/8 is read in two ways by different programs, so it is not read at all.
  const cidr = isIP(host) === 0 ? undefined : canonicalCidr(name);
  // CoreDNS refuses IPv6 prefixes that begin so; nobody has a reverse zone there.
  if (cidr === undefined || name.startsWith(':') || /^0.*:/.test(name)) {
    const expected = 'expected a prefix such as 10.0.0.0/8 or 2001:db8::/32';
    return failAt(token, `${shownText}: no reverse zone; ${expected}`);
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
 * @throws DataplaneError ERR_CONFIG
 */
export function readZoneAddress(token: Token): ZoneAddress {
  const { scheme, rest } = splitScheme(token);
  if (isIP(rest) === 6) {
    failAt(token, `${shown(token.text)}: an address is no zone; expected ${rest}/128`);
  }
  const { name, port = DEFAULT_PORTS[scheme] } = splitPort(token, rest);
  if (looksLikePrefix(name)) return { scheme, zones: prefixZones(token, name), port };
  const complaint = nameComplaint(name);
  if (complaint !== undefined) failAt(token, `${shown(token.text)}: ${complaint}`);
  const lower = name.toLowerCase();
  return { scheme, zones: [lower.endsWith('.') ? lower : `${lower}.`], port };
}

/**
 * The zones that a plugin works on: those it names, else those of its server block.
 *
 * @throws DataplaneError ERR_CONFIG
 */
export function zonesOf(args: readonly Token[], block: Pick<ServerBlock, 'addresses'>): string[] {
  const zones =
    args.length > 0
      ? args.flatMap((token) => readZoneAddress(token).zones)
      : block.addresses.map(({ zone }) => zone);
  return [...new Set(zones)];
}
