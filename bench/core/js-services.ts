/** Services as one would write them in JavaScript: a Map by address, port and protocol as text. */
import { buildMaglevJs, mix32, parseUdpJs, pickMaglevJs } from './js-twins.js';
import { ENDPOINTS, endpointAddr, SERVICE_NET, SERVICE_PORT } from './service-world.js';

/** Slots that a set of three gets (src/compile/maglev.ts). */
const SLOTS = 509;

export interface ServiceJs {
  readonly endpoints: readonly number[];
  readonly table: readonly (number | undefined)[];
}

/** Services 0 .. count-1 as `createServiceWorld` has them, each with a Maglev table of its own. */
export function servicesJs(count: number): Map<string, ServiceJs> {
  const services = new Map<string, ServiceJs>();
  for (let i = 0; i < count; i++) {
    const endpoints = Array.from({ length: ENDPOINTS }, (_, k) => endpointAddr(i, k));
    const ids = new Map(endpoints.map((endpoint, position) => [endpoint, position] as const));
    const key = `${SERVICE_NET + i + 1}:${SERVICE_PORT}/17`;
    services.set(key, { endpoints, table: buildMaglevJs(ids, SLOTS) });
  }
  return services;
}

/** From a frame to the address of its backend; 0 = it is for no service. */
export function chooseJs(
  services: ReadonlyMap<string, ServiceJs>,
  frame: DataView,
  at: number,
  len: number,
): number {
  const tuple = parseUdpJs(frame, at, len);
  const service = tuple && services.get(`${tuple.dst}:${tuple.dstPort}/17`);
  if (!service) return 0;
  const ports = (tuple.srcPort << 16) | tuple.dstPort;
  const hash = mix32(mix32(tuple.src ^ mix32(tuple.dst)) ^ ports);
  return service.endpoints[pickMaglevJs(service.table, hash)] ?? 0;
}
