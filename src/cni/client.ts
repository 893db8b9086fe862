/** Ask an agent over its socket, as the plugin's executable does. */
import { connect } from 'node:net';
import { DataplaneError, messageOf } from '../errors.js';
import { MESSAGE_MAX, decodeReply, encodeRequest } from './wire.js';
import type { RawRequest } from './wire.js';

function exchange(socketPath: string, request: Buffer, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath, () => socket.end(request));
    const chunks: Buffer[] = [];
    let length = 0;
    socket.setTimeout(timeoutMs, () =>
      socket.destroy(new Error(`no answer within ${timeoutMs} ms`)),
    );
    socket.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > MESSAGE_MAX) socket.destroy(new Error('the answer is too long'));
      else chunks.push(chunk);
    });
    socket.once('error', reject);
    socket.once('end', () => resolve(Buffer.concat(chunks).toString()));
  });
}

/**
 * @returns exit code and standard output
 * @throws  DataplaneError ERR_STATE  nobody answers, or with what is no reply
 */
export async function askCni(
  socketPath: string,
  request: RawRequest,
  timeoutMs: number,
): Promise<{ readonly exitCode: number; readonly stdout: string }> {
  let text: string;
  try {
    text = await exchange(socketPath, encodeRequest(request), timeoutMs);
  } catch (cause) {
    throw new DataplaneError('ERR_STATE', `${socketPath}: ${messageOf(cause)}`, { cause });
  }
  const reply = decodeReply(text);
  if (reply !== undefined) return reply;
  throw new DataplaneError('ERR_STATE', `${socketPath}: no reply of a CNI agent`);
}
