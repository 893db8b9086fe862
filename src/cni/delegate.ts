/**
 * Another plugin, called in turn: an address plugin that the configuration names.
 *
 * It gets the whole standard input and the same environment, as the runtime gave them.
 *
 * Spec  CNI 1.1.0, Section 4
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno, messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { convertFromIpam, decodeOutput } from './decode-result.js';
import { CNI_CODE, CniError } from './errors.js';
import { member, optionalText, wholeNumber } from './field.js';
import type { NetConf } from './netconf.js';
import type { CniRequest, RequestVerb } from './request.js';
import type { CniResult } from './result.js';

/** What a plugin is called with: a request, or as much of one as was kept. */
export interface DelegateCall extends Pick<CniRequest, 'path' | 'env' | 'stdin'> {
  readonly conf: Pick<NetConf, 'cniVersion'>;
}

export interface DelegateOptions {
  /** Which plugin: a file of CNI_PATH. */
  readonly type: string;
  /** Not always the request's own: an ADD that fails has to DEL. */
  readonly verb: RequestVerb;
  readonly log: Log;
  readonly timeoutMs: number;
  /** Aborted: the plugin is killed. */
  readonly signal?: AbortSignal;
}

const OUTPUT_MAX = 1024 * 1024;
const STDERR_MAX = 8 * 1024;
const CODE_MAX = 2 ** 31 - 1;
/** A plugin that is being replaced cannot be executed for a moment (execve(2), ETXTBSY). */
const BUSY_TRIES = 6;
const BUSY_MS = 250;

/** @throws CniError 7 */
async function findPlugin(type: string, folders: readonly string[]): Promise<string> {
  const isName = type !== '' && type !== '.' && type !== '..' && !type.includes('/');
  for (const folder of isName ? folders : []) {
    const file = join(folder, type);
    try {
      await access(file, constants.X_OK);
      return file;
    } catch {
      // The next folder may have it; if none has, the error below names them all.
    }
  }
  const shown = JSON.stringify(type);
  const message = `ipam.type: ${shown}: expected an executable in CNI_PATH ${folders.join(':')}`;
  throw new CniError(CNI_CODE.INVALID_CONFIG, message);
}

function isBusy(error: unknown): boolean {
  return isErrno(error, 'ETXTBSY');
}

interface Output {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Start it, and wait until it is there or is not. */
function start(file: string, env: NodeJS.ProcessEnv, timeoutMs: number): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    const options = { env, timeout: timeoutMs, killSignal: 'SIGKILL', stdio: 'pipe' } as const;
    const child = spawn(file, [], options);
    child.once('error', reject);
    child.once('spawn', () => resolve(child));
  });
}

async function startPatiently(
  file: string,
  env: NodeJS.ProcessEnv,
  timeoutMs: number,
): Promise<ChildProcess> {
  for (let tries = 1; ; tries++) {
    try {
      return await start(file, env, timeoutMs);
    } catch (error) {
      if (!isBusy(error) || tries === BUSY_TRIES) throw error;
      await sleep(BUSY_MS);
    }
  }
}

/** Its output up to a limit; what is beyond is not kept. */
function collect(stream: NodeJS.ReadableStream | null, max: number): () => string {
  const chunks: Buffer[] = [];
  let length = 0;
  stream?.on('data', (chunk: Buffer) => {
    if (length < max) chunks.push(chunk.subarray(0, max - length));
    length += chunk.length;
  });
  return () => Buffer.concat(chunks).toString();
}

function finish(child: ChildProcess, stdin: string, signal?: AbortSignal): Promise<Output> {
  return new Promise((resolve) => {
    const stdout = collect(child.stdout, OUTPUT_MAX);
    const stderr = collect(child.stderr, STDERR_MAX);
    const kill = (): void => void child.kill('SIGKILL');
    if (signal?.aborted === true) kill();
    signal?.addEventListener('abort', kill, { once: true });
    child.once('close', (status) => {
      signal?.removeEventListener('abort', kill);
      resolve({ status, stdout: stdout(), stderr: stderr() });
    });
    // A plugin may end without having read everything.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(stdin);
  });
}

/** What a plugin says when it fails. @throws CniError always */
function throwFailure(type: string, { status, stdout, stderr }: Output): never {
  if (status === null) {
    throw new CniError(CNI_CODE.TRY_AGAIN, `${type} is not done in time: try again later`);
  }
  if (stdout.trim() === '') {
    const message = `${type} ends with status ${status}: ${stderr.trim().slice(-200) || 'no word'}`;
    throw new CniError(CNI_CODE.INTERNAL, message);
  }
  const said = decodeOutput(type, stdout);
  const code = wholeNumber(member(said, 'code'), 0, CODE_MAX) ?? CNI_CODE.INTERNAL;
  const message = optionalText(member(said, 'msg')) ?? `status ${status}`;
  const details = optionalText(member(said, 'details')) ?? '';
  // 0 is a placeholder of libcni's.
  throw new CniError(code === 0 ? CNI_CODE.INTERNAL : code, `${type}: ${message}`, details);
}

/**
 * Call an address plugin.
 *
 * @returns with ADD, what it gave, in the shape of 1.1.0; else nothing
 * @throws  CniError  the plugin's own code; 7 there is no such plugin; 11 it took too long; 6 its
 *          output is no result; 999 it cannot be started, or failed without a word
 */
export async function execDelegate(
  request: DelegateCall,
  { type, verb, log, timeoutMs, signal }: DelegateOptions,
): Promise<CniResult | undefined> {
  const file = await findPlugin(type, request.path);
  const env = {
    PATH: process.env['PATH'],
    ...Object.fromEntries(request.env),
    CNI_COMMAND: verb,
  };
  let output: Output;
  try {
    output = await finish(await startPatiently(file, env, timeoutMs), request.stdin, signal);
  } catch (cause) {
    const message = `${file} cannot be started: ${messageOf(cause)}`;
    throw new CniError(CNI_CODE.INTERNAL, message, '', { cause });
  }
  if (output.stderr.trim() !== '') log.info({ plugin: type, verb }, output.stderr.trim());
  if (output.status !== 0) throwFailure(type, output);
  if (verb !== 'ADD') return undefined;
  return convertFromIpam(decodeOutput(type, output.stdout), request.conf.cniVersion);
}
