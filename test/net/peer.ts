/** Both ends of a conversation, run by peer.py: servers that say whom they see, and who asks them. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { packageFile } from '../../src/package-root.js';
import type { Namespace, RunResult, Running } from '../support/netns.js';

export const PEER = packageFile('test/net/peer.py');

export type PeerProtocol = 'tcp' | 'udp';

/** One socket that asks whenever it is told to. */
export interface Held {
  /** Ask once more. @returns what the server says, or what went wrong */
  ask(): Promise<string>;
  close(): void;
}

/** What a program said, be it a complaint. */
function lastWord({ stdout, stderr }: RunResult): string {
  return stdout.trim() || (stderr.trim().split('\n').at(-1) ?? '');
}

/** A server over TCP and UDP, both families. @param name  stands behind every answer */
export async function serve(ns: Namespace, port: number, ...name: string[]): Promise<Running> {
  const server = ns.start(['python3', PEER, 'serve', String(port), ...name]);
  await server.waitFor(/ready/);
  return server;
}

/** @returns address and port the server saw, and its name, or what went wrong */
export async function ask(
  ns: Namespace,
  protocol: PeerProtocol,
  address: string,
  port: number,
): Promise<string> {
  return lastWord(await ns.runAsync(['python3', PEER, 'ask', protocol, address, String(port)]));
}

export function hold(ns: Namespace, protocol: PeerProtocol, address: string, port: number): Held {
  const words = [`--net=${ns.path}`, '--', 'python3', PEER, 'hold', protocol, address];
  const child = spawn('nsenter', [...words, String(port)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    ask: async () => {
      child.stdin.write('\n');
      const line: IteratorResult<string, unknown> = await lines.next();
      return line.done === true ? 'over' : line.value;
    },
    close: () => {
      child.stdin.end();
      child.kill();
    },
  };
}
