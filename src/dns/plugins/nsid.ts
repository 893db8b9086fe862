/**
 * `nsid [DATA]`: which server has answered, for clients that ask for it.
 *
 * Spec  RFC 5001; CoreDNS, plugin/nsid (which also sets DO: a mistake that is not repeated)
 */
import { hostname } from 'node:os';
import { argumentsOf } from '../corefile/arguments.js';
import type { Setup } from '../chain/setup.js';
import { OptionCode, optionsOf, readOptions, writeOptions } from './edns-options.js';
import { changeReply } from './reply.js';

export const setUpNsid: Setup = (directives) => {
  let text = hostname();
  for (const directive of directives) {
    const args = argumentsOf(directive);
    const words = args.rest().map((token) => token.text);
    if (words.length > 0) text = words.join(' ');
    args.end();
  }
  const own = { code: OptionCode.NSID, data: Buffer.from(text) };
  return {
    name: 'nsid',
    // An option may come with any name.
    claims: { kind: 'all' },
    handle: async (query, next) => {
      const isAsked = optionsOf(query).some(({ code }) => code === OptionCode.NSID);
      const reply = await next(query);
      if (!isAsked) return reply;
      return changeReply(reply, (message) => {
        const edns = message.edns ?? { ...ednsOf(query.edns), options: new Uint8Array() };
        const others = readOptions(edns.options).filter(({ code }) => code !== OptionCode.NSID);
        return { ...message, edns: { ...edns, options: writeOptions([...others, own]) } };
      });
    },
  };
};

/** An OPT record for a reply that has none. */
function ednsOf(asked: { readonly udpSize: number; readonly isDnssecOk: boolean } | undefined) {
  const { udpSize = 0, isDnssecOk = false } = asked ?? {};
  return { udpSize, version: 0, isDnssecOk };
}
