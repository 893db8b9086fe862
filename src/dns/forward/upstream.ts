/**
 * Upstreams as they are written in configuration.
 *
 * `10.0.0.1`, `10.0.0.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353`, `dns://` before any of these,
 * `tls://9.9.9.9%dns.quad9.net`, a host name in the place of an address, and the path of a
 * resolv.conf file. A host stands for all of its addresses, as they are when it is read. Other
 * schemes are refused.
 *
 * Spec  CoreDNS, plugin/forward: TO
 */
import { isIP } from 'node:net';
import { joinHostPort } from '../../addr.js';
import { DataplaneError, messageOf } from '../../errors.js';
import { lookUpHost } from './host-name.js';
import type { LookUp } from './host-name.js';
import { readNameservers } from './resolv-conf.js';

export type UpstreamTransport = 'dns' | 'tls';

export interface UpstreamSpec {
  readonly transport: UpstreamTransport;
  /** IPv4 or IPv6 text; a link-local one may name its interface: `fe80::1%eth0`. */
  readonly address: string;
  readonly port: number;
  /** Whose certificate is expected, when the upstream itself names it. */
  readonly servername?: string;
  /** The name whose address it is. */
  readonly host?: string;
}

/** As CoreDNS: more of them would only be asked in turn until the time is over. */
export const UPSTREAMS_MAX = 15;
const DEFAULT_PORT: Readonly<Record<UpstreamTransport, number>> = { dns: 53, tls: 853 };
const SCHEME = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/i;
const BRACKETED = /^\[([^\]]*)\](?::(.*))?$/;
const PORT = /^[1-9]\d{0,4}$/;
const PORT_MAX = 0xffff;
const SERVERNAME = /^(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?$/i;
/** Its last label is no number: resolvers take 10.1 for an address (RFC 1123 2.1). */
const HOST_NAME = /^(?=.{1,253}$)(?:[a-z0-9_-]{1,63}\.)*(?!\d+\.?$)[a-z0-9_-]{1,63}\.?$/i;

function refuse(text: string, what: string): DataplaneError {
  return new DataplaneError('ERR_CONFIG', `upstream ${JSON.stringify(text)}: ${what}`);
}

/** `10.0.0.1:53`, `tls://[2001:db8::1]:853`: names an upstream in logs and metrics. */
export function formatUpstream({ transport, address, port }: UpstreamSpec): string {
  return `${transport === 'tls' ? 'tls://' : ''}${joinHostPort(address, port)}`;
}

interface HostPort {
  readonly host: string;
  readonly port: string | undefined;
}

/** Split the port off; an IPv6 address without brackets has none. */
function splitPort(text: string): HostPort {
  const bracketed = BRACKETED.exec(text);
  if (bracketed !== null) return { host: bracketed[1] ?? '', port: bracketed[2] };
  const parts = text.split(':');
  const [host = '', port] = parts;
  return parts.length === 2 ? { host, port } : { host: text, port: undefined };
}

interface Named extends HostPort {
  readonly servername: string | undefined;
}

/** Take `%name` out of `IP%name`, `IP%name:port` or `IP:port%name`. */
function splitServername(text: string): Named {
  const mark = text.lastIndexOf('%');
  if (mark < 0) return { ...splitPort(text), servername: undefined };
  const { host, port } = splitPort(text.slice(0, mark));
  const [servername, portBehind] = text.slice(mark + 1).split(':', 2);
  return { host, port: portBehind ?? port, servername };
}

function readPort(text: string, port: string | undefined, transport: UpstreamTransport): number {
  if (port === undefined) return DEFAULT_PORT[transport];
  const value = Number(port);
  if (!PORT.test(port) || value > PORT_MAX) {
    throw refuse(text, `port ${JSON.stringify(port)} is not a number from 1 to ${PORT_MAX}`);
  }
  return value;
}

function addressesOf(text: string, host: string, lookUp: LookUp): readonly string[] {
  if (isIP(host) !== 0) return [host];
  if (!HOST_NAME.test(host)) {
    const what = `${JSON.stringify(host)} is neither an IP address nor a host name`;
    throw refuse(text, `${what}; files are given by a path with "/"`);
  }
  try {
    return lookUp(host);
  } catch (error) {
    throw refuse(text, messageOf(error));
  }
}

/**
 * Read one word that is no file: several upstreams, if it is a host of several addresses.
 *
 * @throws DataplaneError ERR_CONFIG  with the upstream and what is expected instead
 */
export function parseUpstream(text: string, lookUp: LookUp = lookUpHost): UpstreamSpec[] {
  const match = SCHEME.exec(text);
  const transport = match?.[1]?.toLowerCase() ?? 'dns';
  if (transport !== 'dns' && transport !== 'tls') {
    throw refuse(text, `"${transport}://" is not supported; expected an IP address or tls://IP`);
  }
  const body = match?.[2] ?? text;
  const {
    host,
    port: portText,
    servername,
  }: Named = transport === 'tls'
    ? splitServername(body)
    : { ...splitPort(body), servername: undefined };
  if (servername !== undefined && !SERVERNAME.test(servername)) {
    throw refuse(text, `${JSON.stringify(servername)} behind "%" is not a server name`);
  }
  const port = readPort(text, portText, transport);
  return addressesOf(text, host, lookUp).map((address) => ({
    transport,
    address,
    port,
    ...(servername !== undefined && { servername }),
    ...(address !== host && { host: host.replace(/\.$/, '') }),
  }));
}

/** Whether a word of configuration is the path of a resolv.conf file. */
export function isUpstreamFile(text: string): boolean {
  return text.includes('/') && !SCHEME.test(text);
}

export interface Upstreams {
  readonly upstreams: readonly UpstreamSpec[];
  /** What the operator should know, a sentence each; nothing of it stops us. */
  readonly notes: readonly string[];
}

/**
 * Read the upstreams of a `forward` line; the name servers of files and the addresses of hosts stand
 * where these are named. Repeated ones count once.
 *
 * @throws DataplaneError ERR_CONFIG  nothing, or more than 15, or one that cannot be read
 */
export function parseUpstreams(words: readonly string[], lookUp: LookUp = lookUpHost): Upstreams {
  const notes: string[] = [];
  const found = new Map<string, UpstreamSpec>();
  const add = (spec: UpstreamSpec): void => {
    const name = formatUpstream(spec);
    if (!found.has(name)) found.set(name, spec);
  };
  for (const word of words) {
    if (!isUpstreamFile(word)) {
      parseUpstream(word, lookUp).forEach(add);
      continue;
    }
    const { nameservers, note } = readNameservers(word);
    if (note !== undefined) notes.push(note);
    for (const address of nameservers) {
      add({ transport: 'dns', address, port: DEFAULT_PORT.dns });
    }
  }
  if (found.size === 0) throw new DataplaneError('ERR_CONFIG', 'forward: no upstream is given');
  if (found.size > UPSTREAMS_MAX) {
    const what = `forward: ${found.size} upstreams are given; expected at most ${UPSTREAMS_MAX}`;
    throw new DataplaneError('ERR_CONFIG', what);
  }
  return { upstreams: [...found.values()], notes };
}
