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
import { argumentsOf } from '../corefile/arguments.js';
import type { Arguments } from '../corefile/arguments.js';
import { failAt } from '../corefile/complaint.js';
import type { Directive } from '../corefile/corefile.js';
import { needChoice } from '../corefile/values.js';

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Clients need a certificate of it. */
  readonly ca: string | undefined;
}

const CLIENT_AUTH = ['nocert', 'require_and_verify'] as const;

/** What is asked of clients; undefined: it is not said. */
function readClientAuth(lines: readonly Arguments[]) {
  let auth: (typeof CLIENT_AUTH)[number] | undefined;
  for (const line of lines) {
    if (line.name !== 'client_auth') line.unknown();
    auth = needChoice(line, CLIENT_AUTH);
    line.endArguments();
  }
  return auth;
}

/**
 * @param directive  a line `tls`
 * @throws DataplaneError ERR_CONFIG
 */
export function readTls(directive: Directive, folder: string): TlsFiles {
  const args = argumentsOf(directive);
  const cert = resolve(folder, args.need('a certificate'));
  const key = resolve(folder, args.need('a key'));
  const ca = args.next();
  const auth = readClientAuth(args.lines());
  args.end();
  if (auth === 'require_and_verify' && ca === undefined) {
    failAt(directive.name, 'tls: client_auth require_and_verify: expected a CA behind the key');
  }
  const isClientAsked = ca !== undefined && auth !== 'nocert';
  return { cert, key, ca: isClientAsked ? resolve(folder, ca) : undefined };
}
