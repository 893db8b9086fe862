import { mkdirSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { DataplaneError } from '../../../src/errors.js';
import { loadCorefile } from '../../../src/dns/corefile/load.js';
import {
  ANY_DIRECTIVE,
  parseText,
  showBlocks,
  showDirective,
  withFiles,
} from '../../support/corefile.js';

type Files = Readonly<Record<string, string>>;
const OPTIONS = { directives: ANY_DIRECTIVE, env: {} };

const blocksOf = (files: Files): (readonly string[])[] =>
  withFiles(files, (dir) => showBlocks(loadCorefile(join(dir, 'Corefile'), OPTIONS)));

/** What the error says, with the folder taken out. */
function refusal(t: ExecutionContext, files: Files, prepare?: (dir: string) => void): string {
  return withFiles(files, (dir) => {
    prepare?.(dir);
    const error = t.throws(() => loadCorefile(join(dir, 'Corefile'), OPTIONS), {
      instanceOf: DataplaneError,
      code: 'ERR_CONFIG',
    });
    t.notRegex(error.message, /\n/);
    return error.message.replaceAll(`${dir}/`, '');
  });
}

test('import: a snippet stands for its lines, as often as it is asked for [dns 109]', (t) => {
  const text =
    '(common) {\n errors\n log . {\n  class error\n }\n}\na {\n import common\n}\nb {\n cache 30\n import common\n loop\n}\n';
  t.deepEqual(showBlocks(parseText(text)), [
    ['dns://a.:53', 'errors', 'log . {class error}'],
    ['dns://b.:53', 'cache 30', 'errors', 'log . {class error}', 'loop'],
  ]);
});

test('import: a snippet on one line, twice in a row, and in the braces of a directive', (t) => {
  t.deepEqual(
    showBlocks(parseText('(s) { x 1 }\n. {\n a {\n  import s\n  import s\n  y\n }\n import s\n}')),
    [['dns://.:53', 'a {x 1; x 1; y}', 'x 1']],
  );
});

test('import: snippets may import snippets, and may hold blocks [dns 109]', (t) => {
  t.deepEqual(
    showBlocks(parseText('(a) {\n log\n}\n(b) {\n import a\n loop\n}\n. {\n import b\n}')),
    [['dns://.:53', 'log', 'loop']],
  );
  t.deepEqual(
    showBlocks(parseText('(stub) {\n corp.example {\n  log\n }\n}\nimport stub\n. {\n}')),
    [['dns://corp.example.:53', 'log'], ['dns://.:53']],
  );
});

test('import: tokens of a snippet keep the place where they are written', (t) => {
  const { blocks } = parseText('(s) {\n errors\n}\n. {\n import s\n}');
  t.deepEqual(blocks[0]?.directives[0]?.name, { text: 'errors', file: 'Corefile', line: 2 });
});

test('import: a snippet is refused without a name, without braces, and the second time', (t) => {
  const refused = (text: string): string => t.throws(() => parseText(text)).message;
  t.is(refused('(a)\nlog'), 'Corefile:1: snippet "(a)": expected "{" behind it');
  t.is(refused('(a) {\n}\n(a) {\n}'), 'Corefile:3: snippet "a" is defined already');
  t.is(refused('(a) {\n log {\n}'), 'Corefile:1: "{" is never closed');
});

test('import: what imports itself is refused, at once or by a detour', (t) => {
  const refused = (text: string): string => t.throws(() => parseText(text)).message;
  t.is(refused('(a) {\n import a\n}'), 'Corefile:2: import: "a": the snippet imports itself');
  t.is(
    refused('(a) {\n {\n }\n import a\n}\nimport a'),
    'Corefile:4: import: "a": the snippet imports itself',
  );
  t.is(
    refused('(a) {\n import b\n}\n(b) {\n import a\n}\n. {\n import a\n}'),
    'Corefile:5: import: "a": the snippet imports itself',
  );
  t.is(
    refusal(t, { Corefile: 'import a', a: '# first\nimport b', b: 'import a' }),
    'b:1: import: "a": the file imports itself',
  );
  t.is(
    refusal(t, { Corefile: '. {\n}\nimport Corefile' }),
    'Corefile:3: import: "Corefile": the file imports itself',
  );
  t.is(
    refusal(t, { Corefile: 'import *.conf', 'a.conf': 'import *.conf' }),
    'a.conf:1: import: "*.conf": the file imports itself',
  );
});

test('import: only the first word of a line is an import', (t) => {
  t.deepEqual(showBlocks(parseText('. {\n auth / import password\n}')), [
    ['dns://.:53', 'auth / import password'],
  ]);
});

test('import: a file stands for its words, wherever a line may begin', (t) => {
  const files = {
    Corefile:
      'import head\n. {\n log\n import body\n proxy {\n  import props\n  last\n }\n}\nimport tail',
    head: 'a:1 {\n whoami\n}',
    body: 'errors\ncache 30',
    props: 'prop1 1\nprop2 2',
    tail: 'z {\n}',
  };
  t.deepEqual(blocksOf(files), [
    ['dns://a.:1', 'whoami'],
    ['dns://.:53', 'log', 'errors', 'cache 30', 'proxy {prop1 1; prop2 2; last}'],
    ['dns://z.:53'],
  ]);
});

test('import: addresses may come from a file, and end with it', (t) => {
  t.deepEqual(blocksOf({ Corefile: 'import zones\n{\n log\n}', zones: 'a,\nb' }), [
    ['dns://a.:53 dns://b.:53', 'log'],
  ]);
  t.deepEqual(blocksOf({ Corefile: 'a,\nimport zones\n{\n log\n}', zones: 'b' }), [
    ['dns://a.:53 dns://b.:53', 'log'],
  ]);
});

test('import: a relative path starts from the file that it stands in', (t) => {
  const files = {
    Corefile: 'import conf/one',
    'conf/one': 'localhost\ndir1\nimport deeper/two',
    'conf/deeper/two': 'dir2 1\nimport ../three',
    'conf/three': 'dir3',
  };
  t.deepEqual(blocksOf(files), [['dns://localhost.:53', 'dir1', 'dir2 1', 'dir3']]);
  const absolute = withFiles(files, (dir) =>
    showBlocks(parseText(`import ${dir}/conf/one`, { file: '/nowhere/Corefile' })),
  );
  t.deepEqual(absolute, blocksOf(files));
});

test('import: a snippet comes before a file of its name, also one of another file', (t) => {
  const files = {
    Corefile: '(x) {\n snippet\n}\nimport more',
    more: '. {\n import x\n}',
    x: 'file',
  };
  t.deepEqual(blocksOf(files), [['dns://.:53', 'snippet']]);
});

test('import: variables are replaced in what is imported', (t) => {
  t.deepEqual(
    withFiles({ 'a.conf': '. {\n log {$WORD}\n}' }, (dir) =>
      showBlocks(
        parseText('import {$WHERE}/{%WHAT%}.conf', { env: { WHERE: dir, WHAT: 'a', WORD: 'x' } }),
      ),
    ),
    [['dns://.:53', 'log x']],
  );
});

test('import: a pattern takes its files in the order of their names', (t) => {
  const files = {
    Corefile: 'import glob*.txt',
    'glob1.txt': 'b {\n}',
    'glob0.txt': 'a0 {\n}\na1 {\n}',
    'glob2.txt': 'c {\n}',
    'glob.conf': 'no {\n}',
    'deep/glob3.txt': 'no {\n}',
  };
  const hosts = ['dns://a0.:53', 'dns://a1.:53', 'dns://b.:53', 'dns://c.:53'];
  t.deepEqual(
    blocksOf(files),
    hosts.map((host) => [host]),
  );
  t.deepEqual(blocksOf({ ...files, Corefile: 'import glob?.txt' }).flat(), hosts);
  t.deepEqual(blocksOf({ ...files, Corefile: 'import d*/glob3.tx?' }).flat(), ['dns://no.:53']);
  t.deepEqual(blocksOf({ ...files, Corefile: 'import glob2.tx*' }).flat(), ['dns://c.:53']);
});

test('import: a file of a pattern may import its neighbour', (t) => {
  const files = { Corefile: '. {\n import *.conf\n}', 'a.conf': 'a\nimport b.conf', 'b.conf': 'b' };
  t.deepEqual(blocksOf(files), [['dns://.:53', 'a', 'b', 'b']]);
});

test('import: a pattern passes over folders, as a ConfigMap volume has them', (t) => {
  const files = { Corefile: '. {\n import custom/*\n}', 'custom/..2026/log.override': 'log' };
  const blocks = withFiles(files, (dir) => {
    symlinkSync('..2026', join(dir, 'custom/..data'));
    symlinkSync('..data/log.override', join(dir, 'custom/log.override'));
    return showBlocks(loadCorefile(join(dir, 'Corefile'), OPTIONS));
  });
  t.deepEqual(blocks, [['dns://.:53', 'log']]);
});

test('import: a pattern without files is a warning, a file that is not there an error', (t) => {
  const { blocks, warnings } = parseText('. {\n import notfound/*.override\n log\n}', {
    file: '/nowhere/Corefile',
  });
  t.deepEqual(blocks[0]?.directives.map(showDirective), ['log']);
  t.deepEqual(warnings, ['/nowhere/Corefile:2: import: no file matches "notfound/*.override"']);
  const message = refusal(t, { Corefile: '. {\n log\n import notfound/file.conf\n}' });
  t.regex(message, /^Corefile:3: import: "notfound\/file\.conf": cannot read .*ENOENT/);
});

test('import: takes exactly one argument', (t) => {
  const refused = (text: string): string => t.throws(() => parseText(text)).message;
  const missing = 'import: expected a snippet, a file or a pattern';
  t.is(refused('import'), `Corefile:1: ${missing}`);
  t.is(refused('. {\n import\n log\n}'), `Corefile:2: ${missing}`);
  t.is(refused('import a b'), 'Corefile:1: import: "b": expected one argument');
  t.is(refused('import ""'), 'Corefile:1: import: "" is empty');
  t.is(refused('import {$UNSET}'), 'Corefile:1: import: "{$UNSET}" is empty');
});

test('import: patterns that could take long, or that Go reads otherwise, are refused', (t) => {
  const refused = (text: string): string => t.throws(() => parseText(text)).message;
  const many = 'expected at most one "*" and one "?"';
  t.is(refused('import /*/*.txt'), `Corefile:1: import: "/*/*.txt": ${many}`);
  t.is(refused('import /???/?*?o'), `Corefile:1: import: "/???/?*?o": ${many}`);
  t.is(refused('import /??'), `Corefile:1: import: "/??": ${many}`);
  t.is(
    refused('import /[a-z]'),
    'Corefile:1: import: "/[a-z]": character classes are not supported',
  );
  for (const text of ['import }{$"', 'import {$}', 'import {%}', 'import {$$}', 'import {%%}']) {
    t.throws(() => parseText(text), { code: 'ERR_CONFIG' }, text);
  }
});

test('import: folders, pipes and devices are no files', (t) => {
  const dir = refusal(t, { Corefile: 'import sub', 'sub/x': '' });
  t.is(dir, 'Corefile:1: import: "sub": sub is not a plain file');
  const device = refusal(t, { Corefile: 'import /dev/zero' });
  t.is(device, 'Corefile:1: import: "/dev/zero": /dev/zero is not a plain file');
  const pipe = refusal(t, { Corefile: 'import fifo' }, (folder) => {
    execFileSync('mkfifo', [join(folder, 'fifo')]);
  });
  t.is(pipe, 'Corefile:1: import: "fifo": fifo is not a plain file');
});

test('import: what is wrong in an imported file is said with its place there', (t) => {
  t.is(
    refusal(t, { Corefile: 'import a', a: '. {\n"x' }),
    'a:2: a quote is opened and never closed',
  );
  t.is(refusal(t, { Corefile: 'import a', a: '. {\n}\n}' }), 'a:3: unexpected "}"');
});

test('import: the hash changes with any file, and with a new one', (t) => {
  const files = { Corefile: '. {\n import custom/*.override\n}', 'custom/a.override': 'log' };
  withFiles(files, (dir) => {
    const load = () => loadCorefile(join(dir, 'Corefile'), OPTIONS);
    const first = load();
    t.regex(first.hash, /^[0-9a-f]{128}$/);
    t.deepEqual(first.files, [join(dir, 'Corefile'), join(dir, 'custom/a.override')]);
    t.is(load().hash, first.hash);

    writeFileSync(join(dir, 'custom/a.override'), 'log # again');
    const second = load();
    t.not(second.hash, first.hash);

    writeFileSync(join(dir, 'custom/b.override'), '');
    const third = load();
    t.not(third.hash, second.hash);
    t.is(third.files.length, 3);

    unlinkSync(join(dir, 'custom/b.override'));
    t.is(load().hash, second.hash);
  });
});

test('import: a file that is imported often is read once', (t) => {
  withFiles({ Corefile: '. {\n import a\n import a\n}', a: 'log' }, (dir) => {
    const { files, blocks } = loadCorefile(join(dir, 'Corefile'), OPTIONS);
    t.deepEqual(files, [join(dir, 'Corefile'), join(dir, 'a')]);
    t.is(blocks[0]?.directives.length, 2);
  });
});

test('import: 10 000 snippets and 1 000 000 words are enough', (t) => {
  const refused = (text: string): string => t.throws(() => parseText(text)).message;
  const lines = (line: string, count: number): string => `${line}\n`.repeat(count);
  const snippets = `(a) {\n x\n}\n(b) {\n${lines('import a', 100)}}\n. {\n${lines('import b', 100)}}`;
  t.is(refused(snippets), 'Corefile:5: import: "a": more than 10000 imports of snippets');
  const bomb = `(a) {\n${lines('x', 1000)}}\n(b) {\n${lines('import a', 100)}}\n. {\n${lines('import b', 99)}}`;
  t.regex(refused(bomb), /^Corefile:\d+: with what is imported, more than 1000000 words$/);
  t.regex(refused('a '.repeat(1_000_001)), /^Corefile:1: more than 1000000 words$/);
});

test('import: 100 000 imports of files are enough', (t) => {
  withFiles({ one: 'import empty\n'.repeat(100), empty: '' }, (dir) => {
    const enough = `import ${dir}/one\n`.repeat(990);
    t.notThrows(() => parseText(enough));
    const message = t.throws(() => parseText(enough + `import ${dir}/one\n`)).message;
    t.is(message, `${dir}/one:10: import: "empty": more than 100000 imports of files`);
  });
});

test('import: files and texts are bounded together', (t) => {
  const text = `#${'x'.repeat(9_000_000)}`;
  const message = refusal(t, { Corefile: `import big\n${text}`, big: text });
  const what = 'with big, the Corefile and its imports have more than 16777216 bytes';
  t.is(message, `Corefile:1: import: "big": ${what}`);
  t.throws(() => parseText(text + text), { code: 'ERR_CONFIG' });
});

test('load: a Corefile that is not there, and a folder, are refused by name', (t) => {
  withFiles({}, (dir) => {
    const missing = t.throws(() => loadCorefile(join(dir, 'Corefile'), OPTIONS));
    t.regex(missing.message, /^cannot read .*\/Corefile: ENOENT/);
    mkdirSync(join(dir, 'folder'));
    const folder = t.throws(() => loadCorefile(join(dir, 'folder'), OPTIONS));
    t.is(folder.message, `${dir}/folder is not a plain file`);
  });
});

test('load: without a Corefile, whoami and log answer on port 53', (t) => {
  const { files, ...corefile } = loadCorefile(undefined, {
    directives: new Set(['whoami', 'log']),
  });
  t.deepEqual(showBlocks({ ...corefile, files }), [['dns://.:53', 'whoami', 'log']]);
  t.deepEqual(files, []);
});
