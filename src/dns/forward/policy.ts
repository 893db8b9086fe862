/** In which order upstreams are asked. */

export const POLICIES = ['random', 'round_robin', 'sequential'] as const;
export type PolicyName = (typeof POLICIES)[number];

/** The order for the next query: each index below `count` once. */
export type Policy = (count: number) => number[];

function ascending(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/**
 * - `random`: any permutation, all equally likely (Fisher and Yates);
 * - `round_robin`: a counter picks the first one, the others follow as they were given;
 * - `sequential`: as they were given.
 *
 * @param random  uniform whole number from 0 to below its argument
 */
export function createPolicy(name: PolicyName, random: (below: number) => number): Policy {
  let turn = 0;
  switch (name) {
    case 'sequential':
      return ascending;
    case 'round_robin':
      return (count) => {
        const first = turn++ % Math.max(count, 1);
        const order = ascending(count);
        return [...order.splice(first, 1), ...order];
      };
    case 'random':
      return (count) => {
        const order = ascending(count);
        for (let i = count - 1; i > 0; i--) {
          const j = random(i + 1);
          [order[i], order[j]] = [order[j] ?? i, order[i] ?? j];
        }
        return order;
      };
  }
}
