/** Programs of Corefiles without a core behind them. */
import { parseAddress } from '../../../src/addr.js';
import type { DefaultBind } from '../../../src/dns/chain/listeners.js';
import { createProgram } from '../../../src/dns/chain/program.js';
import type { DnsProgram } from '../../../src/dns/chain/program.js';
import type { Surroundings } from '../../../src/dns/chain/setup.js';
import type { ZoneAnswer } from '../../../src/dns/chain/zone-core.js';
import type { Client } from '../../../src/dns/plugin.js';
import { createLog } from '../../../src/log.js';
import { parseText } from '../../support/corefile.js';

export const CLIENT: Client = {
  address: parseAddress('192.0.2.1'),
  port: 4242,
  transport: 'udp',
  server: { address: parseAddress('192.0.2.53'), port: 53 },
};

interface World {
  readonly zone?: (message: Uint8Array) => ZoneAnswer;
  readonly cached?: Map<string, Uint8Array>;
}

const surroundings = ({ zone }: World = {}): Surroundings => {
  let caches = 0;
  return {
    log: createLog('fatal'),
    metrics: { count: () => undefined, set: () => undefined, observe: () => undefined },
    folder: '/',
    random: () => 0.5,
    nowMs: () => 0,
    resolvConf: '/dev/null',
    zoneCore: { answer: (_, message) => zone?.(message) ?? { kind: 'drop' } },
    wireCache: {
      open: () => ++caches,
      close: () => undefined,
      get: () => undefined,
      put: (_cache, _query, reply) => reply,
    },
    fail: () => undefined,
    claimsChanged: () => undefined,
    replied: () => undefined,
  };
};

export const open = (text: string, world?: World, bind?: DefaultBind): DnsProgram =>
  createProgram(parseText(text), surroundings(world), {}, bind);
