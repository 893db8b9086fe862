/**
 * `minimal`: positive replies are sent without Authority and Additional.
 *
 * Spec  CoreDNS, plugin/minimal
 */
import { CUT_F_MINIMAL } from '../../../assembly/abi-dns.js';
import type { Setup } from '../chain/setup.js';
import { argumentsOf } from '../corefile/arguments.js';
import { decodeMessage } from '../message/decode.js';
import { encodeMessage } from '../message/encode.js';
import { Rcode } from '../wire/header.js';

function reduced(bytes: Uint8Array): Uint8Array {
  const message = decodeMessage(bytes);
  if (message?.rcode !== Rcode.NOERROR || message.answer.length === 0) return bytes;
  if (message.authority.length + message.additional.length === 0) return bytes;
  return encodeMessage({ ...message, authority: [], additional: [] });
}

export const setUpMinimal: Setup = (directives) => {
  for (const directive of directives) argumentsOf(directive).end();
  return {
    name: 'minimal',
    claims: { kind: 'none' },
    core: { flags: CUT_F_MINIMAL },
    handle: async (query, next) => {
      const reply = await next(query);
      return { ...reply, message: reduced(reply.message) };
    },
  };
};
