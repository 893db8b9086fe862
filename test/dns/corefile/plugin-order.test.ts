import test from 'ava';
import { inPluginOrder, ONCE_ONLY, PLUGIN_ORDER } from '../../../src/dns/corefile/plugin-order.js';
import { parseText, showDirective } from '../../support/corefile.js';

const sorted = (...lines: readonly string[]): string[] => {
  const [block] = parseText(`. {\n${lines.join('\n')}\n}`).blocks;
  return inPluginOrder(block?.directives ?? []).map(showDirective);
};

test('plugin order: the chain of CoreDNS 1.14 does not depend on the file', (t) => {
  const chain = [
    'prometheus',
    'errors',
    'log',
    'loadbalance',
    'rewrite',
    'autopath',
    'acl',
    'cache',
  ];
  const behind = ['template', 'hosts', 'kubernetes', 'loop', 'forward', 'whoami'];
  t.deepEqual(sorted(...[...chain, ...behind].reverse()), [...chain, ...behind]);
});

test('plugin order: directives of one plugin stay in file order', (t) => {
  t.deepEqual(sorted('forward b', 'rewrite 2', 'cache', 'forward a', 'rewrite 1'), [
    'rewrite 2',
    'rewrite 1',
    'cache',
    'forward b',
    'forward a',
  ]);
});

test('plugin order: a name that CoreDNS does not have comes last', (t) => {
  t.deepEqual(sorted('ours', 'whoami', 'errors'), ['errors', 'whoami', 'ours']);
});

test('plugin order: each plugin is in it once, also those a block may name once', (t) => {
  t.is(new Set(PLUGIN_ORDER).size, PLUGIN_ORDER.length);
  const names = new Set<string>(PLUGIN_ORDER);
  for (const name of ONCE_ONLY) t.true(names.has(name), name);
});
