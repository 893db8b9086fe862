/**
 * `bind`: where a server block listens.
 *
 * Spec  CoreDNS, plugin/bind
 */
import { isIP } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import { expectArgs, expectNoBlock, failUnknown } from '../chain/directives.js';
import { failAt, shown } from '../corefile/complaint.js';
import type { Directive, Token } from '../corefile/corefile.js';

export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/** Addresses of a word: itself, or those of the interface that it names. */
function addressesOf(token: Token, interfaces: Interfaces): string[] {
  if (isIP(token.text) !== 0) return [token.text];
  const found = Object.hasOwn(interfaces, token.text) ? interfaces[token.text] : undefined;
  if (found === undefined) {
    failAt(token, `bind: ${shown(token.text)}: expected an address or an interface of this node`);
  }
  return found.map(({ address, scopeid }) =>
    scopeid === undefined || scopeid === 0 ? address : `${address}%${token.text}`,
  );
}

/**
 * Addresses to listen on.
 *
 * @returns empty: all there are
 * @throws  DataplaneError ERR_CONFIG
 */
export function readBind(directives: readonly Directive[], interfaces: Interfaces): string[] {
  const read = (tokens: readonly Token[]): string[] =>
    tokens.flatMap((token) => addressesOf(token, interfaces));
  const addresses = new Set(directives.flatMap(({ args }) => read(args)));
  for (const directive of directives) expectArgs(directive, 1, Infinity);
  for (const line of directives.flatMap(({ block }) => block ?? [])) {
    if (line.name.text !== 'except') failUnknown('bind', line);
    expectArgs(line, 1, Infinity);
    expectNoBlock(line);
    for (const address of read(line.args)) addresses.delete(address);
  }
  const left = [...addresses];
  const [first] = directives;
  if (first !== undefined && left.length === 0) failAt(first.name, 'bind: no address is left');
  return left;
}
