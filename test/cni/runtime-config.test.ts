/** What a runtime passes, and what of it cannot be done. */
import test from 'ava';
import { formatAddress } from '../../src/addr.js';
import { CNI_CODE, CniError } from '../../src/cni/errors.js';
import { readRuntimeConfig } from '../../src/cni/runtime-config.js';

const read = (value: object) => readRuntimeConfig({ key: 'runtimeConfig', value });
const withHostIp = (hostIP: string) => ({
  portMappings: [{ hostPort: 80, containerPort: 80, hostIP }],
});

for (const [value, sentence] of [
  [
    { ipRanges: [[{ subnet: '169.254.8.0/24' }]] },
    'runtimeConfig.ipRanges[0][0].subnet: "169.254.8.0/24": expected addresses for pods; those of 169.254.0.0/16 are link-local',
  ],
  [
    { ipRanges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fe80::/64' }]] },
    'runtimeConfig.ipRanges[1][0].subnet: "fe80::/64": expected addresses for pods; those of fe80::/10 are link-local',
  ],
  [
    withHostIp('0:0::1'),
    'runtimeConfig.portMappings[0].hostIP: "0:0::1": expected another address: the kernel leads nothing from ::1 to a pod',
  ],
] as const) {
  test(`runtimeConfig: refused with one sentence: ${JSON.stringify(value)}`, (t) => {
    const { code, message } = t.throws(() => read(value), { instanceOf: CniError });
    t.is(code, CNI_CODE.INVALID_CONFIG);
    t.is(message, sentence);
  });
}

test('runtimeConfig: a host port may be on 127.0.0.1, on any address and on ::', (t) => {
  for (const hostIP of ['127.0.0.1', '192.0.2.1', '2001:db8::1', '::']) {
    const [mapping] = read(withHostIp(hostIP)).portMappings;
    t.is(mapping?.hostIP && formatAddress(mapping.hostIP), hostIP);
  }
  t.is(read(withHostIp('')).portMappings[0]?.hostIP, undefined);
});
