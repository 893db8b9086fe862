/** Reading and comparing the address part of a row, by family. Addresses come as pointers. */
import { MAPPED_ADDR4_OFF } from '../mem/addr';
import { nhFlow4, nhFlow6 } from '../mem/hash';
import { Row, dstOff, isV4, srcOff } from './row';

/** A 16-byte mapped address seen in the width of family F. */
export function unmapped<F>(addr: usize): usize {
  return isV4<F>() ? addr + MAPPED_ADDR4_OFF : addr;
}

/** The port word seen from the other side. */
export function swapPorts(ports: u32): u32 {
  return rotr<u32>(ports, 16);
}

export function hashTuple<F>(src: usize, dst: usize, ports: u32, kind: u32): u32 {
  if (isV4<F>()) return nhFlow4(load<u32>(src), load<u32>(dst), ports, kind);
  return nhFlow6(src, dst, ports, kind);
}

export function addrEq<F>(a: usize, b: usize): bool {
  if (isV4<F>()) return load<u32>(a) == load<u32>(b);
  return load<u64>(a) == load<u64>(b) && load<u64>(a, 8) == load<u64>(b, 8);
}

export function addrCopy<F>(to: usize, from: usize): void {
  if (isV4<F>()) {
    store<u32>(to, load<u32>(from));
  } else {
    store<u64>(to, load<u64>(from));
    store<u64>(to, load<u64>(from, 8), 8);
  }
}

export function tupleEq<F>(row: Row, src: usize, dst: usize, ports: u32, kind: u32): bool {
  return (
    row.ports == ports &&
    row.kind == kind &&
    addrEq<F>(row.ptr + srcOff<F>(), src) &&
    addrEq<F>(row.ptr + dstOff<F>(), dst)
  );
}
