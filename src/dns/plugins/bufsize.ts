/**
 * `bufsize`: what clients say they take is no more than this, for those behind and for replies.
 *
 * Spec  CoreDNS, plugin/bufsize
 */
import type { Setup } from '../chain/setup.js';
import { argumentsOf } from '../corefile/arguments.js';
import type { Directive } from '../corefile/corefile.js';
import { needInteger } from '../corefile/values.js';
import type { Query } from '../plugin.js';
import { writeU16 } from '../wire/header.js';
import { walkMessage } from '../wire/message.js';

const DEFAULT_SIZE = 1232;
const RANGE = { min: 512, max: 4096 };
/** From the root's octet of an OPT record to its class, the size. */
const OPT_SIZE_OFF = 3;

function readSize(directive: Directive): number {
  const args = argumentsOf(directive);
  const size = args.left === 0 ? DEFAULT_SIZE : needInteger(args, 'a size', RANGE);
  args.end();
  return size;
}

function clamp(query: Query, size: number): Query {
  if (query.edns === undefined || query.edns.udpSize <= size) return query;
  const walked = walkMessage(query.message);
  if ('malformed' in walked || walked.opt === undefined) return query;
  const message = query.message.slice();
  writeU16(message, walked.opt.nameOff + OPT_SIZE_OFF, size);
  return { ...query, message, edns: { ...query.edns, udpSize: size } };
}

export const setUpBufsize: Setup = (directives) => {
  const size = Math.min(...directives.map(readSize));
  return {
    name: 'bufsize',
    claims: { kind: 'none' },
    core: { udpMax: size },
    handle: (query, next) => next(clamp(query, size)),
  };
};
