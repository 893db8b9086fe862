/**
 * Service: if the packet is for a frontend, which backend gets its flow. Writes where the packet
 * is to go, translated or not. The first packet of a flow decides for all of it, as in kube-proxy.
 */
import { Drop, PKT_F_FRAGMENT, PKT_NO_SERVICE, Verdict } from '../abi';
import { copyAddr } from '../mem/addr';
import { pickHash } from '../mem/hash';
import { Pkt, drop } from '../pkt';
import {
  NO_INDEX,
  backendAddr,
  backendPortBe,
  findFrontend,
  isSilent,
  pickBackend,
} from '../tables';

export function service(p: Pkt): Verdict {
  copyAddr(p.newSrcPtr, p.srcPtr);
  copyAddr(p.newDstPtr, p.dstPtr);
  p.newPorts = p.ports;
  p.service = PKT_NO_SERVICE;
  return p.isTracked ? choose(p) : untracked(p);
}

/** Whether an address belongs to a service, whatever the port. */
function isServiceAddr(addr: usize): bool {
  return findFrontend(addr, 0, 0) != NO_INDEX;
}

/** What no row can describe may pass by, but not to a service. */
function untracked(p: Pkt): Verdict {
  if (!isServiceAddr(p.dstPtr)) return Verdict.NONE;
  return drop(p, p.has(PKT_F_FRAGMENT) ? Drop.FRAGMENT_OF_SERVICE : Drop.SERVICE_PORT_UNKNOWN);
}

function choose(p: Pkt): Verdict {
  const portBe = <u16>(p.ports >> 16);
  const idx = findFrontend(p.dstPtr, portBe, p.proto);
  if (idx == NO_INDEX) {
    return isServiceAddr(p.dstPtr) ? drop(p, Drop.SERVICE_PORT_UNKNOWN) : Verdict.NONE;
  }
  const backend = pickBackend(idx, pickHash(p.srcPtr, p.dstPtr, p.ports, p.proto));
  if (backend == NO_INDEX && isSilent(idx)) return drop(p, Drop.NO_BACKEND);
  p.service = idx;
  p.backend = backend;
  if (backend == NO_INDEX) return Verdict.NONE;
  copyAddr(p.newDstPtr, backendAddr(backend));
  p.newPorts = (p.ports & 0xffff) | ((<u32>backendPortBe(backend)) << 16);
  return Verdict.NONE;
}
