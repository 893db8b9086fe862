/**
 * What a runtime is to its plugins, in the node's namespace: calls lists by the semantics of libcni
 * and times them. One line of input is a CniOrder; the answer is a line with the milliseconds of
 * each call.
 *
 *   cni-child.ts JSON     JSON: CniNodeSpec
 */
import { createInterface } from 'node:readline';
import type { Attachment } from '../../test/support/libcni/cache.js';
import { parseList } from '../../test/support/libcni/config.js';
import { openLibcni } from '../../test/support/libcni.js';
import type { CniNodeSpec, CniOrder } from './cni-node.js';

const FIRST_HOST_PORT = 20_000;
const CONTAINER_PORT = 80;

const { list, path, cacheDir, env, pods } = JSON.parse(process.argv[2] ?? '') as CniNodeSpec;
const libcni = openLibcni({ path, cacheDir, env });
const network = parseList(JSON.stringify(list));

/** Everybody publishes a port of its own. */
function attachmentOf(netns: string, index: number, round: number): Attachment {
  const hostPort = FIRST_HOST_PORT + index;
  const portMappings = [{ hostPort, containerPort: CONTAINER_PORT, protocol: 'tcp' }];
  const containerId = `bench-${String(round)}-${String(index)}`;
  return { containerId, ifname: 'eth0', netns, capabilities: { portMappings } };
}

function call(verb: CniOrder['verb'], attachment: Attachment): Promise<unknown> {
  return verb === 'status' ? libcni.status(network) : libcni[verb](network, attachment);
}

async function timed(verb: CniOrder['verb'], attachment: Attachment): Promise<number> {
  const begin = performance.now();
  await call(verb, attachment);
  return performance.now() - begin;
}

async function carryOut({ verb, round, isAtOnce }: CniOrder): Promise<number[]> {
  const attachments = pods.map((netns, index) => attachmentOf(netns, index, round));
  if (isAtOnce) return Promise.all(attachments.map((attachment) => timed(verb, attachment)));
  const times: number[] = [];
  for (const attachment of attachments) times.push(await timed(verb, attachment));
  return times;
}

process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const times = await carryOut(JSON.parse(line) as CniOrder);
  process.stdout.write(`${JSON.stringify(times)}\n`);
}
