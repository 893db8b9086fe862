/**
 * A whole cluster into an empty control plane and core:
 *
 *   control/load/NAME          objects in, programmed rows out, one process: seconds
 *   control/load/NAME/model    objects to records of the model
 *   control/load/NAME/compile  records to rows, places and delta records
 *   control/load/NAME/core     delta records to tables, Maglev tables included
 *   control/load/1k            1000 services of 10 endpoints, against `nft -f` of their rules
 */

import {
  alone,
  comparePairs,
  comparison,
  type Context,
  type Result,
  type Suite,
} from '../harness.js';
import { startKubeProxy, stopKubeProxy, type ClusterIPService } from '../net/kube-proxy.js';
import { createNetns } from '../net/netns.js';
import { missingTools } from '../net/sh.js';
import type { ServiceSpec } from '../core/cluster.js';
import { missingCore } from './missing.js';
import {
  clusterEvents,
  collectGarbage,
  createPlane,
  load,
  QUARTER_MILLION,
  serviceSpecs,
  TEN_THOUSAND,
  type LoadTimes,
  type Scale,
} from './scale.js';

const QUICK_LOADS = 2;
const THOUSAND: Scale = { services: 1000, endpoints: 10 };
const PHASES = ['model', 'compile', 'core'] as const satisfies readonly (keyof LoadTimes)[];

function runLoad(context: Context, name: string, scale: Scale): Promise<Result[]> {
  const events = clusterEvents(scale);
  const once = (): LoadTimes => {
    collectGarbage();
    const times = load(createPlane(scale), events);
    context.note(`${times.total.toFixed(2)} s`);
    return times;
  };
  // The first compiles the code.
  if (!context.quick) once();
  const count = context.quick ? QUICK_LOADS : context.samples;
  const loads = Array.from({ length: count }, once);
  const result = (key: keyof LoadTimes, label: string): Result =>
    alone(
      { name: label, unit: 's', better: 'lower' },
      loads.map((times) => times[key]),
    );
  return Promise.resolve([
    result('total', name),
    ...PHASES.map((phase) => result(phase, `${name}/${phase}`)),
  ]);
}

function suite(name: string, scale: Scale): Suite {
  return {
    names: [name, ...PHASES.map((phase) => `${name}/${phase}`)],
    missing: missingCore,
    run: (context) => runLoad(context, name, scale),
  };
}

function clusterIPService({
  clusterIP,
  port,
  targetPort,
  endpoints,
}: ServiceSpec): ClusterIPService {
  return { clusterIP, protocol: 'tcp', port, targetPort, endpoints };
}

/**
 * For comparison: what a start of kube-proxy's nftables mode has the kernel do. Writing the text is
 * in the number, as compiling is in ours. Ten thousand services take nft minutes.
 */
async function runNft(context: Context): Promise<Result[]> {
  const netns = createNetns(context.scope, 'nft');
  const events = clusterEvents(THOUSAND);
  const config = {
    podCIDR: '10.244.0.0/16',
    serviceCIDR: '10.96.0.0/12',
    nodeAddress: '192.168.0.1',
    services: serviceSpecs(THOUSAND).map(clusterIPService),
  };
  const theirs = async (): Promise<{ sec: number }> => {
    const begin = performance.now();
    await startKubeProxy(netns, config);
    const sec = (performance.now() - begin) / 1e3;
    await stopKubeProxy(netns);
    return { sec };
  };
  const ours = (): Promise<{ sec: number }> =>
    Promise.resolve({ sec: load(createPlane(THOUSAND), events).total });
  const pairs = await comparePairs({ ours, theirs }, context.quick ? 2 : context.samples);
  const label = { name: 'control/load/1k', unit: 's', better: 'lower' } as const;
  return [comparison(label, pairs, 'sec', 'nft -f of the rules of the same services')];
}

export const suites: readonly Suite[] = [
  suite('control/load/10k', TEN_THOUSAND),
  suite('control/load/250k-endpoints', QUARTER_MILLION),
  {
    names: ['control/load/1k'],
    missing: () => Promise.resolve(missingTools('nft')),
    run: runNft,
  },
];
