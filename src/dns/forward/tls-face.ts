/** The secure context of all TLS upstreams, made once: bad certificates stop the start, not a query. */
import { createSecureContext } from 'node:tls';
import { DataplaneError, messageOf } from '../../errors.js';
import type { ForwardTlsOptions } from './options.js';
import type { TlsFace } from './stream.js';

/**
 * TLS 1.2 or later (RFC 8310 9).
 *
 * @throws DataplaneError ERR_CONFIG  a certificate or key that cannot be read, or do not belong together
 */
export function createTlsFace({ servername, ca, cert, key }: ForwardTlsOptions = {}): TlsFace {
  try {
    const secureContext = createSecureContext({
      minVersion: 'TLSv1.2',
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    });
    return { secureContext, servername };
  } catch (cause) {
    const what = `forward: tls: certificate, key or authority cannot be used: ${messageOf(cause)}`;
    throw new DataplaneError('ERR_CONFIG', what, { cause });
  }
}
