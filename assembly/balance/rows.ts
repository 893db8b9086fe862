/** SERVICES and BACKENDS as the stages read them: one view a row, offsets from abi.ts. */
import {
  BACKEND_ADDR_OFF,
  BACKEND_ID_OFF,
  BACKEND_PORT_OFF,
  BACKEND_SIZE,
  RegionId,
  SERVICE_AFFINITY_SEC_OFF,
  SERVICE_CLUSTER_COUNT_OFF,
  SERVICE_CLUSTER_FIRST_OFF,
  SERVICE_FLAGS_OFF,
  SERVICE_ID_OFF,
  SERVICE_LISTENER_OFF,
  SERVICE_LOCAL_COUNT_OFF,
  SERVICE_LOCAL_MAGLEV_COUNT_OFF,
  SERVICE_LOCAL_MAGLEV_OFF,
  SERVICE_MAGLEV_COUNT_OFF,
  SERVICE_MAGLEV_OFF,
  SERVICE_RANGES_COUNT_OFF,
  SERVICE_RANGES_OFF,
  SERVICE_SET_OFF,
  SERVICE_SIZE,
} from '../abi';
import { regionBase } from '../mem/region';

/** A row that is none, where rows are named by index. */
export const NO_INDEX: u32 = 0xffffffff;

/** One port of a Service, of one address family. */
@unmanaged
@final
export class Service {
  @inline static at(ptr: usize): Service {
    return changetype<Service>(ptr);
  }

  static of(idx: u32): Service {
    return changetype<Service>(regionBase(RegionId.SERVICES) + idx * SERVICE_SIZE);
  }

  @inline get ptr(): usize {
    return changetype<usize>(this);
  }

  @inline has(flag: i32): bool {
    return ((<i32>load<u32>(this.ptr, SERVICE_FLAGS_OFF)) & flag) != 0;
  }

  @inline get id(): u32 {
    return load<u32>(this.ptr, SERVICE_ID_OFF);
  }

  /** First entry in SETS of the run that both sets share. */
  @inline get run(): u32 {
    return load<u32>(this.ptr, SERVICE_SET_OFF);
  }

  /** Where a set begins within the run. */
  @inline first(local: bool): u32 {
    return local ? 0 : load<u32>(this.ptr, SERVICE_CLUSTER_FIRST_OFF);
  }

  /** Members of a set. */
  @inline count(local: bool): u32 {
    return load<u32>(
      this.ptr + <usize>(local ? SERVICE_LOCAL_COUNT_OFF : SERVICE_CLUSTER_COUNT_OFF),
    );
  }

  /** Members of the whole run. */
  get runCount(): u32 {
    return max<u32>(this.count(true), this.first(false) + this.count(false));
  }

  /** First entry in MAGLEV of a set's table. */
  @inline maglev(local: bool): u32 {
    return load<u32>(this.ptr + <usize>(local ? SERVICE_LOCAL_MAGLEV_OFF : SERVICE_MAGLEV_OFF));
  }

  /** Slots of that table, 0 = the set has none. */
  @inline maglevCount(local: bool): u32 {
    return load<u32>(
      this.ptr + <usize>(local ? SERVICE_LOCAL_MAGLEV_COUNT_OFF : SERVICE_MAGLEV_COUNT_OFF),
    );
  }

  /** Seconds a client keeps its backend; 0 = it does not. */
  @inline get affinitySec(): u32 {
    return load<u32>(this.ptr, SERVICE_AFFINITY_SEC_OFF);
  }

  /** DNS listener that answers in the frame, 0 = none. */
  @inline get listener(): u32 {
    return load<u32>(this.ptr, SERVICE_LISTENER_OFF);
  }

  @inline get ranges(): u32 {
    return load<u32>(this.ptr, SERVICE_RANGES_OFF);
  }

  @inline get rangesCount(): u32 {
    return load<u32>(this.ptr, SERVICE_RANGES_COUNT_OFF);
  }
}

/** Row of BACKENDS at a position of a service's run. */
export function memberAt(service: Service, position: u32): u32 {
  return load<u32>(regionBase(RegionId.SETS) + ((<usize>(service.run + position)) << 2));
}

function backendAt(idx: u32): usize {
  return regionBase(RegionId.BACKENDS) + idx * BACKEND_SIZE;
}

/** Address of a backend's 16-byte address. */
export function backendAddr(idx: u32): usize {
  return backendAt(idx) + BACKEND_ADDR_OFF;
}

export function backendPortBe(idx: u32): u16 {
  return load<u16>(backendAt(idx), BACKEND_PORT_OFF);
}

export function backendId(idx: u32): u32 {
  return load<u32>(backendAt(idx), BACKEND_ID_OFF);
}
