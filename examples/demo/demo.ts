/**
 * The demo: two nodes, an outside client, real servers, real clients, and every claim checked.
 *
 * `demo [--json] [--offload on|off]`; exit code 0 only when every check passed.
 */
import { Command, Option } from 'commander';
import { messageOf } from '../../src/errors.js';
import { createChecks } from './checks.js';
import type { Check, Outcome } from './checks.js';
import { burstPhase } from './phases/burst.js';
import { changePhase } from './phases/change.js';
import { connectPhase } from './phases/connect.js';
import { crashPhase } from './phases/crash.js';
import { frontendsPhase } from './phases/frontends.js';
import { checkGone, leavePhase } from './phases/leave.js';
import { namesPhase } from './phases/names.js';
import { outsidePhase } from './phases/outside.js';
import { pluginPhase } from './phases/plugin.js';
import { renewPhase } from './phases/renew.js';
import { splitPhase } from './phases/split.js';
import { spoofPhase } from './phases/spoof.js';
import { tunnelPhase } from './phases/tunnel.js';
import { watchLosses } from './losses.js';
import { missingRequirements } from './requirements.js';
import { createScreen } from './screen.js';
import type { Screen } from './screen.js';
import { openSite } from './site.js';
import type { Site } from './site.js';
import { describeWorld } from './table.js';
import { createWorld } from './world.js';
import type { World } from './world.js';

const REDRAW_MS = 500;

type Phase = (world: World, check: Check) => Promise<void>;
const PHASES: readonly (readonly [string, Phase])[] = [
  ['Pods come by the plugin', pluginPhase],
  ['Names', namesPhase],
  ['Who reaches whom', connectPhase],
  ['The world outside, and host ports', outsidePhase],
  ['Every door of a service', frontendsPhase],
  ['WASM decides once, the kernel repeats', splitPhase],
  ['A router between the nodes', tunnelPhase],
  ['The agent dies in the middle of a transfer', crashPhase],
  ['Bad manifests and good ones', changePhase],
  ['A pod is made anew', renewPhase],
  ['The agent dies in the middle of a burst', burstPhase],
  ['Whose address is it', spoofPhase],
  ['The end', leavePhase],
];

interface Options {
  readonly json: boolean;
  readonly offload: 'on' | 'off';
}

/** Where outcomes and the table go. */
interface Show {
  title(text: string): void;
  outcome(outcome: Outcome): void;
  /** Keep the table up to date until the returned function is called. */
  follow(world: World): () => void;
  close(): void;
}

const JSON_LINES: Show = {
  title: () => undefined,
  outcome: (outcome) => void process.stdout.write(`${JSON.stringify(outcome)}\n`),
  follow: () => () => undefined,
  close: () => undefined,
};

function showOn(screen: Screen): Show {
  return {
    title: (text) => {
      screen.say('');
      screen.say(screen.paint('bold', text));
    },
    outcome: ({ check, ok, detail }) => {
      const mark = ok ? screen.paint('green', '✓') : screen.paint('red', '✗');
      screen.say(`${mark} ${check}: ${ok ? screen.paint('dim', detail) : detail}`);
    },
    follow: (world) => {
      const timer = setInterval(() => {
        screen.draw(describeWorld(world));
      }, REDRAW_MS);
      return () => {
        clearInterval(timer);
        screen.draw(describeWorld(world));
        screen.print(describeWorld(world));
      };
    },
    close: screen.close,
  };
}

/** Checks whose failures tell what the agents lost meanwhile. */
function withLosses({ agents }: World, check: Check): Check {
  return (claim, prove) =>
    check(claim, async () => {
      const losses = watchLosses(Object.values(agents));
      try {
        return await prove();
      } catch (error) {
        const lost = losses.since();
        const message = `${messageOf(error)}; ${lost === '' ? 'no agent lost a packet' : lost}`;
        throw new Error(message, { cause: error });
      }
    });
}

async function runPhases(site: Site, options: Options, show: Show, check: Check): Promise<void> {
  let world: World | undefined;
  show.title('Two nodes on two networks, six pods, a client and the world');
  const isUp = await check('both agents have programmed everything', async () => {
    const began = performance.now();
    world = await createWorld(site, options.offload === 'on');
    const ports = Object.values(world.agents).map(({ status }) => status().agent?.ports.join(', '));
    return `in ${((performance.now() - began) / 1000).toFixed(1)} s; ${ports[0] ?? ''}`;
  });
  if (!isUp || world === undefined) return;
  for (const [title, phase] of PHASES) {
    show.title(title);
    const settle = phase === leavePhase ? () => undefined : show.follow(world);
    try {
      await phase(world, phase === leavePhase ? check : withLosses(world, check));
    } catch (error) {
      await check(`${title}: came to its end`, () => {
        throw error;
      });
    } finally {
      settle();
    }
  }
}

async function demo(options: Options): Promise<boolean> {
  const show = options.json ? JSON_LINES : showOn(createScreen(process.stdout));
  const missing = missingRequirements(options.offload === 'on');
  if (missing.length > 0) {
    const outcome = {
      check: 'the demo can run here',
      ok: false,
      detail: `needs ${missing.join('; ')}`,
    };
    show.outcome(outcome);
    return false;
  }
  const { check, outcomes } = createChecks(show.outcome);
  const site = openSite(show.close);
  try {
    await runPhases(site, options, show, check);
  } finally {
    show.close();
    await checkGone(site, check);
  }
  const failed = outcomes.filter(({ ok }) => !ok).length;
  show.title(`${outcomes.length - failed} passed, ${failed} failed`);
  return failed === 0;
}

// Whoever read the lines has gone: the exit removes everything.
process.stdout.once('error', () => process.exit(1));
try {
  const command = new Command('demo')
    .description('two Sluice nodes in network namespaces, driven by real clients; needs root')
    .option('--json', 'print one JSON line for each check', false)
    .addOption(
      new Option('--offload <on|off>', 'off: every packet through WASM')
        .choices(['on', 'off'])
        .default('on'),
    )
    .parse();
  process.exitCode = (await demo(command.opts<Options>())) ? 0 : 1;
} catch (error) {
  process.stderr.write(`demo: ${messageOf(error)}\n`);
  process.exitCode = 1;
}
