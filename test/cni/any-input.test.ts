import test from 'ava';
import fc from 'fast-check';
import { CniError } from '../../src/cni/errors.js';
import { parseRequest, readVerb } from '../../src/cni/request.js';
import { decodeReply, decodeRequest, encodeReply, encodeRequest } from '../../src/cni/wire.js';
import { ATTACHMENT, conf } from './plugin.js';

const KEYS = [
  'cniVersion',
  'ipam',
  'mtu',
  'runtimeConfig',
  'portMappings',
  'HostPort',
  'containerPort',
  'protocol',
  'bandwidth',
  'ingressRate',
  'ingressBurst',
  'ips',
  'mac',
  'ipRanges',
  'dns',
  'args',
  'cni',
  'prevResult',
  'interfaces',
  'address',
  'routes',
  'ip4',
  'ip',
  'cni.dev/valid-attachments',
  '__proto__',
  'constructor',
];
const key = fc.constantFrom(...KEYS);
const leaf = fc.oneof(
  fc.constantFrom(null, true, 0, 1, -1, 0.5, 1e300, '', '10.0.0.1', '10.0.0.1/8', 'tcp', '0.2.0'),
  fc.string(),
  fc.integer(),
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: 'medium' },
    leaf,
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(key, tie('tree'), { maxKeys: 5 }),
  ),
}));
const object = fc.dictionary(key, tree, { maxKeys: 8 });
const raw = (env: object, stdin: unknown) => ({
  env: new Map(Object.entries({ ...ATTACHMENT, ...env }) as [string, string][]),
  stdin: typeof stdin === 'string' ? stdin : JSON.stringify(stdin),
});

/** Whether it was accepted; anything thrown but an error of CNI fails the property. */
function accepts(run: () => unknown): boolean {
  try {
    run();
    return true;
  } catch (error) {
    if (error instanceof CniError && error.message !== '') return false;
    throw error;
  }
}

test('any input: a request is accepted or refused with an error of CNI', (t) => {
  const verb = fc.constantFrom('ADD', 'CHECK', 'GC', 'STATUS', 'DEL');
  const args = fc.oneof(fc.string(), fc.constantFrom('IP=x', 'MAC=', 'a=b;IgnoreUnknown=1'));
  const property = fc.property(verb, args, fc.oneof(object, fc.string()), (command, text, more) => {
    const env = { CNI_COMMAND: command, CNI_ARGS: text };
    accepts(() => readVerb(raw(env, '').env));
    accepts(() => parseRequest(command, raw(env, more)));
    if (typeof more === 'object') accepts(() => parseRequest(command, raw(env, conf(more))));
  });
  t.notThrows(() => fc.assert(property, { numRuns: 500 }));
});

test('any input: a DEL that names its attachment and network is always accepted', (t) => {
  const property = fc.property(fc.string(), object, (args, more) => {
    const stdin = { ...conf(), ...more, cniVersion: '1.1.0' };
    return accepts(() => parseRequest('DEL', raw({ CNI_ARGS: args }, stdin)));
  });
  t.notThrows(() => fc.assert(property, { numRuns: 500 }));
});

test('any input: bytes from the socket are a request or an error of CNI', (t) => {
  const property = fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    accepts(() => decodeRequest(Buffer.from(bytes)));
    decodeReply(Buffer.from(bytes).toString());
  });
  t.notThrows(() => fc.assert(property, { numRuns: 500 }));
});

test('any input: requests and replies come back as they were sent', (t) => {
  const name = fc.stringMatching(/^CNI_[A-Z]{1,8}$/);
  const value = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\0', ''));
  const env = fc.dictionary(name, value);
  const text = fc.string({ unit: 'grapheme' });
  const property = fc.property(env, text, fc.nat(255), (variables, stdin, exitCode) => {
    const request = { env: new Map(Object.entries(variables)), stdin };
    t.deepEqual(decodeRequest(encodeRequest(request)), request);
    const reply = { exitCode, stdout: stdin };
    t.deepEqual(decodeReply(encodeReply({ ...reply, code: undefined })), reply);
  });
  fc.assert(property, { numRuns: 100 });
});
