/** How much a cluster may have whose node is made up. */
import { SMALL_CAPACITIES } from '../core/regions.js';
import type { Capacities } from '../core/regions.js';

/**
 * A thousand Services, each with two frontends (its port and its address) and two names, one of them
 * of its address; and as many pods of the node, each with a link and a route.
 */
export const CLUSTER_CAPACITIES: Capacities = {
  ...SMALL_CAPACITIES,
  links: 1024,
  frontends: 4096,
  routes: 4096,
  names: 4096,
  rrsetBytes: 1 << 21,
};
