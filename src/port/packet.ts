/**
 * A port over AF_PACKET with virtio headers: super-frames and unfinished checksums stay as they
 * are. The rings are plain memory and the shim plays the kernel's part, a batch a call.
 */
import { PortKind } from '../../assembly/abi.js';
import * as native from '../native.js';
import { describePort, placePlainRings, portRecord } from './port.js';
import type { Port, PortMemory, RingSpace } from './port.js';

export interface PacketPortSpec {
  readonly idx: number;
  /** Link of all its frames; 0 = the trunk. */
  readonly link: number;
  readonly device: { readonly name: string; readonly ifindex: number };
  readonly ringSize: number;
}

const RECEIVED_MASK = 0xffff;
const SENT_SHIFT = 16;

export function openPacketPort(memory: PortMemory, space: RingSpace, spec: PacketPortSpec): Port {
  const { idx, device } = spec;
  placePlainRings(memory, idx, space, spec.ringSize);
  const fd = native.packetOpen(device.ifindex);
  describePort(memory.words, idx, PortKind.VNET, spec.link);
  return {
    fd,
    description: `AF_PACKET ${device.name} with virtio headers`,
    pump: (budget) => {
      const moved = native.packetPump(fd, memory.view, portRecord(idx), budget);
      return (moved & RECEIVED_MASK) + (moved >>> SENT_SHIFT);
    },
    kick: () => undefined,
    close: () => {
      describePort(memory.words, idx, PortKind.NONE, 0);
      native.closeFd(fd);
    },
  };
}
