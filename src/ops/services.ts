/**
 * `sluice services`: a service port as this node programmes it. Asked of the running agent, or read
 * from what the last one left behind.
 */
import type { ExplainedService, Explanation } from '../compile/explain.js';
import type { SluiceConfig } from '../config/config.js';
import { DataplaneError } from '../errors.js';
import type { Membership, SetName } from '../model/select.js';
import { askAgent } from './admin.js';
import { formatTable } from './format.js';
import { readAgent } from './status.js';

export interface FoundServices {
  readonly services: readonly ExplainedService[];
  /** undefined: the agent itself said it; else since when nobody has. */
  readonly leftBy: string | undefined;
}

/**
 * Everything that is programmed, from the agent or from its status file.
 *
 * @throws DataplaneError ERR_STATE when no agent has run on this node
 */
export async function readServices(config: SluiceConfig): Promise<FoundServices> {
  const answer = (await askAgent(config.stateDir, '/services')) as Explanation | undefined;
  if (answer) return { services: answer.services, leftBy: undefined };
  const left = readAgent(config.stateDir);
  if (!left) {
    const message = `no agent runs on ${config.nodeName}, and none has left its state in ${config.stateDir}`;
    throw new DataplaneError('ERR_STATE', message);
  }
  const leftBy = `pid ${left.pid} since ${left.since}`;
  return { services: left.control.services, leftBy };
}

/**
 * The ports that a name means: `web`, `default/web` or `default/web:http`.
 *
 * @throws DataplaneError ERR_USAGE when there is none
 */
export function selectServices(
  services: readonly ExplainedService[],
  name: string | undefined,
): readonly ExplainedService[] {
  if (name === undefined) return services;
  const found = services.filter(({ key }) => {
    const [object = '', port = ''] = key.split(':');
    const [portName = ''] = port.split('/');
    return (
      key === name ||
      `${object}:${portName}` === name ||
      object === name ||
      object.slice(object.indexOf('/') + 1) === name
    );
  });
  if (found.length > 0) return found;
  throw new DataplaneError('ERR_USAGE', `no service ${JSON.stringify(name)} on this node`);
}

/** In the order they are shown. */
const SETS: readonly SetName[] = ['cluster', 'local'];

/** `in: ready` */
function standing({ isMember, why }: Membership): string {
  if (why === 'not used') return '-';
  return `${isMember ? 'in' : 'out'}: ${why}`;
}

/** Each endpoint with why it is in each set, or not. */
function endpointTable({ endpoints }: ExplainedService): string[] {
  if (endpoints.length === 0) return [];
  const rows = endpoints.map(({ endpoint, weight, cluster, inLocal }) => [
    '',
    endpoint,
    String(weight),
    standing(cluster),
    standing(inLocal),
  ]);
  return [formatTable(['', 'ENDPOINT', 'WEIGHT', 'CLUSTER', 'LOCAL'], rows)];
}

/** How many are in a set, and what a new flow meets when nobody is. */
function setLine({ sets, endpointCount }: ExplainedService, name: SetName): string {
  const { isUsed, endpoints, whenEmpty, maglevSize } = sets[name];
  const head = `  ${name.padEnd(10)} `;
  if (!isUsed) return `${head}not used: no policy asks for it`;
  const slots = maglevSize > 0 ? `, Maglev slots: ${maglevSize}` : '';
  const empty = whenEmpty === undefined ? '' : `, so a new flow meets ${whenEmpty}`;
  return `${head}${endpoints.length} of ${endpointCount} endpoints${slots}${empty}`;
}

/** From where the load balancer's addresses may be reached; nothing where there is none. */
function sourceLine({ frontends, sourceRanges, isClosed }: ExplainedService): string[] {
  const hasBalancer = frontends.some(({ kind }) => kind === 'LoadBalancer');
  if (!hasBalancer && !isClosed && sourceRanges.length === 0) return [];
  const open = sourceRanges.length > 0 ? sourceRanges.join(', ') : 'everywhere';
  return [`  sources    ${isClosed ? 'nowhere: no range could be read' : open}`];
}

function formatService(service: ExplainedService): string {
  const { key, type, family, frontends, internalPolicy, externalPolicy } = service;
  const { algorithm, affinitySec, idx } = service;
  return [
    `${key} (${type}, IPv${family})`,
    ...frontends.map(({ kind, address, set }) => `  frontend   ${address} (${kind}) to ${set}`),
    `  policies   internal ${internalPolicy}, external ${externalPolicy}`,
    `  algorithm  ${algorithm}`,
    `  affinity   ${affinitySec > 0 ? `${affinitySec} s by client address` : 'none'}`,
    ...sourceLine(service),
    ...SETS.map((name) => setLine(service, name)),
    ...(idx === undefined ? ['  rows       not programmed'] : []),
    ...endpointTable(service),
  ].join('\n');
}

export function formatServices(services: readonly ExplainedService[], leftBy?: string): string {
  const head = leftBy === undefined ? [] : [`no agent runs: as it was left by ${leftBy}`];
  const body = services.length === 0 ? ['no services'] : services.map(formatService);
  return [...head, ...body].join('\n\n');
}
