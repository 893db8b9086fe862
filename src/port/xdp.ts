/** A port over AF_XDP: the kernel is on the other side of the rings. */
import { PortKind, RegionId } from '../../assembly/abi.js';
import * as native from '../native.js';
import { describePort, portRecord } from './port.js';
import type { Port, PortMemory, RingSpace } from './port.js';

export interface XdpPortSpec {
  readonly idx: number;
  /** Link of all its frames; 0 = the trunk. */
  readonly link: number;
  readonly device: { readonly name: string; readonly ifindex: number; readonly queue: number };
  /** Descriptor of the XSKMAP by which the device's program finds the socket. */
  readonly xskMap: number;
  /**
   * Socket whose registration of the UMEM is shared; its copy or zero-copy mode goes with it, so
   * only like devices share. Absent: this socket registers the same frames for itself.
   */
  readonly shareFd?: number;
  readonly ringSize: number;
}

/** Frames one `sendto` may send in copy mode, 32 by default; the kernel allows a ring's worth. */
const TX_BUDGET_MAX = 1024;

export function openXdpPort(memory: PortMemory, space: RingSpace, spec: XdpPortSpec): Port {
  const { idx, device, ringSize } = spec;
  const umem = memory.region(RegionId.UMEM);
  const ringOff = space.take(native.xskRingBytes(ringSize));
  const socket = native.xskOpen({
    view: memory.view,
    umemOff: umem.base,
    umemLen: umem.rowSize * umem.capacity,
    frameSize: umem.rowSize,
    ringOff,
    ringSize,
    ifindex: device.ifindex,
    queue: device.queue,
    zeroCopy: 'auto',
    portOff: portRecord(idx),
    ...(spec.shareFd === undefined ? {} : { shareFd: spec.shareFd }),
  });
  native.xskSetTxBudget(socket.fd, Math.min(ringSize, TX_BUDGET_MAX));
  native.mapUpdate(spec.xskMap, u32(device.queue), u32(socket.fd));
  describePort(memory.words, idx, PortKind.FRAMES, spec.link);
  const mode = socket.zeroCopy ? 'zero-copy' : 'copy';
  return {
    fd: socket.fd,
    description: `AF_XDP ${device.name} queue ${String(device.queue)} ${mode}`,
    pump: () => 0,
    kick: (tx, rx) => {
      if (tx) native.xskKick(socket.fd);
      if (rx) native.xskWakeRx(socket.fd);
    },
    close: () => {
      describePort(memory.words, idx, PortKind.NONE, 0);
      native.xskClose(socket.fd, memory.view, ringOff, socket.ringBytes);
    },
  };
}

function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}
