/**
 * The agent's own socket, for the command line on the same node: what is programmed and why, and
 * what would become of a packet. What is got changes nothing; what changes something is posted.
 *
 *   GET  /services                              Explanation of src/compile/explain.ts
 *   GET  /trace?from=IP:PORT&to=IP:PORT/PROTO   TraceReport of src/ops/trace.ts; in=IFNAME
 *   GET  /attachments, /ipam, /ipam/check       lists and report of src/ops/ipam.ts
 *   GET  /dns/...                               src/nameserver/admin.ts
 *   POST /ipam/release?address=IP               what was done; force=true
 */
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { parseAddress } from '../addr.js';
import type { Explanation } from '../compile/explain.js';
import type { Traced } from '../core/trace.js';
import { DataplaneError, codeOf, messageOf } from '../errors.js';
import { NOT_FOUND, json, plain } from '../http-server.js';
import type { Answer, Handler } from '../http-server.js';
import type { NodeDesk } from './ipam.js';
import { buildProbe, parseProbe } from './probe-frame.js';
import { explainTrace, ingressOf } from './trace.js';
import type { TraceReport } from './trace.js';
import type { NamedLink } from './trace-words.js';

export const ADMIN_SOCKET = 'admin.sock';
/** An agent answers within this time: a trace waits for the lane's turn. */
const ANSWER_MS = 12_000;

export interface AdminOptions {
  readonly explain: () => Explanation;
  readonly links: () => readonly NamedLink[];
  /** Ask the lane. */
  readonly trace: (ifindex: number, frame: Uint8Array) => Promise<Traced>;
  /** Undefined: the agent does not serve CNI. */
  readonly desk?: NodeDesk | undefined;
  /** Paths below /dns. Undefined: the agent does not serve DNS. */
  readonly dns?: Handler | undefined;
}

async function traceOne(options: AdminOptions, query: URLSearchParams): Promise<TraceReport> {
  const probe = parseProbe(query.get('from') ?? '', query.get('to') ?? '');
  const links = options.links();
  const ingress = ingressOf(links, probe.from.address, query.get('in') ?? undefined);
  const traced = await options.trace(ingress.ifindex, buildProbe(probe));
  const { services } = options.explain();
  const serviceName = (idx: number): string | undefined =>
    services.find((service) => service.idx === idx)?.key;
  return explainTrace(probe, traced, { links, serviceName });
}

function usage(message: string): never {
  throw new DataplaneError('ERR_USAGE', message);
}

async function release(desk: NodeDesk, query: URLSearchParams, method: string): Promise<string> {
  if (method !== 'POST') usage(`/ipam/release: ${method}: expected POST`);
  const text = query.get('address') ?? '';
  let address;
  try {
    address = parseAddress(text);
  } catch {
    return usage(`address: ${JSON.stringify(text)}: expected an IP address`);
  }
  return desk.release(address, query.get('force') === 'true');
}

async function answer(
  options: AdminOptions,
  [path, query, method]: Parameters<Handler>,
): Promise<Answer> {
  if (path.startsWith('/dns/')) {
    const dns = options.dns ?? usage('dns: missing in the configuration: the agent serves no DNS');
    return dns(path, query, method);
  }
  const desk = (): NodeDesk =>
    options.desk ?? usage('cni: missing in the configuration: the agent gives no addresses');
  switch (path) {
    case '/services':
      return json(options.explain());
    case '/trace':
      return json(await traceOne(options, query));
    case '/attachments':
      return json(desk().attachments());
    case '/ipam':
      return json(await desk().show());
    case '/ipam/check':
      return json(await desk().check());
    case '/ipam/release':
      return json(await release(desk(), query, method));
    default:
      return NOT_FOUND;
  }
}

export function adminHandler(options: AdminOptions): Handler {
  return answering((...request) => answer(options, request));
}

/** A handler whose errors are answers: 400 for what was asked wrongly. */
export function answering(handler: Handler): Handler {
  return async (...request) => {
    try {
      return await handler(...request);
    } catch (error) {
      const isUsage = error instanceof DataplaneError && error.code === 'ERR_USAGE';
      return plain(isUsage ? 400 : 500, messageOf(error));
    }
  };
}

async function send(socketPath: string, path: string, method: string): Promise<IncomingMessage> {
  // Only a command that asks needs it.
  const { request } = await import('node:http');
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, method, timeout: ANSWER_MS, agent: false }, resolve);
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${ANSWER_MS} ms`)));
    sent.on('error', reject);
    sent.end();
  });
}

/** Why nobody answers on a socket: there is no agent. */
const NO_AGENT = new Set(['ENOENT', 'ECONNREFUSED']);

/**
 * Ask the agent of this node.
 *
 * @returns the answer, or undefined when no agent runs
 * @throws  DataplaneError ERR_USAGE, ERR_STATE with the agent's words when it refuses
 */
export async function askAgent(
  stateDir: string,
  path: string,
  method: 'GET' | 'POST' = 'GET',
): Promise<unknown> {
  const socket = join(stateDir, ADMIN_SOCKET);
  let status: number | undefined;
  let body = '';
  try {
    const response = await send(socket, path, method);
    status = response.statusCode;
    for await (const part of response.setEncoding('utf8')) body += part as string;
  } catch (cause) {
    if (NO_AGENT.has(codeOf(cause) ?? '')) {
      return undefined;
    }
    throw new DataplaneError('ERR_STATE', `${socket}: ${messageOf(cause)}`, { cause });
  }
  if (status === 200) return JSON.parse(body);
  throw new DataplaneError(status === 400 ? 'ERR_USAGE' : 'ERR_STATE', body);
}
