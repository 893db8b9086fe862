import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { ROOT, fencesOf, pageAt } from '../docs/pages.js';
import { needs } from '../support/skip.js';

const run = promisify(execFile);
const NAMESPACES = ['first-node', 'first-shell', 'first-web'];
const BY_HAND = '## One node by hand';

const pageTest = needs({
  root: true,
  xdp: true,
  kernel: '6.6',
  tools: ['ip', 'nsenter', 'curl', 'python3'],
  also: NAMESPACES.some((name) => existsSync(`/run/netns/${name}`))
    ? 'needs the namespaces of docs/getting-started.md, which are in use'
    : undefined,
});

/** Everything that the page has a reader type, but for the build: this is a test of one. */
function commands(): string {
  const { text } = pageAt('docs/getting-started.md');
  const typed = fencesOf(text.slice(text.indexOf(BY_HAND)), 'sh').join('');
  return typed.replace('npm run build\n', '');
}

/** Take away what is left when a command of the page has failed; else there is nothing. */
const TIDY = `
set +e
kill -9 $(jobs -p) 2> /dev/null
if [ -e /run/netns/first-node ]; then
  on node node build/host/src/cli.js cleanup --config examples/first-node/sluice.yaml
fi
for name in node shell web; do ip netns delete "first-$name" 2> /dev/null; done
rm -f agent.log
`;

pageTest('docs: every command of docs/getting-started.md does what the page says', async (t) => {
  const script = `set -eu\ntrap 'exit 1' TERM\ntrap '${TIDY.replaceAll("'", `'\\''`)}' EXIT\n${commands()}`;
  const options = { cwd: ROOT, timeout: 120_000 };
  const { stdout } = await run('bash', ['-c', script], options);
  t.regex(stdout, /^lane +alive/m);
  t.regex(stdout, /^service +ClusterIP of default\/web:http\/TCP: backend 10\.244\.1\.3:8080/m);
  t.regex(stdout, /^verdict +TX$/m);
  // The SYN by the lane, everything after it by the kernel.
  t.regex(stdout, /^TCP +10\.244\.1\.2:\d+ +10\.96\.0\.10:80 .* [1-9]\d*\/[1-9]\d* +1\/0 /m);
  t.regex(stdout, /10\.244\.1\.3:8080 +1 +in: ready/);
  t.regex(stdout, /^lane +silent/m);
  t.regex(stdout, /^trunk slc0$/m);
  t.regex(stdout, /^5 10\.244\.1\.2 DROP BAD_TCP_FLAGS$/m);
  t.deepEqual(
    NAMESPACES.filter((name) => existsSync(`/run/netns/${name}`)),
    [],
  );
  // The agent was killed: what it could not take away, cleanup has.
  t.false(existsSync('/run/sluice/first'));
});
