/**
 * What a runtime is to its plugins, in the node's namespace: calls lists by the semantics of libcni.
 * One line of input is a CniOrder; the answer is a line with the milliseconds of each call: those of
 * its plugins together, from before each is executed until it has ended.
 *
 *   cni-child.ts JSON     JSON: CniNodeSpec
 */
import { createInterface } from 'node:readline';
import type { Attachment } from '../../test/support/libcni/cache.js';
import { parseList } from '../../test/support/libcni/config.js';
import { openLibcni } from '../../test/support/libcni.js';
import type { Libcni } from '../../test/support/libcni.js';
import { startExecutor } from '../cni/executor.js';
import type { CniNodeSpec, CniOrder } from './cni-node.js';

const FIRST_HOST_PORT = 20_000;
const CONTAINER_PORT = 80;

const { list, path, cacheDir, env, pods } = JSON.parse(process.argv[2] ?? '') as CniNodeSpec;
const network = parseList(JSON.stringify(list));

/** Everybody publishes a port of its own. */
function attachmentOf(netns: string, index: number, round: number): Attachment {
  const hostPort = FIRST_HOST_PORT + index;
  const portMappings = [{ hostPort, containerPort: CONTAINER_PORT, protocol: 'tcp' }];
  const containerId = `bench-${String(round)}-${String(index)}`;
  return { containerId, ifname: 'eth0', netns, capabilities: { portMappings } };
}

/** One that calls, by a process of its own. */
interface Caller {
  timed(verb: CniOrder['verb'], attachment: Attachment): Promise<number>;
}

async function openCaller(): Promise<Caller> {
  const executor = await startExecutor();
  let spentMs = 0;
  const libcni: Libcni = openLibcni({
    ...{ path, cacheDir, env },
    execute: async (file, variables, input) => {
      const ended = await executor.execute(file, variables, input);
      spentMs += ended.ms;
      return ended;
    },
  });
  return {
    timed: async (verb, attachment) => {
      spentMs = 0;
      await (verb === 'status' ? libcni.status(network) : libcni[verb](network, attachment));
      return spentMs;
    },
  };
}

const callers = await Promise.all(pods.map(openCaller));

async function carryOut({ verb, round, isAtOnce }: CniOrder): Promise<number[]> {
  const calls = pods.map((netns, index) => {
    const attachment = attachmentOf(netns, index, round);
    return () => callers[isAtOnce ? index : 0]?.timed(verb, attachment) ?? Promise.resolve(NaN);
  });
  if (isAtOnce) return Promise.all(calls.map((call) => call()));
  const times: number[] = [];
  for (const call of calls) times.push(await call());
  return times;
}

process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const times = await carryOut(JSON.parse(line) as CniOrder);
  process.stdout.write(`${JSON.stringify(times)}\n`);
}
