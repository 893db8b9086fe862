/**
 * Where an HTTP server of a plugin listens, as Go programs write it: `:8080`, `127.0.0.1:9153`,
 * `[::1]:8080`, `localhost:8080`.
 */
import { isIP } from 'node:net';
import type { Arguments } from '../corefile/arguments.js';

export interface ListenAddress {
  /** Empty: every address. */
  readonly host: string;
  /** Host order. */
  readonly port: number;
}

const HOST_PORT = /^(?:\[([^[\]]*)\]|([^:[\]]*)):(\d{1,5})$/;
const PORT_MAX = 65_535;

/**
 * Take an address, if there is an argument left.
 *
 * @throws DataplaneError ERR_CONFIG
 */
export function readListenAddress(args: Arguments, otherwise: ListenAddress): ListenAddress {
  const text = args.next();
  if (text === undefined) return otherwise;
  const [match, bracketed, plain, digits] = HOST_PORT.exec(text) ?? [];
  const host = bracketed ?? plain ?? '';
  const port = Number(digits);
  const isHost = bracketed === undefined ? host === '' || !host.includes(' ') : isIP(host) === 6;
  if (match === undefined || !isHost || port > PORT_MAX) {
    args.fail('expected an address with a port such as :8080');
  }
  return { host, port };
}
