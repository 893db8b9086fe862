/**
 * Addresses of server blocks, and whether two blocks want the same one.
 *
 * Spec  CoreDNS, core/dnsserver/register.go and address.go
 */
import { isIP } from 'node:net';
import { formatAddress, parseAddress } from '../../addr.js';
import { failAt, placeOf, shown } from './complaint.js';
import type { ServerAddress, ServerBlock, Token } from './corefile.js';
import { readZoneAddress } from './zone.js';

/**
 * Addresses of one block, a prefix expanded to its zones.
 *
 * @throws DataplaneError ERR_CONFIG
 */
export function readAddresses(tokens: readonly Token[]): ServerAddress[] {
  return tokens.flatMap((token) => {
    const { scheme, zones, port } = readZoneAddress(token);
    return zones.map((zone) => ({ scheme, zone, port, token }));
  });
}

/** An IPv4 address in the place of a zone is a name with four labels, which nobody asks for. */
export function addressWarning({ zone, token }: ServerAddress): string | undefined {
  const name = zone.slice(0, -1);
  if (isIP(name) !== 4) return undefined;
  const meant = `expected "bind ${name}" in the block, or a prefix for the reverse zone`;
  return `${placeOf(token)}: ${shown(token.text)} serves the name ${zone}; ${meant}`;
}

/** One spelling of each address; interfaces by their names. */
function bindName(text: string): string {
  return isIP(text) === 0 || text.includes('%') ? text : formatAddress(parseAddress(text));
}

/** Where a block listens; undefined is every address. */
function bindsOf(block: ServerBlock): readonly (string | undefined)[] {
  const names = block.directives
    .filter(({ name }) => name.text === 'bind')
    .flatMap(({ args }) => args.map(({ text }) => bindName(text)));
  return names.length === 0 ? [undefined] : [...new Set(names)];
}

/** Who serves one zone on one port. */
interface Claims {
  unbound?: Token;
  readonly bound: Map<string, Token>;
}

/** Whom an address is in the way of: who listens on every address listens on each of them. */
function rival({ unbound, bound }: Claims, bind: string | undefined): Token | undefined {
  const [anyBound] = bound.values();
  return unbound ?? (bind === undefined ? anyBound : bound.get(bind));
}

function refuse(address: ServerAddress, bind: string | undefined, other: Token): never {
  const { scheme, zone, port, token } = address;
  const where = bind === undefined ? '' : ` on ${bind}`;
  const what = `zone ${zone} at ${scheme} port ${port}${where}`;
  return failAt(token, `${shown(token.text)}: ${what} is served already, by ${placeOf(other)}`);
}

function claim(claims: Claims, address: ServerAddress, block: BlockClaims): void {
  for (const bind of block.binds) {
    const other = rival(claims, bind);
    if (other !== undefined) refuse(address, bind, other);
    // Behind a view, what it does not take is left to a block that comes later.
    if (block.isView) continue;
    if (bind === undefined) claims.unbound = address.token;
    else claims.bound.set(bind, address.token);
  }
}

interface BlockClaims {
  readonly binds: readonly (string | undefined)[];
  readonly isView: boolean;
}

/**
 * Two blocks may serve one zone on one port on different addresses only, or if the earlier one has
 * a `view`.
 *
 * @throws DataplaneError ERR_CONFIG
 */
export function checkDuplicates(blocks: readonly ServerBlock[]): void {
  const served = new Map<string, Claims>();
  for (const block of blocks) {
    const isView = block.directives.some(({ name }) => name.text === 'view');
    const binds = bindsOf(block);
    for (const address of block.addresses) {
      const key = `${address.scheme} ${address.port} ${address.zone}`;
      const claims: Claims = served.get(key) ?? { bound: new Map() };
      claim(claims, address, { binds, isView });
      served.set(key, claims);
    }
  }
}
