/**
 * One endpoint of one slice changes, through the agent's own reconciler:
 *
 *   control/one-change/agent/NAME           from the event to the delta that is sent: median
 *   control/one-change/agent/NAME/p99
 *   control/one-change/agent/NAME/pass-p99  to the end of the pass
 *   control/one-change/agent/NAME/late-p99  how late the event loop was for the change
 */
import { alone, type Context, type Result, type Suite } from '../harness.js';
import { missingTools } from '../net/sh.js';
import { missingNative } from '../net/sluice.js';
import { startAgent, type AgentTimes } from './agent.js';
import { percentile } from './percentile.js';
import { QUARTER_MILLION, TEN_THOUSAND, type Scale } from './scale.js';

/** Changes of a sample. */
const CHANGES = 300;
const QUICK_CHANGES = 60;

async function runAgent(context: Context, name: string, scale: Scale): Promise<Result[]> {
  const agent = await startAgent(context.scope, scale);
  const count = context.quick ? QUICK_CHANGES : CHANGES;
  await agent.change(count);
  const samples: AgentTimes[] = [];
  for (let i = 0; i < context.samples; i++) {
    samples.push(await agent.change(count));
  }
  const result = (label: string, key: keyof AgentTimes, share: number): Result =>
    alone(
      { name: label, unit: 'ms', better: 'lower' },
      samples.map((times) =>
        percentile(
          [...times[key]].sort((a, b) => a - b),
          share,
        ),
      ),
    );
  return [
    result(name, 'sent', 0.5),
    result(`${name}/p99`, 'sent', 0.99),
    result(`${name}/pass-p99`, 'applied', 0.99),
    result(`${name}/late-p99`, 'late', 0.99),
  ];
}

function suite(scaleName: string, scale: Scale): Suite {
  const name = `control/one-change/agent/${scaleName}`;
  return {
    names: [name, `${name}/p99`, `${name}/pass-p99`, `${name}/late-p99`],
    missing: () => Promise.resolve(missingTools() ?? missingNative()),
    run: (context) => runAgent(context, name, scale),
  };
}

export const suites: readonly Suite[] = [
  suite('10k', TEN_THOUSAND),
  suite('250k-endpoints', QUARTER_MILLION),
];
