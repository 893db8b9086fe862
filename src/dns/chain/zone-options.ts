/**
 * What a `kubernetes` plugin was told: which names there are, and how they are answered.
 */
import type { WireName } from '../plugin.js';

export type PodsMode = 'disabled' | 'insecure' | 'verified';

export interface KubernetesOptions {
  /** In lower case. */
  readonly zones: readonly WireName[];
  /** Seconds: TTL of records, and of negative answers. */
  readonly ttl: number;
  /** Seconds that no TTL is above, such as those of a `cache` in front. */
  readonly ttlMax: number;
  readonly pods: PodsMode;
  readonly isEndpointPodNames: boolean;
  readonly isWithoutEndpoints: boolean;
  /** ClusterIP services without a ready endpoint do not exist. */
  readonly isEmptyServiceHidden: boolean;
  /** Services of these namespaces only; undefined = all. */
  readonly namespaces: readonly string[] | undefined;
  /** Label selectors as in `kubectl -l`. */
  readonly namespaceLabels: string | undefined;
  readonly labels: string | undefined;
  /** Below these zones, what does not exist is for the next plugin. */
  readonly fallthrough: readonly WireName[];
}
