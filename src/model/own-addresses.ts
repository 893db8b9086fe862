/** Addresses that every node has for itself, and that nobody beyond it reaches. */

/**
 * What the host's traffic to itself through a service seems to come from, one of each family:
 * addresses nobody else has, routed at the trunk, so that the answers climb. IPv4 is link-local
 * (RFC 3927), IPv6 unique local with "Sluice" for its random part (RFC 4193).
 */
export const HOST_ALIASES: readonly string[] = ['169.254.83.1', 'fd53:6c75:6963:6500::1'];

/**
 * Where the host's DNS server takes what the lane does not answer, one of each family: on the trunk's
 * host side, so that nobody reaches them but through it.
 */
export const DNS_SERVERS: readonly string[] = ['169.254.83.53', 'fd53:6c75:6963:6500::53'];
