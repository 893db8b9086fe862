/** A Service called `web` and the segments of one connection through it. */
import { put, ready, slice, webService } from '../model/objects.js';
import { A4, type Engine, openEngine } from '../support/engine.js';
import { packet } from '../support/frames.js';

export const VIP = '10.96.0.10';
export const VIP6 = 'fd00:10:96::a';

/** A node with `web`, TCP port 80, over these endpoints. */
export function webOver(...endpoints: string[]): Engine {
  const engine = openEngine();
  engine.apply(
    put('Service', webService('web', VIP)),
    put(
      'EndpointSlice',
      slice(
        'web-1',
        'web',
        endpoints.map((address) => ready(address)),
      ),
    ),
  );
  return engine;
}

/** From the client to the ClusterIP. */
export const tcp = (flags: string, extra: object = {}): Uint8Array =>
  packet({ proto: 'tcp', src: A4, dst: VIP, sport: 40000, dport: 80, flags, ...extra });
/** From a backend to the client. */
export const back = (src: string, flags: string, extra: object = {}): Uint8Array =>
  packet({ proto: 'tcp', src, dst: A4, sport: 8080, dport: 40000, flags, ...extra });
