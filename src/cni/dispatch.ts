/**
 * The one path of a request, whether a plugin sends it or the delete queue replays it: bytes in,
 * checked, handled, an exit code and standard output out. Nothing is thrown.
 *
 * Operations on one attachment run one after the other, in the order they came: a runtime that has
 * given up on an ADD sends the DEL while the ADD still runs.
 */
import { messageOf } from '../errors.js';
import { ownerKey } from '../ipam/ipam.js';
import type { Log } from '../log.js';
import { createTurns } from '../turns.js';
import type { Turns } from '../turns.js';
import { CNI_CODE, CniError, formatError, toCniError } from './errors.js';
import { guardNetns } from './own-netns.js';
import { ownerOf, parseRequest, readVerb } from './request.js';
import type { CniRequest } from './request.js';
import { convertTo } from './result.js';
import type { CniResult } from './result.js';
import { parseDocument, versionOf } from './netconf.js';
import { DEADLINES_MS } from './verb.js';
import type { Verb } from './verb.js';
import { formatVersions } from './version.js';
import { decodeRequest } from './wire.js';
import type { RawRequest, Reply } from './wire.js';

/**
 * Do what a request asks for.
 *
 * @param signal  aborted when nobody waits for the answer any more: undo what was done
 * @returns the result of an ADD; nothing for the others
 * @throws CniError, IpamError; anything else is code 999
 */
export type CniHandler = (
  request: CniRequest,
  signal: AbortSignal,
) => Promise<CniResult | undefined>;

/** What became of an operation, for counters. */
export interface Outcome {
  readonly verb: Verb | undefined;
  /** 0 is success. */
  readonly code: number;
  readonly durationMs: number;
}

export interface DispatchOptions {
  readonly handle: CniHandler;
  readonly log: Log;
  /** All operations are over when it is aborted. */
  readonly signal: AbortSignal;
  readonly observe?: (outcome: Outcome) => void;
  /** Of attachments, by `ownerKey`; whoever else changes one takes its turn, too. */
  readonly turns?: Turns;
  /** Time for an answer; tests have less of it. */
  readonly deadlinesMs?: Readonly<Record<Verb, number>>;
}

/** Hands an answer over. @throws when nobody is there to have it */
export type Deliver = (reply: Reply) => Promise<void>;

/** A request that has come in; its time runs. */
export interface Operation {
  /** Undefined: it cannot be told. */
  readonly verb: Verb | undefined;
  /**
   * Do it, and hand the answer over, once. Never rejects. An ADD whose answer nobody has is undone: a
   * runtime that kills its plugin sends no DEL.
   */
  run(deliver: Deliver): Promise<void>;
}

export type Dispatch = (bytes: Buffer) => Operation;

/** The agent's own word comes before the plugin's, which waits as long as DEADLINES_MS says. */
const BUDGET_SHARE = 0.9;

const SILENT: Reply = { exitCode: 0, stdout: '', code: undefined };

/** The version an error is written in: the configuration's, if it can be read. */
function spokenIn(raw: RawRequest | undefined): string | undefined {
  try {
    return raw && versionOf(parseDocument(raw.stdin));
  } catch {
    // The error that is being written says why.
    return undefined;
  }
}

function failure(error: CniError, raw: RawRequest | undefined): Reply {
  return { exitCode: 1, stdout: `${formatError(error, spokenIn(raw))}\n`, code: error.code };
}

function success(request: CniRequest, result: CniResult | undefined): Reply {
  if (result === undefined) return SILENT;
  return { ...SILENT, stdout: `${JSON.stringify(convertTo(result, request.conf.cniVersion))}\n` };
}

/** What a request was about, for the log. */
function describe(raw: RawRequest | undefined): Record<string, string> {
  const entries = ['CNI_CONTAINERID', 'CNI_IFNAME', 'CNI_NETNS'].flatMap((name) => {
    const value = raw?.env.get(name) ?? '';
    return value === '' ? [] : [[name, value]];
  });
  return Object.fromEntries(entries) as Record<string, string>;
}

function tooLate(verb: Verb | undefined): CniError {
  const message = `${verb ?? 'request'} is not done in time: try again later`;
  return new CniError(CNI_CODE.TRY_AGAIN, message);
}

/** The end of an operation's time. */
interface Deadline {
  readonly signal: AbortSignal;
  /** Rejects at the end. */
  readonly passed: Promise<never>;
  close(): void;
}

/** @param all  ends of all deadlines that are open, for when everything ends */
function openDeadline(verb: Verb | undefined, ms: number, all: Set<() => void>): Deadline {
  const controller = new AbortController();
  const { signal } = controller;
  const passed = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(tooLate(verb)), { once: true });
  });
  passed.catch(() => undefined);
  const end = (): void => {
    all.delete(end);
    controller.abort();
  };
  const timer = setTimeout(end, ms);
  timer.unref();
  all.add(end);
  const close = (): void => {
    clearTimeout(timer);
    all.delete(end);
  };
  return { signal, passed, close };
}

/** A request as far as it could be read. */
interface Opened {
  readonly raw?: RawRequest;
  readonly verb?: Verb;
  readonly refused?: unknown;
}

function open(bytes: Buffer): Opened {
  let raw: RawRequest | undefined;
  try {
    raw = decodeRequest(bytes);
    return { raw, verb: readVerb(raw.env) };
  } catch (refused) {
    return raw === undefined ? { refused } : { raw, refused };
  }
}

export function createDispatch(options: DispatchOptions): Dispatch {
  const { handle, log, signal, observe, deadlinesMs = DEADLINES_MS } = options;
  const turns = options.turns ?? createTurns();
  const ends = new Set<() => void>();
  const endAll = (): void => {
    for (const end of ends) end();
  };
  signal.addEventListener('abort', endAll, { once: true });

  const perform = (
    request: CniRequest,
    over: AbortSignal,
    deliver: Deliver,
  ): Promise<Reply | undefined> => {
    for (const what of request.ignored) log.warn(`${request.verb}: ${what}; left out`);
    const owner = ownerOf(request);
    const isLate = (): boolean => over.aborted;
    const work = async (): Promise<Reply | undefined> => {
      // What nobody waits for is not begun.
      if (isLate()) throw tooLate(request.verb);
      await guardNetns(request);
      const reply = success(request, await handle(request, over));
      // One that was told to stop has undone it by itself.
      if (request.verb !== 'ADD' || isLate()) return reply;
      try {
        await deliver(reply);
      } catch (error) {
        log.warn(
          { ...owner },
          `nobody has the answer to this ADD, which is undone: ${messageOf(error)}`,
        );
        // In the same turn: whatever comes next finds nothing of it.
        await handle({ ...request, verb: 'DEL' }, over);
      }
      return undefined;
    };
    return owner.containerId === '' ? work() : turns.take(ownerKey(owner), work);
  };

  /** @returns undefined when it has been delivered already */
  const answer = async (
    { raw, verb, refused }: Opened,
    deadline: Deadline,
    deliver: Deliver,
  ): Promise<Reply | undefined> => {
    if (raw === undefined || verb === undefined) throw refused;
    if (verb === 'VERSION') return { ...SILENT, stdout: `${formatVersions()}\n` };
    const done = perform(parseRequest(verb, raw), deadline.signal, deliver);
    // Work that is late goes on to its end and keeps its turn.
    done.catch(() => undefined);
    return Promise.race([done, deadline.passed]);
  };

  return (bytes) => {
    const sinceMs = performance.now();
    const opened = open(bytes);
    const { raw, verb } = opened;
    const budgetMs = verb === undefined ? 0 : deadlinesMs[verb] * BUDGET_SHARE;
    const deadline = openDeadline(verb, budgetMs, ends);
    if (signal.aborted) endAll();
    const report = (code: number): object => {
      const durationMs = performance.now() - sinceMs;
      observe?.({ verb, code, durationMs });
      return { verb, code, durationMs: Math.round(durationMs), ...describe(raw) };
    };
    const run = async (deliver: Deliver): Promise<void> => {
      let isDelivered = false;
      const once: Deliver = async (reply) => {
        if (isDelivered) throw tooLate(verb);
        isDelivered = true;
        await deliver(reply);
      };
      let reply: Reply | undefined;
      try {
        reply = await answer(opened, deadline, once);
        log.debug(report(0), `${verb ?? ''} done`);
      } catch (thrown) {
        const error = toCniError(thrown);
        log.warn(report(error.code), `${verb ?? 'request'}: ${error.message}`);
        reply = failure(error, raw);
      } finally {
        deadline.close();
      }
      // Who has gone needs no answer.
      if (reply !== undefined) await once(reply).catch(() => undefined);
    };
    return { verb, run };
  };
}
