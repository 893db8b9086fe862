/**
 * Name servers of a resolv.conf file.
 *
 * Where systemd-resolved runs, /etc/resolv.conf names its stub on a loopback address. To ask the
 * stub is a detour, and a loop as soon as the node itself resolves through us; the servers behind
 * it stand in a file of their own, which is read instead.
 *
 * Spec  resolv.conf(5); systemd-resolved.service(8), /etc/resolv.conf
 */
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { DataplaneError, messageOf } from '../../errors.js';

/** The servers that systemd-resolved itself asks. */
export const RESOLVED_FILE = '/run/systemd/resolve/resolv.conf';
/** Listeners of systemd-resolved: the stub, and the one that hands queries through. */
const RESOLVED_STUBS: readonly string[] = ['127.0.0.53', '127.0.0.54'];

export interface Nameservers {
  readonly nameservers: readonly string[];
  /** That another file was read, and why. */
  readonly note?: string;
}

function nameserversOf(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const what = `upstream ${JSON.stringify(path)}: cannot be read: ${messageOf(cause)}`;
    throw new DataplaneError('ERR_CONFIG', what, { cause });
  }
  const servers: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const [keyword, address] = line.trim().split(/\s+/);
    if (keyword !== 'nameserver') continue;
    if (address === undefined || isIP(address) === 0) {
      const what = `${path}:${index + 1}: nameserver ${JSON.stringify(address ?? '')}: expected an IP address`;
      throw new DataplaneError('ERR_CONFIG', what);
    }
    servers.push(address);
  }
  if (servers.length === 0) {
    const what = `upstream ${JSON.stringify(path)}: has no nameserver line; expected at least one`;
    throw new DataplaneError('ERR_CONFIG', what);
  }
  return servers;
}

/** What is wrong with a loopback stub as an upstream, when something better exists. */
export function stubComplaint(
  path: string,
  servers: readonly string[],
  resolvedFile = RESOLVED_FILE,
): string | undefined {
  const stub = servers.find((server) => RESOLVED_STUBS.includes(server));
  if (stub === undefined || !existsSync(resolvedFile)) return undefined;
  return `${path} names the stub of systemd-resolved, ${stub}, which can ask us in turn: the servers of ${resolvedFile} are used instead`;
}

/**
 * @throws DataplaneError ERR_CONFIG  the file cannot be read, or has no server, or a bad one
 */
export function readNameservers(path: string, resolvedFile = RESOLVED_FILE): Nameservers {
  const servers = nameserversOf(path);
  const note = stubComplaint(path, servers, resolvedFile);
  if (note === undefined) return { nameservers: servers };
  return { nameservers: nameserversOf(resolvedFile), note };
}
