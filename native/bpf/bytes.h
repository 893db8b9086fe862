/**
 * Loads and stores by offset, and the constants of Linux that the programs name.
 *
 * Values stay as they lie in memory: a u16 or u32 of a packet is loaded little-endian and
 * compared with constants spelled that way (suffix _LE). Nothing here swaps bytes. Built with
 * -fno-strict-aliasing; wide loads at packet offsets are what every JIT we run on does well.
 */
#pragma once

#include <linux/bpf.h>
// libbpf's helper declarations want the types above first.
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "generated/abi.h"

#define INLINE static __always_inline

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/** Keeps the compiler from moving loads and stores across it. */
#define barrier() asm volatile("" ::: "memory")

INLINE __u8 load8(const void *at, __u32 off) { return *(const __u8 *)(at + off); }
INLINE __u16 load16(const void *at, __u32 off) { return *(const __u16 *)(at + off); }
INLINE __u32 load32(const void *at, __u32 off) { return *(const __u32 *)(at + off); }
INLINE __u64 load64(const void *at, __u32 off) { return *(const __u64 *)(at + off); }
INLINE void store8(void *at, __u32 off, __u8 value) { *(__u8 *)(at + off) = value; }
INLINE void store16(void *at, __u32 off, __u16 value) { *(__u16 *)(at + off) = value; }
INLINE void store32(void *at, __u32 off, __u32 value) { *(__u32 *)(at + off) = value; }
INLINE void store64(void *at, __u32 off, __u64 value) { *(__u64 *)(at + off) = value; }

/** One load that the compiler neither repeats nor drops. */
INLINE __u32 load32_once(const void *at, __u32 off) { return *(const volatile __u32 *)(at + off); }

// linux/if_ether.h, as a little-endian load of the type field yields them.
#define ETH_HLEN 14
#define ETH_DST_OFF 0
#define ETH_SRC_OFF 6
#define ETH_TYPE_OFF 12
#define ETH_TYPE_IPV4_LE 0x0008
#define ETH_TYPE_IPV6_LE 0xdd86
#define ETH_TYPE_ARP_LE 0x0608

// linux/if_packet.h
#define PACKET_HOST 0
#define PACKET_OTHERHOST 3

// linux/pkt_cls.h
#define TC_ACT_OK 0
#define TC_ACT_SHOT 2
/**
 * Whatever comes after us on this hook decides: another program, a filter, at last the stack. The
 * verdict on what is none of ours: TC_ACT_OK would take it past the others.
 */
#define TC_ACT_UNSPEC (-1)

// linux/errno.h
#define EINVAL 22

/** BPF_F_IPV6 of linux/bpf.h since 6.16; older kernels answer -EINVAL. */
#define L4_CSUM_F_IPV6 (1ULL << 7)
