/**
 * `any`: a query for everything gets one small record.
 *
 * Spec  RFC 8482 4.2; CoreDNS, plugin/any
 */
import { CUT_F_ANY } from '../../../assembly/abi-dns.js';
import type { Setup } from '../chain/setup.js';
import { argumentsOf } from '../corefile/arguments.js';
import { encodeMessage } from '../message/encode.js';
import { replyTo } from '../message/message.js';
import { RecordClass, RecordType } from '../wire/header.js';

/** The number of the RFC, as a TTL. */
const TTL_SEC = 8482;
const CPU = 'ANY obsoleted';
const OS = 'See RFC 8482';

/** HINFO: two character strings (RFC 1035 3.3.2). */
const HINFO = Uint8Array.from(
  [CPU, OS].flatMap((text) => [text.length, ...Buffer.from(text, 'latin1')]),
);

export const setUpAny: Setup = (directives) => {
  for (const directive of directives) argumentsOf(directive).end();
  return {
    name: 'any',
    claims: { kind: 'none' },
    core: { flags: CUT_F_ANY },
    handle: (query, next) => {
      if (query.type !== RecordType.ANY) return next(query);
      const record = {
        owner: query.name,
        type: RecordType.HINFO,
        class: RecordClass.IN,
        ttl: TTL_SEC,
        rdata: HINFO,
      };
      const message = encodeMessage(replyTo(query, { answer: [record] }));
      return Promise.resolve({ message, plugin: 'any' });
    },
  };
};
