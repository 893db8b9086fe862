/**
 * How a Service is reached besides its ClusterIPs, from where, and how its flows are spread.
 *
 * Spec  kube-proxy, pkg/proxy/serviceport.go
 */
import type { Service } from 'kubernetes-types/core/v1.js';
import { canonicalAddress, canonicalCidr, formatAddress } from '../addr.js';
import type { Address, Cidr, Family } from '../addr.js';

/** How a new flow gets its backend. */
export const ALGORITHMS = ['random', 'maglev', 'round-robin'] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** Annotation of a Service; without it the agent's default counts. */
export const ALGORITHM_ANNOTATION = 'sluice.dev/lb-algorithm';

/** API default and upper bound of sessionAffinityConfig.clientIP.timeoutSeconds. */
const AFFINITY_DEFAULT_SEC = 10_800;
const AFFINITY_MAX_SEC = 86_400;

export interface Exposure {
  readonly externalIPs: readonly Address[];
  /** Of the load balancer, where its packets still carry them (ipMode VIP). */
  readonly loadBalancerIPs: readonly Address[];
  /** From where those may be reached; a family without one may be reached from everywhere. */
  readonly sourceRanges: readonly Cidr[];
  /**
   * Some of loadBalancerSourceRanges are no prefixes. kube-proxy skips them, and lets everybody in
   * when no other is left; Sluice then lets nobody in.
   */
  readonly hasBadRanges: boolean;
  /** Seconds a client keeps its backend; 0 = it does not. */
  readonly affinitySec: number;
  /** undefined: the agent's default. */
  readonly algorithm: Algorithm | undefined;
}

/** A text and the field it is in. */
interface Claim {
  readonly field: string;
  readonly text: string;
}

/** Usable addresses, each once; the others are named in `ignored`. */
function usable(
  claims: readonly Claim[],
  families: ReadonlySet<Family>,
  ignored: string[],
): Address[] {
  const known = new Map<string, Address>();
  for (const { field, text } of claims) {
    const address = canonicalAddress(text);
    const shown = `${field} ${JSON.stringify(text)}`;
    if (address === undefined) ignored.push(`${shown}: no address`);
    else if (families.has(address.family)) known.set(formatAddress(address), address);
    else ignored.push(`${shown}: the Service has no IPv${address.family}`);
  }
  return [...known.values()];
}

function rangesOf({ spec }: Service, families: ReadonlySet<Family>, ignored: string[]) {
  let hasBadRanges = false;
  const sourceRanges = (spec?.loadBalancerSourceRanges ?? []).flatMap((text, i) => {
    const cidr = canonicalCidr(text.trim());
    const shown = `loadBalancerSourceRanges[${i}] ${JSON.stringify(text)}`;
    if (cidr === undefined) {
      hasBadRanges = true;
      ignored.push(`${shown}: no prefix`);
      return [];
    }
    if (families.has(cidr.family)) return [cidr];
    ignored.push(`${shown}: the Service has no IPv${cidr.family}`);
    return [];
  });
  return { sourceRanges, hasBadRanges };
}

function affinityOf({ spec }: Service, ignored: string[]): number {
  if (spec?.sessionAffinity !== 'ClientIP') return 0;
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_DEFAULT_SEC;
  if (Number.isInteger(seconds) && seconds > 0 && seconds <= AFFINITY_MAX_SEC) return seconds;
  ignored.push(`sessionAffinity timeout ${String(seconds)}: expected 1 to ${AFFINITY_MAX_SEC}`);
  return AFFINITY_DEFAULT_SEC;
}

function algorithmOf({ metadata }: Service, ignored: string[]): Algorithm | undefined {
  const text = metadata?.annotations?.[ALGORITHM_ANNOTATION];
  if (text === undefined) return undefined;
  const algorithm = ALGORITHMS.find((candidate) => candidate === text.trim());
  if (algorithm === undefined) {
    const expected = `expected one of ${ALGORITHMS.join(', ')}`;
    ignored.push(`${ALGORITHM_ANNOTATION} ${JSON.stringify(text)}: ${expected}`);
  }
  return algorithm;
}

/**
 * @param families  of the Service: addresses of another family make no frontend
 * @param ignored   takes what could not be used
 */
export function projectExposure(
  service: Service,
  families: ReadonlySet<Family>,
  ignored: string[],
): Exposure {
  const ingress = service.status?.loadBalancer?.ingress ?? [];
  const vips = ingress.flatMap(({ ip, ipMode }, i) => {
    const isVip = ipMode == null || ipMode === 'VIP';
    return ip == null || ip === '' || !isVip ? [] : [{ field: `ingress[${i}].ip`, text: ip }];
  });
  const external = (service.spec?.externalIPs ?? []).map((text, i) => ({
    field: `externalIPs[${i}]`,
    text,
  }));
  return {
    externalIPs: usable(external, families, ignored),
    loadBalancerIPs: usable(vips, families, ignored),
    ...rangesOf(service, families, ignored),
    affinitySec: affinityOf(service, ignored),
    algorithm: algorithmOf(service, ignored),
  };
}
