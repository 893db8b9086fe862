/**
 * Where a server of plain zones and a server of a cluster say different things, and both are right.
 */
import { expect } from './expect.js';
import type { Model } from './model.js';
import type { Question } from './questions.js';

interface Known {
  readonly what: string;
  readonly fits: (question: Question, model: Model) => boolean;
}

const keyOf = ({ name }: Question): string => name.toLowerCase();

function isAbove(model: Model, name: string): boolean {
  return [...model.names.keys()].some((other) => other.endsWith(`.${name}`));
}

/** The first that fits is the reason. */
const KNOWN: readonly Known[] = [
  {
    what: 'malformed messages: knotd drops some, and answers NOTIFY and class ANY',
    fits: ({ fault }) => fault !== undefined,
  },
  {
    what: 'ANY is one HINFO record here, RRsets there (RFC 8482 allows both)',
    fits: ({ type }) => type === 'ANY',
  },
  {
    what: 'transfers are refused here, not authorised or not implemented there',
    fits: ({ type }) => type === 'AXFR' || type === 'IXFR',
  },
  {
    what: 'type OPT in a question is FORMERR here, no data there',
    fits: ({ type }) => type === 'OPT',
  },
  {
    what: 'the server’s own name is a record there',
    fits: (question) => `.${keyOf(question)}`.includes('.dns.'),
  },
  {
    what: 'ExternalName: a CNAME that leads to no data is left out here, and other types are no data',
    fits: (question, { externals }) => externals.has(keyOf(question)),
  },
  {
    what: 'pods are not written into zone files',
    fits: (question, { cluster }) => `.${keyOf(question)}`.endsWith(`.pod.${cluster.domain}`),
  },
  {
    what: 'a name that only others are below does not exist here (CoreDNS), has no data there',
    fits: (question, model) => !model.names.has(keyOf(question)) && isAbove(model, keyOf(question)),
  },
  {
    what: 'a name without records and without names below exists here only (namespaces, pod)',
    fits: (question, model) =>
      model.names.get(keyOf(question))?.length === 0 && !isAbove(model, keyOf(question)),
  },
];

/** Why a difference is no mistake; undefined: it is one. */
export function reasonFor(question: Question, model: Model): string | undefined {
  return KNOWN.find(({ fits }) => fits(question, model))?.what;
}

/** Whether the model leaves it to others, so that a server with no upstream cannot be compared. */
export function isOutside(question: Question, model: Model): boolean {
  return expect(model, keyOf(question), question.type).outside !== undefined;
}
