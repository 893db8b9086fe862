/**
 * How long a runtime waits for a pod's network: all plugins of an ADD, DEL, CHECK or STATUS of the
 * list, each from before it is executed until it has ended (bench/native/exec.c).
 *
 *   cni/add/..., cni/del/...                   one after the other
 *   cni/add/20-at-once/..., cni/del/...        as kubelet does after a reboot
 *   cni/check/..., cni/status/...              no rival: the reference does nothing for STATUS
 */
import { percentile } from '../control/percentile.js';
import {
  type Context,
  type Pairs,
  type Result,
  type Suite,
  alone,
  comparePairs,
  comparison,
} from '../harness.js';
import {
  type CniNode,
  type CniOrder,
  missingPlugin,
  missingReference,
  startReferenceNode,
  startSluiceCniNode,
} from './cni-node.js';
import { missingCompiler } from '../twin.js';
import { missingTools } from './sh.js';

const RIVAL = 'bridge + host-local + portmap, iptables, both families';
const PODS = 20;
const PERCENTILES = { p50: 0.5, p95: 0.95 } as const;

/** Set to compare the reference with itself: what is left is the noise of the method. */
const isNullTest = process.env['SLUICE_BENCH_NULL'] === '1';

type Measured = 'add' | 'del' | 'check' | 'status';
type Key = `${Measured}/${'p50' | 'p95'}`;

function percentilesOf(verb: Measured, times: readonly number[]): [Key, number][] {
  const sorted = [...times].sort((a, b) => a - b);
  return (['p50', 'p95'] as const).map((name) => [
    `${verb}/${name}`,
    percentile(sorted, PERCENTILES[name]),
  ]);
}

/** A pod's life, for every pod of the node. */
function sampler(context: Context, who: string, node: CniNode, isAtOnce: boolean) {
  let round = 0;
  // STATUS came with 1.1.0, which the reference does not speak; its CHECK is of another depth.
  const verbs: Measured[] =
    who === 'sluice' && !isAtOnce ? ['add', 'check', 'status', 'del'] : ['add', 'del'];
  return async (): Promise<Record<Key, number>> => {
    round += 1;
    const numbers: [Key, number][] = [];
    for (const verb of verbs) {
      const order: CniOrder = { verb, round, isAtOnce };
      numbers.push(...percentilesOf(verb, await node.order(order)));
    }
    context.note(`${who}: ${numbers.map(([key, ms]) => `${key} ${ms.toFixed(1)}`).join(', ')} ms`);
    return Object.fromEntries(numbers) as Record<Key, number>;
  };
}

function results(mode: string, pairs: Pairs<Key>): Result[] {
  const label = (verb: Measured, name: 'p50' | 'p95') =>
    ({ name: `cni/${verb}${mode}/${name}`, unit: 'ms', better: 'lower' }) as const;
  return (['p50', 'p95'] as const).flatMap((name) => [
    comparison(label('add', name), pairs, `add/${name}`, RIVAL),
    comparison(label('del', name), pairs, `del/${name}`, RIVAL),
    ...(mode === '' && !isNullTest
      ? (['check', 'status'] as const).map((verb) =>
          alone(
            label(verb, name),
            pairs.ours.map((sample) => sample[`${verb}/${name}`]),
          ),
        )
      : []),
  ]);
}

async function runCni(context: Context): Promise<Result[]> {
  const { scope } = context;
  const theirs = await startReferenceNode(scope, 'bridge', PODS);
  const ours = isNullTest
    ? await startReferenceNode(scope, 'null', PODS)
    : await startSluiceCniNode(scope, 'sluice', PODS);
  const found: Result[] = [];
  for (const [mode, isAtOnce] of [
    ['', false],
    ['/20-at-once', true],
  ] as const) {
    const pairs = await comparePairs(
      {
        ours: sampler(context, isNullTest ? 'null' : 'sluice', ours, isAtOnce),
        theirs: sampler(context, 'bridge', theirs, isAtOnce),
      },
      context.samples,
    );
    found.push(...results(mode, pairs));
  }
  return found;
}

const names = ['', '/20-at-once'].flatMap((mode) =>
  ['add', 'del'].flatMap((verb) => [`cni/${verb}${mode}/p50`, `cni/${verb}${mode}/p95`]),
);

export const suites: readonly Suite[] = [
  {
    names: ['cni', ...names, 'cni/check/p50', 'cni/check/p95', 'cni/status/p50', 'cni/status/p95'],
    missing: async () =>
      missingTools('iptables') ??
      missingReference() ??
      (isNullTest ? undefined : missingPlugin()) ??
      (await missingCompiler()),
    run: runCni,
  },
];
