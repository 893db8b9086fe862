/** `/configz`: the configuration in force, every default filled in. There are no secrets in it. */
import { formatAddress, formatAddressPort, formatCidr, parseAddress } from '../addr.js';
import type { Address, BindAddress, Cidr } from '../addr.js';
import type { SluiceConfig } from '../config/config.js';

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

/** Addresses as they are written. */
function readable(_key: string, value: unknown): unknown {
  if (!isRecord(value)) return value;
  if (value['bytes'] instanceof Uint8Array) {
    return 'prefixLen' in value
      ? formatCidr(value as unknown as Cidr)
      : formatAddress(value as unknown as Address);
  }
  if (typeof value['host'] === 'string' && typeof value['port'] === 'number') {
    const { host, port } = value as unknown as BindAddress;
    return formatAddressPort(parseAddress(host), port);
  }
  return value;
}

export function formatConfigz(config: SluiceConfig): string {
  return JSON.stringify({ sluice: config }, readable, 2);
}
