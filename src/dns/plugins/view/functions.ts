/**
 * What an expression can ask about a query.
 *
 * Spec  CoreDNS, plugin/pkg/expression: the functions and what they give; ports are strings there
 */
import { canonicalCidr, contains, formatAddress, parseAddress } from '../../../addr.js';
import { messageOf } from '../../../errors.js';
import { formatClass, formatType } from '../../message/types.js';
import type { Query } from '../../plugin.js';
import { FLAGS_OFF, ID_OFF, MESSAGE_MAX, opcodeOf, readU16 } from '../../wire/header.js';
import { foldName, formatName } from '../../wire/name.js';
import { CLIENT_LABELS } from '../metadata.js';
import { failExpression } from './lexer.js';

export type Value = string | number | boolean;
export type Kind = 'string' | 'number' | 'boolean';

export interface ExpressionFunction {
  /** How many strings it takes. */
  readonly arity: number;
  readonly gives: Kind;
  readonly call: (query: Query, args: readonly string[]) => Value;
  /** Complain about arguments that are known beforehand. @param args  undefined: not known */
  readonly check?: (args: readonly (string | undefined)[]) => void;
}

/** What a client takes by UDP that says nothing, or less (RFC 1035 4.2.1). */
const UDP_SIZE_MIN = 512;

function bufsizeOf({ client, edns }: Query): number {
  if (client.transport !== 'udp') return MESSAGE_MAX;
  return Math.max(edns?.udpSize ?? 0, UDP_SIZE_MIN);
}

/** @throws when the text is no address: the query is not the block's */
function isInCidr([ip = '', prefix = '']: readonly string[]): boolean {
  const cidr = canonicalCidr(prefix);
  if (cidr === undefined) failExpression(`${JSON.stringify(prefix)} is no prefix`);
  return contains(cidr, parseAddress(ip));
}

const plain = (gives: Kind, call: (query: Query) => Value): ExpressionFunction => ({
  arity: 0,
  gives,
  call,
});

export const FUNCTIONS: ReadonlyMap<string, ExpressionFunction> = new Map([
  ['bufsize', plain('number', bufsizeOf)],
  ['class', plain('string', (query) => formatClass(query.class))],
  ['client_ip', plain('string', ({ client }) => formatAddress(client.address))],
  ['do', plain('boolean', ({ edns }) => edns?.isDnssecOk === true)],
  ['id', plain('number', ({ message }) => readU16(message, ID_OFF))],
  ['name', plain('string', ({ name }) => formatName(foldName(name)))],
  ['opcode', plain('number', ({ message }) => opcodeOf(readU16(message, FLAGS_OFF)))],
  ['port', plain('string', ({ client }) => String(client.port))],
  ['proto', plain('string', ({ client }) => (client.transport === 'udp' ? 'udp' : 'tcp'))],
  ['server_ip', plain('string', ({ client }) => formatAddress(client.server.address))],
  ['server_port', plain('string', ({ client }) => String(client.server.port))],
  ['size', plain('number', ({ message }) => message.length)],
  ['type', plain('string', ({ type }) => formatType(type))],
  [
    'incidr',
    {
      arity: 2,
      gives: 'boolean',
      call: (_, args) => isInCidr(args),
      check: ([ip, prefix]) => {
        if (prefix !== undefined) isInCidr(['::', prefix]);
        if (ip === undefined) return;
        try {
          parseAddress(ip);
        } catch (error) {
          failExpression(messageOf(error));
        }
      },
    },
  ],
  [
    'metadata',
    {
      arity: 1,
      gives: 'string',
      call: (query, [label = '']) => CLIENT_LABELS.get(label)?.(query) ?? '',
      check: ([label]) => {
        if (label === undefined || CLIENT_LABELS.has(label)) return;
        const known = [...CLIENT_LABELS.keys()].join(', ');
        failExpression(`metadata ${JSON.stringify(label)} is not known, expected one of ${known}`);
      },
    },
  ],
]);
