/**
 * `tls CERT KEY [CA]`: what a `tls://` listener shows its clients, and whom it asks for a certificate.
 *
 *     tls CERT KEY [CA] {
 *         client_auth nocert|require_and_verify
 *     }
 *
 * Spec  CoreDNS, plugin/tls; a CA without `client_auth` is for clients that need a certificate here
 */
import { resolve } from 'node:path';
import { argAt, expectArgs, failUnknown, readWord } from '../chain/directives.js';
import { failAt } from '../corefile/complaint.js';
import type { Directive } from '../corefile/corefile.js';

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Clients need a certificate of it. */
  readonly ca: string | undefined;
}

const CLIENT_AUTH = ['nocert', 'require_and_verify'] as const;

/** What is asked of clients; undefined: it is not said. */
function readClientAuth({ name, args, block = [] }: Directive) {
  let auth: (typeof CLIENT_AUTH)[number] | undefined;
  for (const line of block) {
    if (line.name.text !== 'client_auth') failUnknown('tls', line);
    expectArgs(line, 1);
    auth = readWord(argAt(line, 0), CLIENT_AUTH);
  }
  if (auth === 'require_and_verify' && args.length < 3) {
    failAt(name, 'tls: client_auth require_and_verify: expected a CA behind the key');
  }
  return auth;
}

/**
 * @param directive  a line `tls`
 * @throws DataplaneError ERR_CONFIG
 */
export function readTls(directive: Directive, folder: string): TlsFiles {
  expectArgs(directive, 2, 3);
  const file = (index: number): string => resolve(folder, argAt(directive, index).text);
  const isClientAsked = readClientAuth(directive) !== 'nocert' && directive.args.length > 2;
  return { cert: file(0), key: file(1), ca: isClientAsked ? file(2) : undefined };
}
