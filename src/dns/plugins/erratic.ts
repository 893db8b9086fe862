/**
 * `erratic`: a server to test clients with, which drops, truncates and delays its replies.
 *
 *     erratic {
 *         drop [AMOUNT]
 *         truncate [AMOUNT]
 *         delay [AMOUNT [DURATION]]
 *     }
 *
 * One query in AMOUNT, the first one included; 0 is none of them.
 *
 * Spec  CoreDNS, plugin/erratic, without `large`: transfers are refused before they get here
 */
import { setTimeout as wait } from 'node:timers/promises';
import { argumentsOf } from '../corefile/arguments.js';
import type { Arguments } from '../corefile/arguments.js';
import { needDuration, needInteger } from '../corefile/values.js';
import type { Setup } from '../chain/setup.js';
import { encodeMessage } from '../message/encode.js';
import { replyTo } from '../message/message.js';
import { FLAG_TC, RecordType } from '../wire/header.js';
import { internetRecord, replyFailure } from './reply.js';

const DEFAULT_AMOUNT = 2;
const DEFAULT_DELAY_MS = 100;
const AMOUNT_MAX = 0xffffffff;
/** From the networks for documentation (RFC 5737, RFC 3849). */
const ADDRESS4 = Uint8Array.of(192, 0, 2, 53);
const ADDRESS6 = Uint8Array.from(Buffer.from('20010db8000000000000000000000053', 'hex'));
const NOTHING = new Uint8Array();

function readAmount(line: Arguments): number {
  if (line.left === 0) return DEFAULT_AMOUNT;
  return needInteger(line, 'an amount', { min: 0, max: AMOUNT_MAX });
}

interface Options {
  drop: number | undefined;
  truncate: number;
  delay: number;
  delayMs: number;
}

function readLine(line: Arguments, options: Options): void {
  if (line.name === 'drop') options.drop = readAmount(line);
  else if (line.name === 'truncate') options.truncate = readAmount(line);
  else if (line.name === 'delay') {
    options.delay = readAmount(line);
    if (line.left > 0) options.delayMs = needDuration(line, 'a delay');
  } else line.unknown();
  line.end();
}

export const setUpErratic: Setup = (directives) => {
  const options: Options = { drop: undefined, truncate: 0, delay: 0, delayMs: DEFAULT_DELAY_MS };
  for (const directive of directives) {
    const args = argumentsOf(directive);
    for (const line of args.lines()) readLine(line, options);
    args.end();
  }
  const { drop, truncate, delay, delayMs } = options;
  // Without a word about it, replies are dropped if nothing else is done to them.
  const dropEvery = drop ?? (truncate === 0 && delay === 0 ? DEFAULT_AMOUNT : 0);
  let queries = 0;
  return {
    name: 'erratic',
    claims: { kind: 'none' },
    handle: async (query) => {
      const number = queries++;
      const isDue = (every: number): boolean => every > 0 && number % every === 0;
      if (isDue(dropEvery)) return { message: NOTHING, plugin: 'erratic' };
      const isTruncated = isDue(truncate);
      if (isDue(delay)) await wait(delayMs);
      const { name, type } = query;
      const isAddress = type === RecordType.A || type === RecordType.AAAA;
      if (!isAddress && !isTruncated) {
        return replyFailure('erratic', query, 'only addresses are asked for here');
      }
      const rdata = type === RecordType.A ? ADDRESS4 : ADDRESS6;
      const answer = isAddress ? [internetRecord(name, type, 0, rdata)] : [];
      const reply = replyTo(query, { isAuthoritative: true, answer });
      const flags = reply.flags | (isTruncated ? FLAG_TC : 0);
      return { message: encodeMessage({ ...reply, flags }), plugin: 'erratic' };
    },
  };
};
