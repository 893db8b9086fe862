/**
 * Upstreams that are ourselves. A query sent there comes back and is sent again, so this is found
 * when the configuration is read and not by a probe that circles.
 */
import { isIPv4 } from 'node:net';
import type { Address } from '../../addr.js';
import { formatAddress, parseAddress, sameBytes } from '../../addr.js';
import { formatUpstream, parseUpstream } from './upstream.js';
import type { UpstreamSpec } from './upstream.js';

const LOOPBACK6_LAST = 15;

function isUnspecified({ family, bytes }: Address): boolean {
  return family === 4
    ? formatAddress({ family, bytes }) === '0.0.0.0'
    : bytes.every((b) => b === 0);
}

function isLoopback({ family, bytes }: Address): boolean {
  if (family === 4) return bytes[12] === 127;
  return bytes.every((octet, i) => octet === (i === LOOPBACK6_LAST ? 1 : 0));
}

/** The address without the interface a link-local one may name. */
function plainAddress(text: string): Address {
  return parseAddress(isIPv4(text) ? text : text.replace(/%.*$/, ''));
}

function isOwn(upstream: UpstreamSpec, own: UpstreamSpec): boolean {
  if (upstream.port !== own.port) return false;
  const there = plainAddress(upstream.address);
  const here = plainAddress(own.address);
  if (sameBytes(there.bytes, here.bytes)) return true;
  // Who listens on every address listens on loopback; asking 0.0.0.0 is asking this machine.
  return isUnspecified(here) ? isLoopback(there) : isUnspecified(there) && isLoopback(here);
}

/**
 * Find an upstream that is one of the addresses we answer on.
 *
 * @param own  `IP` (port 53) or `IP:port`; 0.0.0.0 and :: stand for every loopback address
 * @returns    a sentence with both, undefined when there is none
 * @throws     DataplaneError ERR_CONFIG  an own address that cannot be read
 */
export function loopComplaint(
  upstreams: readonly UpstreamSpec[],
  own: readonly string[],
): string | undefined {
  const mine = own.flatMap((each) => parseUpstream(each));
  for (const upstream of upstreams) {
    const hit = mine.find((address) => isOwn(upstream, address));
    if (hit === undefined) continue;
    return `upstream ${formatUpstream(upstream)} is this DNS server itself (${formatUpstream(hit)}): every query would come back; expected another server`;
  }
  return undefined;
}
