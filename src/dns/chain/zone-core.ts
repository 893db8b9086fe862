/**
 * The names of Kubernetes as the chain asks for them.
 */
import type { DnsWhy } from '../../../assembly/abi-dns.js';

export type ZoneAnswer =
  | { readonly kind: 'reply'; readonly message: Uint8Array }
  /** Not in the names and to be looked for elsewhere, or a CNAME that leads out of them. */
  | { readonly kind: 'host'; readonly why: DnsWhy }
  | { readonly kind: 'drop' };

export interface ZoneCore {
  /**
   * Ask the names of one `kubernetes` plugin, as by TCP: what is too long is cut when it is sent. The
   * query is not counted (DNS_F_TCP | DNS_F_UNCOUNTED).
   *
   * @param listener  the plugin's private listener
   * @param message   a query; it is not changed
   */
  answer(listener: number, message: Uint8Array): ZoneAnswer;
}
