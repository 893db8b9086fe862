/**
 * `bind`: where a server block listens.
 *
 * Spec  CoreDNS, plugin/bind
 */
import { isIP } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import { argumentsOf } from '../corefile/arguments.js';
import type { Arguments } from '../corefile/arguments.js';
import { failAt } from '../corefile/complaint.js';
import type { Directive } from '../corefile/corefile.js';
import { needEach } from '../corefile/values.js';

export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/** Addresses of a word: itself, or those of the interface that it names. */
function needAddresses(args: Arguments, interfaces: Interfaces): string[] {
  const expected = 'an address or an interface of this node';
  const word = args.need(expected);
  if (isIP(word) !== 0) return [word];
  const found = Object.hasOwn(interfaces, word) ? interfaces[word] : undefined;
  if (found === undefined) return args.fail(`expected ${expected}`);
  return found.map(({ address, scopeid }) =>
    scopeid === undefined || scopeid === 0 ? address : `${address}%${word}`,
  );
}

/**
 * Addresses to listen on.
 *
 * @returns empty: all there are
 * @throws  DataplaneError ERR_CONFIG
 */
export function readBind(directives: readonly Directive[], interfaces: Interfaces): string[] {
  const read = (args: Arguments): string[] =>
    needEach(args, () => needAddresses(args, interfaces)).flat();
  const binds = directives.map(argumentsOf);
  const addresses = new Set(binds.flatMap(read));
  for (const line of binds.flatMap((bind) => bind.lines())) {
    if (line.name !== 'except') line.unknown();
    for (const address of read(line)) addresses.delete(address);
    line.end();
  }
  const left = [...addresses];
  const [first] = directives;
  if (first !== undefined && left.length === 0) failAt(first.name, 'bind: no address is left');
  return left;
}
