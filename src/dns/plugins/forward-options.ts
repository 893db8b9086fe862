/**
 * What a `forward` directive says.
 *
 * Spec  CoreDNS, plugin/forward: setup.go
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { messageOf } from '../../errors.js';
import { argAt, expectArgs, expectNoBlock, failUnknown } from '../chain/directives.js';
import { readDomain, readDuration, readInteger, readWord, readZones } from '../chain/directives.js';
import { failAt, shown } from '../corefile/complaint.js';
import type { Directive, Token } from '../corefile/corefile.js';
import { DEFAULT_FORWARD_OPTIONS } from '../forward/options.js';
import type { ForwardOptions, ForwardTlsOptions } from '../forward/options.js';
import { POLICIES } from '../forward/policy.js';
import { parseUpstreams } from '../forward/upstream.js';
import { parseRcode } from '../message/types.js';
import type { WireName } from '../plugin.js';
import { formatName } from '../wire/name.js';

export interface ForwardPlan {
  readonly from: WireName;
  readonly except: readonly WireName[];
  readonly forward: ForwardOptions;
  /** Rcodes after which the next `forward` of the block is asked. */
  readonly next: ReadonlySet<number>;
  readonly isNextOnNoData: boolean;
  /** What the operator should know. */
  readonly notes: readonly string[];
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

interface Draft {
  readonly folder: string;
  readonly forward: Mutable<Omit<ForwardOptions, 'upstreams'>>;
  tls: Mutable<ForwardTlsOptions>;
  except: WireName[];
  next: number[];
  isNextOnNoData: boolean;
}

type ReadOption = (line: Directive, draft: Draft) => void;

const COUNT = { min: 0, max: 0x7fffffff };
const MAX_FAILS = { min: 0, max: 0xffffffff };
const HEALTH_OPTIONS = ['no_rec', 'domain'] as const;

function readFile(token: Token, folder: string): Buffer {
  try {
    return readFileSync(resolve(folder, token.text));
  } catch (error) {
    return failAt(token, `${shown(token.text)}: cannot be read: ${messageOf(error)}`);
  }
}

function readRcode(token: Token): number {
  const rcode = parseRcode(token.text);
  return rcode ?? failAt(token, `${shown(token.text)}: expected a response code such as SERVFAIL`);
}

const flag =
  (set: (draft: Draft) => void): ReadOption =>
  (line, draft) => {
    expectArgs(line, 0);
    expectNoBlock(line);
    set(draft);
  };

const one =
  (set: (token: Token, draft: Draft) => void): ReadOption =>
  (line, draft) => {
    expectArgs(line, 1);
    expectNoBlock(line);
    set(argAt(line, 0), draft);
  };

/** `health_check 5s no_rec domain example.org` */
function readHealthCheck(line: Directive, { forward }: Draft): void {
  expectArgs(line, 1, 4);
  const [interval, ...words] = line.args;
  let { noRec, domain } = forward.healthCheck;
  while (words.length > 0) {
    const word = words.shift() ?? line.name;
    if (readWord(word, HEALTH_OPTIONS) === 'no_rec') noRec = true;
    else domain = formatName(readDomain(words.shift() ?? failAt(word, 'domain: expected a name')));
  }
  const intervalMs = readDuration(interval ?? line.name, { min: 1, max: Infinity });
  forward.healthCheck = { intervalMs, noRec, domain };
}

/** `tls`, `tls CA`, `tls CERT KEY`, `tls CERT KEY CA` */
function readTls(line: Directive, { tls, folder }: Draft): void {
  expectArgs(line, 0, 3);
  const files = line.args.map((token) => readFile(token, folder));
  const [ca, cert, key] = files.length === 1 ? [files[0]] : [files[2], files[0], files[1]];
  if (ca !== undefined) tls.ca = ca;
  if (cert !== undefined) tls.cert = cert;
  if (key !== undefined) tls.key = key;
}

const OPTIONS: Readonly<Record<string, ReadOption>> = {
  except: (line, draft) => {
    expectArgs(line, 1, Infinity);
    draft.except.push(...readZones(line.args, []));
  },
  policy: one((token, { forward }) => (forward.policy = readWord(token, POLICIES))),
  max_fails: one((token, { forward }) => (forward.maxFails = readInteger(token, MAX_FAILS))),
  expire: one((token, { forward }) => (forward.expireMs = readDuration(token))),
  max_age: one((token, { forward }) => (forward.maxAgeMs = readDuration(token))),
  max_idle_conns: one((token, { forward }) => (forward.maxIdleConns = readInteger(token, COUNT))),
  max_concurrent: one((token, { forward }) => (forward.maxConcurrent = readInteger(token, COUNT))),
  max_connect_attempts: one(
    (token, { forward }) => (forward.maxConnectAttempts = readInteger(token, COUNT)),
  ),
  force_tcp: flag(({ forward }) => (forward.forceTcp = true)),
  prefer_udp: flag(({ forward }) => (forward.preferUdp = true)),
  failfast_all_unhealthy_upstreams: flag(({ forward }) => (forward.failfastAllUnhealthy = true)),
  health_check: readHealthCheck,
  tls: readTls,
  tls_servername: one((token, { tls }) => (tls.servername = token.text)),
  failover: (line, { forward }) => {
    expectArgs(line, 1, Infinity);
    forward.failover = [...forward.failover, ...line.args.map(readRcode)];
  },
  next: (line, draft) => {
    expectArgs(line, 1, Infinity);
    draft.next.push(...line.args.map(readRcode));
  },
  next_on_nodata: flag((draft) => (draft.isNextOnNoData = true)),
};

function readUpstreams(directive: Directive, words: readonly Token[]) {
  try {
    return parseUpstreams(words.map(({ text }) => text));
  } catch (error) {
    return failAt(directive.name, `forward: ${messageOf(error)}`);
  }
}

/**
 * Read a `forward` directive: `forward FROM TO...`.
 *
 * @param folder  that relative names of files start from
 * @throws DataplaneError ERR_CONFIG
 */
export function readForward(directive: Directive, folder: string): ForwardPlan {
  expectArgs(directive, 2, Infinity);
  const [fromToken, ...to] = directive.args;
  // A prefix may stand for several zones: the first one is meant, as in CoreDNS.
  const [from = Uint8Array.of(0)] = readZones(fromToken === undefined ? [] : [fromToken], []);
  const { upstreams, notes } = readUpstreams(directive, to);
  const draft: Draft = {
    folder,
    forward: { ...DEFAULT_FORWARD_OPTIONS },
    tls: {},
    except: [],
    next: [],
    isNextOnNoData: false,
  };
  for (const line of directive.block ?? []) {
    const key = line.name.text;
    const read = Object.hasOwn(OPTIONS, key) ? OPTIONS[key] : undefined;
    if (read === undefined) failUnknown('forward', line);
    read(line, draft);
  }
  const { except, next, isNextOnNoData, tls, forward } = draft;
  return {
    from,
    except,
    forward: { ...forward, upstreams, tls },
    next: new Set(next),
    isNextOnNoData,
    notes,
  };
}
