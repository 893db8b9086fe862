/**
 * Rules about options of the OPT record:
 *
 *     edns0 local set|append|replace CODE DATA|0xHEX|{VARIABLE}|{LABEL} [revert]
 *     edns0 nsid set|append|replace [revert]
 *     edns0 subnet set|append|replace IPV4-BITS IPV6-BITS [revert]
 *     edns0 local unset CODE [revert], edns0 nsid|subnet unset [revert]
 *
 * `set` changes or adds, `append` only adds, `replace` only changes. With `revert` the reply has the
 * option as the client has sent it, or not at all.
 *
 * Spec  RFC 6891 6.1.2; RFC 7871 6 (client subnet); CoreDNS, plugin/rewrite
 */
import type { Address } from '../../../addr.js';
import type { Arguments } from '../../corefile/arguments.js';
import { needChoice } from '../../corefile/values.js';
import type { Edns } from '../../message/message.js';
import type { Query } from '../../plugin.js';
import { writeU16 } from '../../wire/header.js';
import { formatName } from '../../wire/name.js';
import { UDP_PAYLOAD_SIZE } from '../../wire/empty-reply.js';
import { isLabel } from '../metadata.js';
import type { Metadata } from '../metadata.js';
import { OptionCode, readOptions, writeOptions } from '../edns-options.js';
import type { EdnsOption } from '../edns-options.js';
import type { Draft, ReadRule, ReplyRule } from './rule.js';

const ACTIONS = ['set', 'append', 'replace', 'unset'] as const;
const NUMBER = /^(?:\d+|0x[0-9a-f]+)$/i;
const U16_MAX = 0xffff;

/** @returns undefined when there is nothing to say about this query: the rule does not match */
type DataOf = (draft: Draft, query: Query) => Uint8Array | undefined;

function u16(value: number): Uint8Array {
  const bytes = new Uint8Array(2);
  writeU16(bytes, 0, value);
  return bytes;
}

/** 4 or 16 bytes. */
function addressBytes({ family, bytes }: Address): Uint8Array {
  return family === 4 ? bytes.subarray(12) : bytes;
}

const VARIABLES: Readonly<Record<string, DataOf>> = {
  '{qname}': ({ name }) => Buffer.from(formatName(name)),
  '{qtype}': ({ type }) => u16(type),
  '{client_ip}': (_, { client }) => addressBytes(client.address),
  '{client_port}': (_, { client }) => u16(client.port),
  '{protocol}': (_, { client }) => Buffer.from(client.transport === 'udp' ? 'udp' : 'tcp'),
  '{server_ip}': (_, { client }) => addressBytes(client.server.address),
  '{server_port}': (_, { client }) => u16(client.server.port),
};

function needCode(args: Arguments): number {
  const expected = `an option code up to ${U16_MAX}`;
  const text = args.need(expected);
  const code = NUMBER.test(text) ? Number(text) : NaN;
  return code <= U16_MAX ? code : args.fail(`expected ${expected}`);
}

/** Metadata that is not known is nothing to say. */
const metadataOf =
  (metadata: Metadata, label: string): DataOf =>
  (_, query) => {
    const text = metadata(label, query);
    return text === '' ? undefined : Buffer.from(text);
  };

function needData(args: Arguments, metadata: Metadata): DataOf {
  const text = args.need('data, 0x and hex digits, or a variable such as {qname}');
  if (text.startsWith('{') && text.endsWith('}')) {
    const label = text.slice(1, -1);
    if (isLabel(label)) return metadataOf(metadata, label);
    const known = Object.keys(VARIABLES).join(', ');
    return VARIABLES[text] ?? args.fail(`expected one of ${known}, or metadata`);
  }
  if (!text.startsWith('0x')) return () => Buffer.from(text);
  const bytes = Buffer.from(text.slice(2), 'hex');
  if (bytes.length * 2 !== text.length - 2) args.fail('expected pairs of hex digits');
  return () => bytes;
}

function needBits(args: Arguments, max: number): number {
  const expected = `a prefix length of 0 to ${max}`;
  const text = args.need(expected);
  const bits = /^\d+$/.test(text) ? Number(text) : NaN;
  return bits <= max ? bits : args.fail(`expected ${expected}`);
}

/** family(16) source prefix(8) scope prefix(8) address, as many octets as the prefix takes. */
function subnet(address: Address, bits: number): Uint8Array {
  const octets = addressBytes(address).slice(0, Math.ceil(bits / 8));
  const last = octets.length - 1;
  if (bits % 8 !== 0) octets[last] = (octets[last] ?? 0) & (0xff << (8 - (bits % 8)));
  return Uint8Array.of(0, address.family === 4 ? 1 : 2, bits, 0, ...octets);
}

/** Code and data of an option. @param dataOf  reads data; undefined: the option is taken away */
function needOption(
  args: Arguments,
  kind: string,
  dataOf: (() => DataOf) | undefined,
): [number, DataOf] {
  const none: DataOf = () => new Uint8Array();
  if (kind === 'nsid') return [OptionCode.NSID, none];
  if (kind === 'local') return [needCode(args), dataOf?.() ?? none];
  if (dataOf === undefined) return [OptionCode.SUBNET, none];
  const bits4 = needBits(args, 32);
  const bits6 = needBits(args, 128);
  return [
    OptionCode.SUBNET,
    (_, { client: { address } }) => subnet(address, address.family === 4 ? bits4 : bits6),
  ];
}

/** The reply has the option as the query had it. */
function restoring(code: number, before: readonly EdnsOption[]): ReplyRule {
  return (reply) => {
    if (reply.edns === undefined) return reply;
    const others = readOptions(reply.edns.options).filter((option) => option.code !== code);
    const options = writeOptions([...others, ...before]);
    return { ...reply, edns: { ...reply.edns, options } };
  };
}

const NEW_EDNS: Edns = {
  udpSize: UDP_PAYLOAD_SIZE,
  version: 0,
  isDnssecOk: false,
  options: new Uint8Array(),
};

export const readEdnsRule: ReadRule = (args, { metadata }) => {
  const kind = needChoice(args, ['local', 'nsid', 'subnet']);
  const action = needChoice(args, ACTIONS);
  const [code, dataOf] = needOption(
    args,
    kind,
    action === 'unset' ? undefined : () => needData(args, metadata),
  );
  const isReverted = args.left > 0;
  if (isReverted) needChoice(args, ['revert']);

  return {
    within: undefined,
    apply: (draft, query) => {
      const edns = draft.edns ?? NEW_EDNS;
      const options = readOptions(edns.options);
      const before = options.filter((option) => option.code === code);
      const isThere = before.length > 0;
      const data = dataOf(draft, query);
      if (data === undefined) return undefined;
      if (isThere ? action === 'append' : action === 'replace' || action === 'unset') {
        return undefined;
      }
      const others = options.filter((option) => option.code !== code);
      const changed = action === 'unset' ? others : [...others, { code, data }];
      return {
        draft: { ...draft, edns: { ...edns, options: writeOptions(changed) } },
        ...(isReverted && { onReply: [restoring(code, before)] }),
      };
    },
  };
};
