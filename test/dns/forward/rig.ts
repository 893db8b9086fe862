/** A forwarder for one test, and questions put to it. */
import type { ExecutionContext } from 'ava';
import dnsPacket from 'dns-packet';
import type { DecodedPacket, OptAnswer, Packet } from 'dns-packet';
import { createForward } from '../../../src/dns/forward/forward.js';
import type { Forward, ForwardResult } from '../../../src/dns/forward/forward.js';
import { DEFAULT_FORWARD_OPTIONS } from '../../../src/dns/forward/options.js';
import type { ForwardOptions } from '../../../src/dns/forward/options.js';
import type { Double } from './double.js';

/** A busy machine is no silent upstream; tests of silence give times of their own. */
const PATIENT = { readMs: 20_000, deadlineMs: 60_000 };

/** As CoreDNS by default, but in the order given: tests that want chance say so. */
export function forwardTo(
  t: ExecutionContext,
  doubles: readonly Pick<Double, 'spec'>[],
  options: Partial<ForwardOptions> = {},
): Forward {
  const upstreams = doubles.map(({ spec }) => spec);
  const forward = createForward({
    ...DEFAULT_FORWARD_OPTIONS,
    policy: 'sequential',
    upstreams,
    ...options,
    times: { ...PATIENT, ...options.times },
  });
  t.teardown(() => forward.close());
  return forward;
}

let nextId = 1;

/** `example.org A`, RD, an id of its own. */
export function query(name = 'example.org', more: Packet = {}): Buffer {
  return dnsPacket.encode({
    type: 'query',
    id: nextId++ & 0xffff,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ name, type: 'A', class: 'IN' }],
    ...more,
  });
}

export const OPT: OptAnswer = {
  name: '.',
  type: 'OPT',
  udpPayloadSize: 1232,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

export function ask(
  forward: Forward,
  bytes: Uint8Array = query(),
  transport: 'udp' | 'tcp' = 'udp',
): Promise<ForwardResult> {
  return forward.exchange(bytes, { transport });
}

/** The reply as dns-packet reads it; fails the test when there is none. */
export function decoded(t: ExecutionContext, result: ForwardResult): DecodedPacket {
  if ('reply' in result) return dnsPacket.decode(Buffer.from(result.reply));
  return t.fail(`failed: ${result.failure}`);
}

/** Addresses in the answer. */
export function addresses(t: ExecutionContext, result: ForwardResult): string[] {
  return (decoded(t, result).answers ?? []).flatMap((answer) =>
    answer.type === 'A' ? answer.data : [],
  );
}
