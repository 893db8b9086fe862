/**
 * What the plugin's executable and the agent say to each other over the agent's socket; the other
 * end is native/cni/sluice-cni.c.
 *
 *   request   KEY=VALUE\0 for every CNI_* variable, \0, standard input, end of stream
 *   reply     exit code in decimal, \n, standard output, end of stream
 */
import { CNI_CODE, CniError } from './errors.js';

/** The longest request, and the longest reply: 16 MiB, and room for the variables. */
export const MESSAGE_MAX = 17 * 1024 * 1024;

export interface RawRequest {
  readonly env: ReadonlyMap<string, string>;
  readonly stdin: string;
}

export interface Reply {
  readonly exitCode: number;
  /** Empty, a result or an error object. */
  readonly stdout: string;
  /** CNI's code of the error; undefined for none. */
  readonly code: number | undefined;
}

const NUL = 0;

export function encodeRequest({ env, stdin }: RawRequest): Buffer {
  const variables = [...env].map(([key, value]) => `${key}=${value}\0`);
  return Buffer.from(`${variables.join('')}\0${stdin}`);
}

/** @throws CniError 5  no request */
export function decodeRequest(bytes: Buffer): RawRequest {
  const env = new Map<string, string>();
  let at = 0;
  for (;;) {
    const end = bytes.indexOf(NUL, at);
    if (end < 0) throw new CniError(CNI_CODE.IO, 'the request ends before its variables do');
    if (end === at) break;
    const pair = bytes.toString('utf8', at, end);
    const equals = pair.indexOf('=');
    env.set(pair.slice(0, equals), pair.slice(equals + 1));
    at = end + 1;
  }
  return { env, stdin: bytes.toString('utf8', at + 1) };
}

export function encodeReply({ exitCode, stdout }: Reply): string {
  return `${exitCode}\n${stdout}`;
}

/** @returns undefined for anything that is no whole reply */
export function decodeReply(text: string): { exitCode: number; stdout: string } | undefined {
  const match = /^(\d{1,3})\n/.exec(text);
  return match ? { exitCode: Number(match[1]), stdout: text.slice(match[0].length) } : undefined;
}
