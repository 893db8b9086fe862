/** Running a plugin as libcni does (pkg/invoke): environment, input, deadline, errors. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface Call {
  readonly command: 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS' | 'VERSION';
  readonly containerId?: string;
  readonly netns?: string;
  readonly ifname?: string;
  /** `K=V;K=V`. */
  readonly args?: string;
}

export interface Runner {
  /** Folders that plugins are looked up in. */
  readonly path: readonly string[];
  /** Put before every plugin, such as nsenter(1) into a node. */
  readonly wrap?: readonly string[];
  /** Added to the environment of every plugin. */
  readonly env?: Readonly<Record<string, string>>;
  /** The deadline of the caller's context, milliseconds; absent: none. */
  readonly timeoutMs?: number;
  /** Runs a program in its place: no deadline, nothing put before it. */
  readonly execute?: (file: string, env: NodeJS.ProcessEnv, input: string) => Promise<Ended>;
}

/** What a plugin says when it fails; the code is 0 when it did not say. */
export class PluginError extends Error {
  override readonly name = 'PluginError';

  constructor(
    readonly code: number,
    message: string,
    readonly details?: string,
  ) {
    super(message);
  }
}

/** Times that libcni tries a binary which is being written, a second apart. */
const BUSY_TRIES = 6;
const BUSY_WAIT_MS = 1000;

export function findPlugin(type: string, path: readonly string[]): string {
  if (type.includes('/')) throw new Error(`invalid plugin name: ${type}`);
  const found = path.map((folder) => join(folder, type)).find((file) => existsSync(file));
  if (found === undefined)
    throw new Error(`failed to find plugin "${type}" in path ${path.join(':')}`);
  return found;
}

/** How a program ended. */
export interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

function environment(call: Call, { path, env }: Runner): NodeJS.ProcessEnv {
  return {
    ...process.env,
    ...env,
    CNI_COMMAND: call.command,
    CNI_CONTAINERID: call.containerId ?? '',
    CNI_NETNS: call.netns ?? '',
    CNI_ARGS: call.args ?? '',
    CNI_IFNAME: call.ifname ?? '',
    CNI_PATH: path.join(':'),
  };
}

function spawnPlugin(words: readonly string[], env: NodeJS.ProcessEnv, timeoutMs?: number) {
  const [program = '', ...args] = words;
  const child = spawn(program, args, {
    env,
    killSignal: 'SIGKILL',
    ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
  });
  // A plugin need not read its input.
  child.stdin.on('error', () => undefined);
  return child;
}

function runOnce(
  words: readonly string[],
  input: string,
  call: Call,
  runner: Runner,
): Promise<Ended> {
  const { execute } = runner;
  if (execute) return execute(words[0] ?? '', environment(call, runner), input);
  return new Promise((resolve, reject) => {
    const child = spawnPlugin(words, environment(call, runner), runner.timeoutMs);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    // Not 'close': the children of a killed plugin may hold its output open.
    child.once('exit', (status, signal) => {
      const end = (): void => resolve({ stdout, stderr, status, signal });
      if (signal === null) child.once('close', end);
      else end();
    });
    child.stdin.end(input);
  });
}

function pluginError({ stdout, stderr, status, signal }: Ended): PluginError {
  const how = signal === null ? `exit status ${String(status)}` : `signal: ${signal}`;
  if (stdout === '') {
    const said = stderr === '' ? `with no error message: ${how}` : `: ${JSON.stringify(stderr)}`;
    return new PluginError(0, `netplugin failed ${said}`);
  }
  try {
    const { code, msg, details } = JSON.parse(stdout) as Record<
      string,
      string | number | undefined
    >;
    return new PluginError(Number(code ?? 0), String(msg), details?.toString());
  } catch {
    return new PluginError(0, `netplugin failed but error parsing its message ${stdout}`);
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ETXTBSY';
}

/**
 * Run a plugin to its end.
 *
 * @returns its output
 * @throws  PluginError; Error when it cannot be started
 */
export async function execPlugin(
  file: string,
  input: string,
  call: Call,
  runner: Runner,
): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    try {
      const ended = await runOnce([...(runner.wrap ?? []), file], input, call, runner);
      if (ended.status === 0) return ended.stdout;
      throw pluginError(ended);
    } catch (error) {
      if (!isBusy(error) || tries >= BUSY_TRIES) throw error;
      await delay(BUSY_WAIT_MS);
    }
  }
}
