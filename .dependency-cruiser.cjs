/**
 * Who may import whom. `assembly/` is layered bottom up; `src/` is a pure core (model, compile)
 * between drivers that do not know each other, put together in four places only.
 */

/** Layers of assembly/, and what each may import besides itself. */
const CORE_LAYERS = {
  abi: [],
  mem: ['abi'],
  wire: ['abi', 'mem'],
  table: ['abi', 'mem'],
  tables: ['abi', 'mem', 'table'],
  pkt: ['abi', 'mem', 'wire'],
  flow: ['abi', 'mem', 'wire', 'table'],
  io: ['abi', 'mem', 'wire', 'table', 'pkt'],
  balance: ['abi', 'mem', 'table', 'tables', 'pkt'],
  answer: ['abi', 'mem', 'wire', 'table', 'tables', 'pkt'],
  dns: ['abi', 'mem', 'wire', 'table'],
  stage: ['abi', 'mem', 'wire', 'table', 'tables', 'pkt', 'flow', 'balance', 'answer', 'dns'],
  delta: ['abi', 'mem', 'table', 'tables', 'flow', 'balance', 'dns'],
  engine: ['abi', 'mem', 'wire', 'table', 'tables', 'pkt', 'flow', 'io', 'stage'],
  embed: ['abi', 'mem', 'table', 'pkt', 'stage', 'engine'],
};

/** Files and folders that sit directly in assembly/: `tables` is a file, `table` a folder. */
const FILES = new Set(['abi', 'tables', 'pkt', 'delta', 'engine', 'embed']);
/** The contract is three files. */
const SUFFIXES = { abi: '(-dns|-cache)?\\.ts$' };
const corePath = (layer) =>
  `^assembly/${layer}${SUFFIXES[layer] ?? (FILES.has(layer) ? '\\.ts$' : '/')}`;

const coreRules = Object.entries(CORE_LAYERS).map(([layer, below]) => ({
  name: `assembly-${layer}`,
  comment: `${layer} may import ${below.length > 0 ? below.join(', ') : 'nothing'}`,
  severity: 'error',
  from: { path: corePath(layer) },
  to: { pathNot: [layer, ...below].map(corePath) },
}));

/** Below everything in src/: no knowledge of what they are used for. */
const BOTTOM =
  '^src/((errors|log|addr|pool-prefix|sha256|validate|yaml|package-root|native|native-addon|native-sockets|native-layout|unix-socket|turns|disk|http-server|go-duration|deferred|dns/wire/(header|name))\\.ts$|journal/)';
/** The composition roots: what a command or a thread starts. */
const ROOTS =
  '^src/(agent/agent|agent/cleanup|cli|agent-commands|replay|start/sluice|core/lane-worker)\\.ts$';
/** Pieces that only composition roots and the agent put together. */
const DRIVERS = ['sources', 'kernel', 'port', 'cni', 'dns', 'ipam', 'flannel'];
/** What a driver may know of another one: what an address is asked for with, and given as. */
const CONTRACT = '^src/ipam/(ipam|annotations)\\.ts$';

const forbid = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

/** `from` imports from src/ only what matches one of `allowed`. */
const only = (name, comment, from, allowed) =>
  forbid(name, comment, { path: from }, { path: '^src/', pathNot: [from, BOTTOM, ...allowed] });

module.exports = {
  forbidden: [
    forbid('no-cycles', 'an import cycle has no bottom', {}, { circular: true }),
    forbid(
      'no-orphans',
      'code that nothing uses; what others embed is used by them',
      { orphan: true, path: '^(src|assembly)/', pathNot: '^src/embed/' },
      {},
    ),

    ...coreRules,
    forbid(
      'assembly-no-stage-to-stage',
      'a stage decides one thing and does not know the next one: the order is in engine.ts',
      { path: '^assembly/stage/([^/]+)' },
      { path: '^assembly/stage/', pathNot: '^assembly/stage/$1' },
    ),
    forbid(
      'assembly-alone',
      'the core is compiled by asc: nothing of the host, nothing of npm',
      { path: '^assembly/' },
      { pathNot: '^assembly/' },
    ),
    forbid(
      'assembly-entry-points',
      'entry points are imported by nobody in the core, but by those that add to its exports',
      { path: '^assembly/', pathNot: '^assembly/(bench|test-core)\\.ts$' },
      { path: '^assembly/(index|bench|test-core|test-wire)\\.ts$' },
    ),

    forbid(
      'src-abi-only',
      'the contract is the one file that host and core share',
      { path: '^src/' },
      { path: '^assembly/', pathNot: '^assembly/abi(-dns|-cache)?\\.ts$' },
    ),
    forbid(
      'src-alone',
      'tests, benchmarks, examples and scripts use src/, never the other way round',
      { path: '^src/' },
      { path: '^(test|bench|examples|scripts)/' },
    ),
    forbid(
      'src-bottom',
      'the bottom imports only itself',
      { path: BOTTOM },
      {
        path: '^src/',
        pathNot: BOTTOM,
      },
    ),
    only('src-model', 'the model is pure: keys and objects, no I/O', '^src/model/', []),
    only('src-compile', 'compiling is pure: model to rows', '^src/compile/', [
      '^src/model/',
      '^src/core/(delta|names)-writer\\.ts$',
    ]),
    forbid(
      'src-compile-program',
      'deltas are written in one place, and it knows nothing else of core/',
      { path: '^src/compile/', pathNot: '^src/compile/(program|rows|dns/ledger)\\.ts$' },
      { path: '^src/core/' },
    ),
    forbid(
      'src-pure',
      'model and compile have no I/O, no clock and no randomness',
      { path: '^src/(model|compile)/' },
      { dependencyTypes: ['core'], pathNot: '^(node:)?(crypto|util)$' },
    ),
    forbid(
      'src-embed-anywhere',
      'what others embed runs in any JavaScript runtime: nothing of Node, directly or not',
      { path: '^src/embed/' },
      { reachable: true, path: '^(node:)?(fs|path|crypto|util|net|os|url|buffer|worker_threads)$' },
    ),
    ...DRIVERS.map((driver) =>
      forbid(
        `src-${driver}`,
        'drivers do not know each other: a composition root puts them together',
        { path: `^src/${driver}/` },
        {
          path: `^src/(${DRIVERS.filter((other) => other !== driver).join('|')}|compile|agent|ops)/`,
          pathNot: CONTRACT,
        },
      ),
    ),
    forbid(
      'src-roots',
      'a composition root is started, not imported, but by the command; its types may be shown',
      { path: '^src/', pathNot: ROOTS },
      { path: ROOTS, dependencyTypesNot: ['type-only'] },
    ),
    forbid(
      'src-native',
      'the addon is loaded by its typed wrappers; everybody else calls them',
      { path: '^src/', pathNot: '^src/native(-sockets)?\\.ts$' },
      { path: '^src/native-addon\\.ts$', dependencyTypesNot: ['type-only'] },
    ),
    forbid(
      'src-loader',
      '@assemblyscript/loader has one call site',
      { path: '^src/', pathNot: '^src/core/instance\\.ts$' },
      { path: 'node_modules/@assemblyscript/loader' },
    ),
    forbid(
      'no-dev-dependencies',
      'what is installed has only `dependencies`',
      { path: '^src/' },
      { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
