/** The frames nobody uses: a stack of UMEM offsets over region FREE. */
import { RegionId } from '../abi';
import {
  regionBase,
  regionCapacity,
  regionRowSize,
  regionUsed,
  setRegionUsed,
} from '../mem/region';

/** Put every frame of UMEM on the stack. */
export function poolReset(): void {
  const count = regionCapacity(RegionId.UMEM);
  const frameSize = regionRowSize(RegionId.UMEM);
  const base = regionBase(RegionId.FREE);
  for (let i: u32 = 0; i < count; i++) store<u32>(base + ((<usize>i) << 2), i * frameSize);
  setRegionUsed(RegionId.FREE, count);
}

export function poolCount(): u32 {
  return regionUsed(RegionId.FREE);
}

/** Take a frame. `poolCount()` must not be 0. */
export function poolPop(): u32 {
  const count = regionUsed(RegionId.FREE) - 1;
  setRegionUsed(RegionId.FREE, count);
  return load<u32>(regionBase(RegionId.FREE) + ((<usize>count) << 2));
}

/** Give a frame back, by any offset within it. */
export function poolPush(umemOff: u32): void {
  const count = regionUsed(RegionId.FREE);
  const frameMask = ~(regionRowSize(RegionId.UMEM) - 1);
  store<u32>(regionBase(RegionId.FREE) + ((<usize>count) << 2), umemOff & frameMask);
  setRegionUsed(RegionId.FREE, count + 1);
}
