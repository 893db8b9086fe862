/**
 * What a `forward` directive says.
 *
 * Spec  CoreDNS, plugin/forward: setup.go
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { messageOf } from '../../errors.js';
import { argumentsOf } from '../corefile/arguments.js';
import type { Arguments } from '../corefile/arguments.js';
import type { Directive } from '../corefile/corefile.js';
import { needChoice, needDuration, needEach, needInteger, needName } from '../corefile/values.js';
import type { Bounds } from '../corefile/values.js';
import { DEFAULT_FORWARD_OPTIONS } from '../forward/options.js';
import type { ForwardOptions, ForwardTlsOptions } from '../forward/options.js';
import { POLICIES } from '../forward/policy.js';
import { parseUpstreams } from '../forward/upstream.js';
import { parseRcode } from '../message/types.js';
import type { WireName } from '../plugin.js';
import { formatName } from '../wire/name.js';
import { needZones, ROOT } from './zones.js';

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

type ReadOption = (line: Arguments, draft: Draft) => void;

const COUNT = { min: 0, max: 0x7fffffff };
const MAX_FAILS = { min: 0, max: 0xffffffff };
const HEALTH_OPTIONS = ['no_rec', 'domain'] as const;
const HEALTH_ARGS_MAX = 4;
const HEALTH_RANGE: Bounds = { min: 1, max: Infinity };
const TLS_FILES_MAX = 3;

function needFile(line: Arguments, folder: string): Buffer {
  const path = line.need('a file');
  try {
    return readFileSync(resolve(folder, path));
  } catch (error) {
    return line.fail(`cannot be read: ${messageOf(error)}`);
  }
}

function needRcode(line: Arguments): number {
  const expected = 'a response code such as SERVFAIL';
  return parseRcode(line.need(expected)) ?? line.fail(`expected ${expected}`);
}

/** An option that has no braces. */
const plain =
  (read: ReadOption): ReadOption =>
  (line, draft) => {
    read(line, draft);
    line.end();
  };

/** `health_check 5s no_rec domain example.org` */
function readHealthCheck(line: Arguments, { forward }: Draft): void {
  if (line.left > HEALTH_ARGS_MAX) line.fail(`expected ${HEALTH_ARGS_MAX} arguments at most`);
  const intervalMs = needDuration(line, 'an interval', HEALTH_RANGE);
  let { noRec, domain } = forward.healthCheck;
  while (line.left > 0) {
    if (needChoice(line, HEALTH_OPTIONS) === 'no_rec') noRec = true;
    else domain = formatName(needName(line));
  }
  forward.healthCheck = { intervalMs, noRec, domain };
}

/** `tls`, `tls CA`, `tls CERT KEY`, `tls CERT KEY CA` */
function readTls(line: Arguments, { tls, folder }: Draft): void {
  const files: Buffer[] = [];
  while (line.left > 0 && files.length < TLS_FILES_MAX) files.push(needFile(line, folder));
  line.endArguments();
  const [ca, cert, key] = files.length === 1 ? [files[0]] : [files[2], files[0], files[1]];
  if (ca !== undefined) tls.ca = ca;
  if (cert !== undefined) tls.cert = cert;
  if (key !== undefined) tls.key = key;
}

const OPTIONS: Readonly<Record<string, ReadOption>> = {
  except: (line, { except }) => {
    except.push(...needEach(line, needZones).flat());
  },
  policy: plain((line, { forward }) => (forward.policy = needChoice(line, POLICIES))),
  max_fails: plain((line, { forward }) => {
    forward.maxFails = needInteger(line, 'a count', MAX_FAILS);
  }),
  expire: plain((line, { forward }) => {
    forward.expireMs = needDuration(line, 'a period');
  }),
  max_age: plain((line, { forward }) => {
    forward.maxAgeMs = needDuration(line, 'a period');
  }),
  max_idle_conns: plain((line, { forward }) => {
    forward.maxIdleConns = needInteger(line, 'a count', COUNT);
  }),
  max_concurrent: plain((line, { forward }) => {
    forward.maxConcurrent = needInteger(line, 'a count', COUNT);
  }),
  max_connect_attempts: plain((line, { forward }) => {
    forward.maxConnectAttempts = needInteger(line, 'a count', COUNT);
  }),
  force_tcp: plain((_, { forward }) => (forward.forceTcp = true)),
  prefer_udp: plain((_, { forward }) => (forward.preferUdp = true)),
  failfast_all_unhealthy_upstreams: plain(
    (_, { forward }) => (forward.failfastAllUnhealthy = true),
  ),
  health_check: readHealthCheck,
  tls: readTls,
  tls_servername: plain((line, { tls }) => (tls.servername = line.need('a name'))),
  failover: (line, { forward }) => {
    forward.failover = [...forward.failover, ...needEach(line, needRcode)];
  },
  next: (line, { next }) => {
    next.push(...needEach(line, needRcode));
  },
  next_on_nodata: plain((_, draft) => (draft.isNextOnNoData = true)),
};

function readUpstreams(args: Arguments) {
  const words = needEach(args, () => args.need('an upstream'));
  try {
    return parseUpstreams(words);
  } catch (error) {
    return args.failNaming(messageOf(error));
  }
}

/**
 * Read a `forward` directive: `forward FROM TO...`.
 *
 * @param folder  that relative names of files start from
 * @throws DataplaneError ERR_CONFIG
 */
export function readForward(directive: Directive, folder: string): ForwardPlan {
  const args = argumentsOf(directive);
  // A prefix may stand for several zones: the first one is meant, as in CoreDNS.
  const [from = ROOT] = needZones(args);
  const { upstreams, notes } = readUpstreams(args);
  const draft: Draft = {
    folder,
    forward: { ...DEFAULT_FORWARD_OPTIONS },
    tls: {},
    except: [],
    next: [],
    isNextOnNoData: false,
  };
  for (const line of args.lines()) {
    const read = Object.hasOwn(OPTIONS, line.name) ? OPTIONS[line.name] : undefined;
    if (read === undefined) line.unknown();
    else read(line, draft);
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
