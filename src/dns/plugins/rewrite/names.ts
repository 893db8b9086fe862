/**
 * Rules about names: `name`, which changes what is asked and restores it in the reply, and `cname`,
 * which leads an answer elsewhere.
 */
import { messageOf } from '../../../errors.js';
import type { Arguments } from '../../corefile/arguments.js';
import { needChoice } from '../../corefile/values.js';
import { decodeMessage } from '../../message/decode.js';
import { RECORD_SECTIONS } from '../../message/message.js';
import type { DnsMessage, ResourceRecord } from '../../message/message.js';
import type { WireName } from '../../plugin.js';
import { RecordType } from '../../wire/header.js';
import { foldName, formatName, parseName, sameName } from '../../wire/name.js';
import { fieldEnd, layoutOf } from '../../wire/rdata.js';
import { askAgain } from '../ask-again.js';
import { changeQuery } from '../reply.js';
import { needPatternRewriter, needRewriter, takeKind, textOf } from './match.js';
import type { Replace } from './match.js';
import type { Effect, ReadRule, ReplyRule } from './rule.js';

/** Types with a name in their data that rules are about. */
const VALUE_TYPES: ReadonlySet<number> = new Set([
  RecordType.NS,
  RecordType.CNAME,
  RecordType.SOA,
  RecordType.PTR,
  RecordType.MX,
  RecordType.SRV,
  RecordType.NAPTR,
  RecordType.DNAME,
]);

/** @returns the same name when nothing is to be changed */
type Rename = (name: WireName) => WireName;

/** A name that comes out wrong is left as it was: a reply that is odd beats none. */
function renameBy(replace: Replace): Rename {
  return (name) => {
    const text = replace(formatName(name));
    try {
      return text === undefined ? name : parseName(text);
    } catch {
      return name;
    }
  };
}

/** The first name in the data of a record. */
function withValue(record: ResourceRecord, rename: Rename): ResourceRecord {
  if (!VALUE_TYPES.has(record.type)) return record;
  const { rdata } = record;
  let at = 0;
  for (const field of layoutOf(record.type, record.class).fields) {
    const end = fieldEnd(rdata, at, rdata.length, field);
    if (end === undefined) return record;
    if (field === 'name' || field === 'plain-name') {
      const parts = [rdata.subarray(0, at), rename(rdata.subarray(at, end)), rdata.subarray(end)];
      return { ...record, rdata: Uint8Array.from(Buffer.concat(parts)) };
    }
    at = end;
  }
  return record;
}

function mapRecords(
  message: DnsMessage,
  map: (record: ResourceRecord) => ResourceRecord,
): DnsMessage {
  const [answer, authority, additional] = RECORD_SECTIONS.map((section) =>
    message[section].map(map),
  );
  return {
    ...message,
    answer: answer ?? [],
    authority: authority ?? [],
    additional: additional ?? [],
  };
}

function onOwners(rename: Rename): ReplyRule {
  return (reply) => mapRecords(reply, (record) => ({ ...record, owner: rename(record.owner) }));
}

function onValues(rename: Rename): ReplyRule {
  return (reply) => mapRecords(reply, (record) => withValue(record, rename));
}

/** `answer auto`, `answer name PATTERN TO`, `answer value PATTERN TO`, several of the latter. */
function readAnswers(args: Arguments): { isAuto: boolean; rules: ReplyRule[] } {
  const rules: ReplyRule[] = [];
  let isAuto = false;
  while (args.left > 0) {
    needChoice(args, ['answer']);
    const field = needChoice(args, ['auto', 'name', 'value']);
    if (field === 'auto') isAuto = true;
    else {
      const rename = renameBy(needPatternRewriter(args));
      rules.push(field === 'name' ? onOwners(rename) : onValues(rename));
    }
    if (isAuto && rules.length > 0) args.fail('answer auto stands for itself');
  }
  return { isAuto, rules };
}

/** `name [exact|prefix|suffix|substring|regex] FROM TO [answer ...]` */
export const readNameRule: ReadRule = (args) => {
  const rewriter = needRewriter(args, takeKind(args, 2));
  const { isAuto, rules } = readAnswers(args);
  const { kind, replace, restore, within } = rewriter;
  const isRestored = isAuto || kind === 'exact';

  const restoring = (asked: WireName, client: WireName): ReplyRule[] => {
    if (!isRestored) return rules;
    const back: Rename =
      restore === undefined
        ? (name) => (sameName(name, asked) ? client : name)
        : (name) => (sameName(name, asked) ? client : renameBy(restore)(name));
    return [onOwners(back), onValues(back), ...rules];
  };

  return {
    within,
    apply: (draft): Effect | undefined => {
      const text = replace(textOf(draft.name));
      if (text === undefined) return undefined;
      try {
        const name = parseName(text);
        return { draft: { ...draft, name }, onReply: restoring(name, draft.name) };
      } catch (error) {
        return { draft, problem: `invalid name after rewrite: ${messageOf(error)}` };
      }
    },
  };
};

/** `cname [exact|prefix|suffix|substring|regex] FROM TO` */
export const readCnameRule: ReadRule = (args, { ask }) => {
  const { replace } = needRewriter(args, takeKind(args, 2));
  const isAbout = ({ type, rdata }: ResourceRecord): boolean =>
    type === RecordType.CNAME && replace(textOf(rdata)) !== undefined;

  return {
    within: undefined,
    apply: (draft, query) => ({
      draft,
      onReply: [
        async (reply) => {
          const at = reply.answer.findIndex(isAbout);
          const cname = reply.answer[at];
          if (cname === undefined) return reply;
          const target = renameBy(replace)(foldName(cname.rdata));
          const asked = changeQuery(query, { name: target, type: draft.type });
          const found = decodeMessage((await askAgain(ask, asked)).message);
          const answer = [...reply.answer.slice(0, at), { ...cname, rdata: target }];
          // Of a chain, the RCODE is that of its last name (RFC 6604 3).
          if (found === undefined) return { ...reply, answer };
          const { rcode, authority } = found;
          return { ...reply, rcode, authority, answer: [...answer, ...found.answer] };
        },
      ],
    }),
  };
};
