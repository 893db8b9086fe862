/**
 * Executes plugins by a small C program (bench/native/exec.c) and takes the time from it: Node's own
 * spawn costs milliseconds that no runtime pays.
 */
import { spawn } from 'node:child_process';
import type { Ended } from '../../test/support/libcni/exec.js';
import { compileNative } from '../twin.js';

export interface Executed extends Ended {
  /** From before the program is begun until it has ended. */
  readonly ms: number;
}

export interface Executor {
  /** One at a time. @param env  all of the environment */
  execute(
    file: string,
    env: Readonly<Record<string, string | undefined>>,
    input: string,
  ): Promise<Executed>;
  close(): void;
}

const HEAD_LEN = 16;
const NS_PER_MS = 1e6;

/** Three lengths and what they are the lengths of. */
function encodeRequest(
  file: string,
  env: Readonly<Record<string, string | undefined>>,
  input: string,
): Buffer {
  const variables = Object.entries(env).map(([name, value = '']) => `${name}=${value}\0`);
  const parts = [file, variables.join(''), input].map((text) => Buffer.from(text));
  const lens = Uint32Array.from(parts, (part) => part.length);
  return Buffer.concat([Buffer.from(lens.buffer), ...parts]);
}

export async function startExecutor(): Promise<Executor> {
  const child = spawn(await compileNative('exec'), { stdio: ['pipe', 'pipe', 'inherit'] });
  let received = Buffer.alloc(0);
  let wake: (() => void) | undefined;
  child.stdout.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    wake?.();
  });
  let isOver = false;
  child.once('close', () => {
    isOver = true;
    wake?.();
  });
  const take = async (len: number): Promise<Buffer> => {
    while (received.length < len) {
      if (isOver) throw new Error('bench/native/exec.c has ended');
      await new Promise<void>((resolve) => (wake = resolve));
    }
    const taken = received.subarray(0, len);
    received = received.subarray(len);
    return taken;
  };
  return {
    execute: async (file, env, input) => {
      child.stdin.write(encodeRequest(file, env, input));
      const head = await take(HEAD_LEN);
      const body = await take(head.readUInt32LE(12));
      return {
        ms: Number(head.readBigUInt64LE(0)) / NS_PER_MS,
        status: head.readUInt32LE(8),
        signal: null,
        stdout: body.toString(),
        stderr: '',
      };
    },
    close: () => {
      child.stdin.end();
    },
  };
}
