/** The secure context of all TLS upstreams, made once. */
import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { DataplaneError, messageOf } from '../../errors.js';
import type { ForwardTlsOptions } from './options.js';
import type { TlsFace } from './stream.js';

const MIN_VERSION = 'TLSv1.2';

/**
 * TLS 1.2 or later (RFC 8310 9). Bad certificates stop the start, not a query; without any there is
 * nothing that could be wrong, and the authorities of this host, which take 30 ms to read, are read
 * when the first connection wants them.
 *
 * @throws DataplaneError ERR_CONFIG  a certificate or key that cannot be read, or do not belong together
 */
export function createTlsFace({ servername, ca, cert, key }: ForwardTlsOptions = {}): TlsFace {
  const given = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
  let made: SecureContext | undefined;
  const make = () => (made ??= createSecureContext({ minVersion: MIN_VERSION, ...given }));
  if (Object.keys(given).length > 0) {
    try {
      make();
    } catch (cause) {
      const what = `forward: tls: certificate, key or authority cannot be used: ${messageOf(cause)}`;
      throw new DataplaneError('ERR_CONFIG', what, { cause });
    }
  }
  return {
    get secureContext() {
      return make();
    },
    servername,
  };
}
