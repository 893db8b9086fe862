/** Plugins that write down how they were called and answer what a file says: for tests of the caller. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json } from './libcni/config.js';

/**
 * $0's folder is `bin`; beside it lie the file `calls` and the folder `replies`. One line a call, the
 * fields divided by tabs, which JSON on one line does not have.
 */
const SCRIPT = `#!/bin/sh
home=\${0%/bin/*} me=\${0##*/}
input=$(cat)
printf '%s\\t%s\\t%s\\t%s\\t%s\\t%s\\t%s\\n' "$me" "$CNI_COMMAND" "$CNI_CONTAINERID" "$CNI_NETNS" \\
  "$CNI_IFNAME" "$CNI_ARGS" "$input" >>"$home/calls"
reply=$home/replies/$me.$CNI_COMMAND
[ ! -f "$reply.hang" ] || exec sleep 60
[ ! -f "$reply.out" ] || cat "$reply.out"
[ ! -f "$reply.code" ] || exit "$(cat "$reply.code")"
`;

export interface RecordedCall {
  readonly plugin: string;
  readonly command: string;
  readonly containerId: string;
  readonly netns: string;
  readonly ifname: string;
  readonly args: string;
  readonly input: Json;
}

export interface Reply {
  /** Written to standard output. */
  readonly out?: Json;
  /** Exit code; absent: 0. */
  readonly code?: number;
  /** Answers after a minute. */
  readonly hangs?: boolean;
}

export interface FakePlugins {
  readonly bin: string;
  /** The script of a plugin. */
  file(type: string): string;
  /** Say what a plugin answers to a command from now on; without a reply: nothing, successfully. */
  answer(type: string, command: string, reply?: Reply): void;
  /** What was called since the last look. */
  take(): RecordedCall[];
}

/** @param home  an empty folder */
export function fakePlugins(home: string, ...types: string[]): FakePlugins {
  const bin = join(home, 'bin');
  const replies = join(home, 'replies');
  const calls = join(home, 'calls');
  mkdirSync(bin, { recursive: true });
  mkdirSync(replies);
  const file = (type: string): string => join(bin, type);
  for (const type of types) writeFileSync(file(type), SCRIPT, { mode: 0o755 });
  return {
    bin,
    file,
    answer(type, command, { out, code, hangs } = {}) {
      const base = join(replies, `${type}.${command}`);
      for (const ending of ['out', 'code', 'hang']) rmSync(`${base}.${ending}`, { force: true });
      if (out !== undefined) writeFileSync(`${base}.out`, JSON.stringify(out));
      if (code !== undefined) writeFileSync(`${base}.code`, String(code));
      if (hangs === true) writeFileSync(`${base}.hang`, '');
    },
    take() {
      if (!existsSync(calls)) return [];
      const lines = readFileSync(calls, 'utf8').split('\n').filter(Boolean);
      rmSync(calls);
      return lines.map((line) => {
        const [plugin = '', command = '', containerId = '', netns = '', ...rest] = line.split('\t');
        const [ifname = '', args = '', input = '{}'] = rest;
        const parsed = JSON.parse(input) as Json;
        return { plugin, command, containerId, netns, ifname, args, input: parsed };
      });
    },
  };
}
