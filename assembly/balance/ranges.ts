/** Source ranges: from where a load-balancer address may be reached (loadBalancerSourceRanges). */
import {
  RANGE_ADDR_OFF,
  RANGE_MASK_OFF,
  RANGE_SIZE,
  RegionId,
  SERVICE_F_SELF_IN_RANGE,
} from '../abi';
import { addrEquals, inRange } from '../mem/addr';
import { regionBase } from '../mem/region';
import { Service } from './rows';

/**
 * Whether a service lets this source in. One without ranges does.
 *
 * @param src, dst  16-byte addresses; dst is the frontend's
 * Cost             one comparison a range: Services have a few
 */
export function isSourceAllowed(service: Service, src: usize, dst: usize): bool {
  const ranges = service.rangesCount;
  if (ranges == 0) return true;
  let range = regionBase(RegionId.RANGES) + service.ranges * RANGE_SIZE;
  for (let i: u32 = 0; i < ranges; i++, range += RANGE_SIZE) {
    if (inRange(src, range + RANGE_ADDR_OFF, range + RANGE_MASK_OFF)) return true;
  }
  return service.has(SERVICE_F_SELF_IN_RANGE) && addrEquals(src, dst);
}
