/**
 * `template`: answers made from the question.
 *
 *     template CLASS TYPE [ZONES...] {
 *         match PATTERN...
 *         expr EXPRESSION
 *         answer|additional|authority RECORD...
 *         rcode NAME
 *         ederror CODE [TEXT]
 *         fallthrough [ZONES...]
 *     }
 *
 * Templates are tried in file order. Records are as in a master file, with values in double braces.
 *
 * Spec  CoreDNS 1.14.7, plugin/template; RFC 8914 (ederror)
 */
import { formatAddress } from '../../../addr.js';
import { messageOf } from '../../../errors.js';
import { argumentsOf } from '../../corefile/arguments.js';
import type { Arguments } from '../../corefile/arguments.js';
import { failAt } from '../../corefile/complaint.js';
import type { Directive } from '../../corefile/corefile.js';
import { needEach, needInteger } from '../../corefile/values.js';
import type { Setup, SetupContext } from '../../chain/setup.js';
import { decodeMessage } from '../../message/decode.js';
import { parseRecord } from '../../message/master-file.js';
import type { ResourceRecord } from '../../message/message.js';
import { formatClass, formatType, parseClass, parseRcode, parseType } from '../../message/types.js';
import type { Query, Reply, WireName } from '../../plugin.js';
import { ID_OFF, Rcode, RecordClass, RecordType, readU16 } from '../../wire/header.js';
import { foldName, formatName } from '../../wire/name.js';
import { askAgain } from '../ask-again.js';
import { extendedError, writeOptions } from '../edns-options.js';
import type { EdnsOption } from '../edns-options.js';
import { createMetadata } from '../metadata.js';
import type { Metadata } from '../metadata.js';
import { compilePattern } from '../regexp.js';
import type { Pattern } from '../regexp.js';
import { changeQuery, replyFailure, replyWith } from '../reply.js';
import { needCondition } from '../view/condition.js';
import type { Condition } from '../view/condition.js';
import { claimBelow, isInZones, readFallthrough, readZones, ROOT, zoneOf } from '../zones.js';
import { readTemplate } from './go-template.js';
import type { Template, TemplateValues } from './go-template.js';

/** Of records that say none: what miekg/dns takes. */
const DEFAULT_TTL_SEC = 3600;
const EDE_RANGE = { min: 0, max: 0xffff };
const SECTIONS = ['answer', 'additional', 'authority'] as const;
type Section = (typeof SECTIONS)[number];

interface RecordTemplate {
  /** As it stands in the Corefile. */
  readonly source: string;
  readonly write: Template;
}

interface Rule {
  readonly class: number;
  readonly type: number;
  readonly zones: readonly WireName[];
  readonly patterns: Pattern[];
  /** All of them have to hold. */
  readonly conditions: Condition[];
  readonly records: Record<Section, RecordTemplate[]>;
  rcode: number;
  error: EdnsOption | undefined;
  fallthrough: readonly WireName[] | undefined;
}

function readEach<T>(line: Arguments, what: string, read: (source: string) => T): T[] {
  return needEach(line, () => {
    const source = line.need(what);
    try {
      return read(source);
    } catch (error) {
      return line.failNaming(messageOf(error));
    }
  });
}

const readRecord = (source: string): RecordTemplate => ({ source, write: readTemplate(source) });

function readLine(line: Arguments, rule: Rule): void {
  const section = SECTIONS.find((each) => each === line.name);
  if (section !== undefined) {
    rule.records[section].push(...readEach(line, 'a record', readRecord));
  } else if (line.name === 'match') {
    rule.patterns.push(...readEach(line, 'a pattern', compilePattern));
  } else if (line.name === 'expr') {
    rule.conditions.push(needCondition(line));
  } else if (line.name === 'rcode') {
    const expected = 'a response code such as NXDOMAIN';
    rule.rcode = parseRcode(line.need(expected)) ?? line.fail(`expected ${expected}`);
  } else if (line.name === 'ederror') {
    const code = needInteger(line, 'an extended error', EDE_RANGE);
    rule.error = extendedError(code, line.next());
  } else if (line.name === 'fallthrough') {
    rule.fallthrough = readFallthrough(line);
  } else if (line.name === 'upstream') {
    // Of CoreDNS before 1.3; targets are always looked up.
    line.rest();
  } else line.unknown();
  line.end();
}

function readRule(directive: Directive, blockZones: readonly WireName[]): Rule {
  const args = argumentsOf(directive);
  const ofClass = parseClass(args.need('a class')) ?? args.fail('expected a class such as IN');
  const type = parseType(args.need('a record type')) ?? args.fail('expected a record type');
  const rule: Rule = {
    class: ofClass,
    type,
    zones: readZones(args, blockZones),
    patterns: [],
    conditions: [],
    records: { answer: [], additional: [], authority: [] },
    rcode: Rcode.NOERROR,
    error: undefined,
    fallthrough: undefined,
  };
  for (const line of args.lines()) readLine(line, rule);
  args.end();
  const { answer, authority } = rule.records;
  if (answer.length + authority.length === 0 && rule.rcode === Rcode.NOERROR) {
    failAt(directive.name, 'template: expected an answer, an authority or an rcode');
  }
  if (rule.patterns.length === 0) rule.patterns.push(compilePattern('.*'));
  return rule;
}

/** Groups by number, and by name where they have one. */
function groupsOf({ groupNames }: Pattern, matched: readonly string[]): Record<string, string> {
  const groups: [string, string][] = matched.flatMap((text, i) => {
    const name = groupNames[i] ?? '';
    const numbered: [string, string] = [String(i), text];
    return name === '' ? [numbered] : [numbered, [name, text]];
  });
  return Object.fromEntries(groups);
}

/** The values of the first pattern that matches; none where a condition does not hold. */
function valuesOf(rule: Rule, query: Query, zone: WireName, metadata: Metadata) {
  const name = formatName(foldName(query.name));
  if (!rule.conditions.every((holds) => holds(query))) return undefined;
  for (const pattern of rule.patterns) {
    const matched = pattern.find(name);
    if (matched === undefined) continue;
    const values: TemplateValues = {
      Zone: formatName(zone),
      Name: name,
      Class: formatClass(query.class === RecordClass.ANY ? rule.class : query.class),
      Type: formatType(query.type === RecordType.ANY ? rule.type : query.type),
      Remote: formatAddress(query.client.address),
      Match: matched,
      Group: groupsOf(pattern, matched),
      'Question.Name': formatName(query.name),
      'Question.Qtype': String(query.type),
      'Question.Qclass': String(query.class),
      'Message.Id': String(readU16(query.message, ID_OFF)),
      Meta: (label) => metadata(label, query),
    };
    return values;
  }
  return undefined;
}

/** ANY stands for every class and type, in a template as in a query. */
function isAbout(rule: Rule, { class: queryClass, type }: Query): boolean {
  const isClass = rule.class === queryClass || [rule.class, queryClass].includes(RecordClass.ANY);
  return isClass && (rule.type === type || [rule.type, type].includes(RecordType.ANY));
}

/** A template that fails, or gives no record, is counted under this name. */
type Failed = (what: 'template' | 'rr', section: Section, template: string) => void;

/** @throws what the first template to fail has thrown */
function recordsOf(
  section: Section,
  { records }: Rule,
  values: TemplateValues,
  failed: Failed,
): ResourceRecord[] {
  const options = { file: 'template', origin: ROOT, ttl: DEFAULT_TTL_SEC };
  return records[section].map(({ source, write }) => {
    let what: 'template' | 'rr' = 'template';
    try {
      const text = write(values);
      what = 'rr';
      return parseRecord(text, options);
    } catch (thrown) {
      failed(what, section, source);
      throw thrown;
    }
  });
}

/** An address is asked for and a CNAME is the answer: the records of its target as well. */
async function chase(
  answer: readonly ResourceRecord[],
  query: Query,
  ask: SetupContext['ask'],
): Promise<ResourceRecord[]> {
  const isAddress = query.type === RecordType.A || query.type === RecordType.AAAA;
  if (!isAddress) return [...answer];
  const chased = await Promise.all(
    answer.map(async (record) => {
      if (record.type !== RecordType.CNAME) return [record];
      const reply = await askAgain(ask, changeQuery(query, { name: record.rdata }));
      return [record, ...(decodeMessage(reply.message)?.answer ?? [])];
    }),
  );
  return chased.flat();
}

const labelsOf = ({ Class, Type, Zone }: TemplateValues, { server }: SetupContext) => ({
  ...{ server, zone: Zone, view: '', class: Class, type: Type },
});

async function answerWith(
  rule: Rule,
  query: Query,
  values: TemplateValues,
  context: SetupContext,
): Promise<Reply> {
  const { rcode, error } = rule;
  const options = writeOptions(error === undefined ? [] : [error]);
  if (rcode === Rcode.SERVFAIL) return replyWith('template', query, { rcode, options });
  const failed: Failed = (what, section, template) => {
    const labels = { ...labelsOf(values, context), section, template };
    context.metrics.count(`coredns_template_${what}_failures_total`, labels);
  };
  const recordsIn = (section: Section): ResourceRecord[] =>
    recordsOf(section, rule, values, failed);
  try {
    return replyWith('template', query, {
      rcode,
      options,
      isAuthoritative: true,
      answer: await chase(recordsIn('answer'), query, context.ask),
      authority: recordsIn('authority'),
      additional: recordsIn('additional'),
    });
  } catch (thrown) {
    return replyFailure('template', query, messageOf(thrown));
  }
}

export const setUpTemplate: Setup = (directives, context) => {
  const rules = directives.map((directive) => readRule(directive, context.zones));
  const metadata = createMetadata(context);
  return {
    name: 'template',
    claims: claimBelow(rules.flatMap(({ zones }) => zones)),
    handle: async (query, next) => {
      for (const rule of rules) {
        const zone = zoneOf(query.name, rule.zones);
        if (zone === undefined || !isAbout(rule, query)) continue;
        const values = valuesOf(rule, query, zone, metadata);
        if (values === undefined) {
          if (isInZones(query.name, rule.fallthrough ?? [])) continue;
          return replyFailure('template', query, 'no template matches, and none falls through');
        }
        context.metrics.count('coredns_template_matches_total', labelsOf(values, context));
        return answerWith(rule, query, values, context);
      }
      return next(query);
    },
  };
};
