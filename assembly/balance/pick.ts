/** Which member of a set takes a new flow: by Maglev, in turn, or at random. */
import { RegionId, SERVICE_CURSOR_OFF, SERVICE_F_ROUND_ROBIN } from '../abi';
import { pickHash } from '../mem/hash';
import { nextRandom } from '../mem/random';
import { regionBase } from '../mem/region';
import { isTraced } from '../mem/trace';
import { Pkt } from '../pkt';
import { maglevPick } from '../table/maglev';
import { Service } from './rows';

/** An index below `n` from 32 even bits: multiply-shift instead of a modulo. */
function scale(bits: u32, n: u32): u32 {
  return <u32>((<u64>bits * n) >> 32);
}

/** The next one of a service's members, each time. */
function inTurn(service: Service, members: u32): u32 {
  const turn = load<u32>(service.ptr, SERVICE_CURSOR_OFF);
  const position = turn < members ? turn : 0;
  if (!isTraced()) store<u32>(service.ptr, position + 1, SERVICE_CURSOR_OFF);
  return position;
}

/** The hash of a flow; with affinity, whatever its source port: any node then says the same. */
function hashOf(p: Pkt, sticky: bool): u32 {
  return pickHash(p.srcPtr, p.dstPtr, sticky ? p.ports & 0xffff0000 : p.ports, p.proto);
}

/**
 * Choose a member.
 *
 * @param local  of the Local set, else of the Cluster set; it must not be empty
 * @returns      its position within the service's run
 */
export function pickMember(service: Service, local: bool, p: Pkt): u32 {
  const members = service.count(local);
  const slots = service.maglevCount(local);
  let member: u32 = 0;
  if (slots != 0) {
    const table = regionBase(RegionId.MAGLEV) + ((<usize>service.maglev(local)) << 1);
    member = maglevPick(table, slots, hashOf(p, service.affinitySec != 0));
    // A set whose members all weigh nothing fills no slot.
    if (member >= members) member = scale(nextRandom(), members);
  } else if (service.has(SERVICE_F_ROUND_ROBIN)) {
    member = inTurn(service, members);
  } else {
    member = scale(nextRandom(), members);
  }
  return service.first(local) + member;
}
