/**
 * Upstreams as they are written in configuration.
 *
 * `10.0.0.1`, `10.0.0.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353`, `dns://` before any of these,
 * `tls://9.9.9.9%dns.quad9.net`, and the path of a resolv.conf file. Other schemes are refused, and
 * so are host names: to look one up we would have to ask ourselves.
 *
 * Spec  CoreDNS, plugin/forward: TO
 */
import { isIP } from 'node:net';
import { DataplaneError } from '../../errors.js';
import { readNameservers } from './resolv-conf.js';

export type UpstreamTransport = 'dns' | 'tls';

export interface UpstreamSpec {
  readonly transport: UpstreamTransport;
  /** IPv4 or IPv6 text; a link-local one may name its interface: `fe80::1%eth0`. */
  readonly address: string;
  readonly port: number;
  /** Whose certificate is expected, when the upstream itself names it. */
  readonly servername?: string;
}

/** As CoreDNS: more of them would only be asked in turn until the time is over. */
export const UPSTREAMS_MAX = 15;
const DEFAULT_PORT: Readonly<Record<UpstreamTransport, number>> = { dns: 53, tls: 853 };
const SCHEME = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/i;
const BRACKETED = /^\[([^\]]*)\](?::(.*))?$/;
const PORT = /^[1-9]\d{0,4}$/;
const PORT_MAX = 0xffff;
const SERVERNAME = /^(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?$/i;

function refuse(text: string, what: string): DataplaneError {
  return new DataplaneError('ERR_CONFIG', `upstream ${JSON.stringify(text)}: ${what}`);
}

/** `10.0.0.1:53`, `tls://[2001:db8::1]:853`: names an upstream in logs and metrics. */
export function formatUpstream({ transport, address, port }: UpstreamSpec): string {
  const host = address.includes(':') ? `[${address}]` : address;
  return `${transport === 'tls' ? 'tls://' : ''}${host}:${port}`;
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

/**
 * Read one upstream that is no file.
 *
 * @throws DataplaneError ERR_CONFIG  with the upstream and what is expected instead
 */
export function parseUpstream(text: string): UpstreamSpec {
  const match = SCHEME.exec(text);
  const scheme = match?.[1]?.toLowerCase() ?? 'dns';
  if (scheme !== 'dns' && scheme !== 'tls') {
    throw refuse(text, `"${scheme}://" is not supported; expected an IP address or tls://IP`);
  }
  const body = match?.[2] ?? text;
  const { host, port, servername }: Named =
    scheme === 'tls' ? splitServername(body) : { ...splitPort(body), servername: undefined };
  if (servername !== undefined && !SERVERNAME.test(servername)) {
    throw refuse(text, `${JSON.stringify(servername)} behind "%" is not a server name`);
  }
  if (isIP(host) === 0) {
    const what = `${JSON.stringify(host)} is not an IP address; host names are not looked up`;
    throw refuse(text, `${what}, and files are given by a path with "/"`);
  }
  const spec = { transport: scheme, address: host, port: readPort(text, port, scheme) } as const;
  return servername === undefined ? spec : { ...spec, servername };
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
 * Read the upstreams of a `forward` line; the name servers of files stand where the files are
 * named. Repeated ones count once.
 *
 * @throws DataplaneError ERR_CONFIG  nothing, or more than 15, or one that cannot be read
 */
export function parseUpstreams(words: readonly string[]): Upstreams {
  const notes: string[] = [];
  const found = new Map<string, UpstreamSpec>();
  const add = (spec: UpstreamSpec): void => {
    const name = formatUpstream(spec);
    if (!found.has(name)) found.set(name, spec);
  };
  for (const word of words) {
    if (!isUpstreamFile(word)) {
      add(parseUpstream(word));
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
