/** What a Corefile asks for and a running server does not do; all else it does. */
import type { Token } from '../dns/corefile/corefile.js';
import { isOfPods } from '../dns/plugins/autopath.js';
import type { Nameserver } from './nameserver.js';

export interface Known {
  /** Which pod a query comes from: what an agent knows. */
  readonly askers: boolean;
  /** All pods of the cluster, from the API server: decided by the Corefile of the start. */
  readonly allPods: boolean;
}

/** Whether zones answer names of pods that exist only. */
export function wantsAllPods({ ready }: Pick<Nameserver, 'ready'>): boolean {
  return ready().zones.some(({ options }) => options.pods === 'verified');
}

/** @returns one sentence each, with file and line where there is one */
export function unmetOf(
  server: Pick<Nameserver, 'corefile' | 'ready'>,
  { askers, allPods }: Known,
): string[] {
  const searches = server
    .corefile()
    .blocks.flatMap(({ directives }) => directives)
    .filter((directive) => directive.name.text === 'autopath' && isOfPods(directive));
  const at = ({ file, line }: Token): string => `${file}:${line}`;
  return [
    ...(askers ? [] : searches).map(
      ({ name }) =>
        `${at(name)}: autopath @kubernetes does nothing here: only an agent knows which pod asks`,
    ),
    ...(allPods || !wantsAllPods(server)
      ? []
      : ['pods verified: pods are followed from the next start on, until then none is there']),
  ];
}
