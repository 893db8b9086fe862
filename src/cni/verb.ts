/** What a runtime can ask for. */
export const VERBS = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'] as const;

export type Verb = (typeof VERBS)[number];

/**
 * Time for an answer, milliseconds. The runtimes have no limit of their own, or hold a lock that
 * stops every other pod of the node; native/cni/sluice-cni.c keeps the same times.
 */
export const DEADLINES_MS: Readonly<Record<Verb, number>> = {
  ADD: 30_000,
  DEL: 30_000,
  CHECK: 5_000,
  GC: 30_000,
  STATUS: 1_000,
  VERSION: 1_000,
};
