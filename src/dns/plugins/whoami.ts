/**
 * `whoami`: who asks, in Additional: the client's address, and its port in an SRV record.
 *
 * Spec  CoreDNS, plugin/whoami
 */
import { argumentsOf } from '../corefile/arguments.js';
import type { Setup } from '../chain/setup.js';
import type { ResourceRecord } from '../message/message.js';
import type { Query } from '../plugin.js';
import { RecordType, writeU16 } from '../wire/header.js';
import { NAME_MAX } from '../wire/name.js';
import { replyWith } from './reply.js';

const SRV_PORT_OFF = 4;
/** Priority, weight, port, and the root as target. */
const SRV_SIZE = 7;

function recordsOf({ name, class: queryClass, client }: Query): ResourceRecord[] {
  const { address, port, transport } = client;
  const isIpv4 = address.family === 4;
  const rdata = isIpv4 ? address.bytes.subarray(12) : address.bytes;
  const type = isIpv4 ? RecordType.A : RecordType.AAAA;
  const addressRecord = { owner: name, type, class: queryClass, ttl: 0, rdata };
  const label = Buffer.from(transport === 'udp' ? '_udp' : '_tcp');
  const owner = Uint8Array.of(label.length, ...label, ...name);
  if (owner.length > NAME_MAX) return [addressRecord];
  const srv = new Uint8Array(SRV_SIZE);
  writeU16(srv, SRV_PORT_OFF, port);
  return [addressRecord, { owner, type: RecordType.SRV, class: queryClass, ttl: 0, rdata: srv }];
}

export const setUpWhoami: Setup = (directives) => {
  for (const directive of directives) argumentsOf(directive).end();
  return {
    name: 'whoami',
    claims: { kind: 'none' },
    handle: (query) =>
      Promise.resolve(
        replyWith('whoami', query, { isAuthoritative: true, additional: recordsOf(query) }),
      ),
  };
};
