/**
 * The two ends of a datagram as bytes: socket addresses, and the ancillary data that says where one
 * was sent to and where an answer leaves from. ip(7) IP_PKTINFO, ipv6(7) IPV6_PKTINFO.
 */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sluice {

constexpr size_t kControlBytes = CMSG_SPACE(sizeof(in6_pktinfo));
constexpr size_t kAddr = 16;

/** Who a datagram came from and where it was sent to; addresses IPv4-mapped, network order. */
struct Peer {
  uint8_t addr[kAddr];
  uint8_t localAddr[kAddr];  // zero: the socket has one address only
  uint16_t portBe;
  uint16_t family;  // 4 or 6
  uint32_t ifindex;
};
static_assert(sizeof(Peer) == 40);

struct Mapped {
  uint8_t bytes[kAddr];
};

inline Mapped MapIpv4(const void* addr4) {
  Mapped mapped{};
  mapped.bytes[10] = mapped.bytes[11] = 0xff;
  memcpy(mapped.bytes + 12, addr4, 4);
  return mapped;
}

/** Address of a socket from its parts. @returns its length */
inline socklen_t MakeSockaddr(sockaddr_storage* out, int family, const uint8_t* addr,
                              uint16_t portBe, uint32_t ifindex) {
  *out = {};
  if (family == 4) {
    auto* sin = reinterpret_cast<sockaddr_in*>(out);
    sin->sin_family = AF_INET;
    sin->sin_port = portBe;
    memcpy(&sin->sin_addr, addr + 12, 4);
    return sizeof *sin;
  }
  auto* sin6 = reinterpret_cast<sockaddr_in6*>(out);
  sin6->sin6_family = AF_INET6;
  sin6->sin6_port = portBe;
  memcpy(&sin6->sin6_addr, addr, kAddr);
  sin6->sin6_scope_id = IN6_IS_ADDR_LINKLOCAL(&sin6->sin6_addr) ? ifindex : 0;
  return sizeof *sin6;
}

/** Ancillary data that makes a reply leave from where the query was sent to. @returns its bytes */
inline size_t MakeControl(msghdr* message, uint8_t* control, int family, const uint8_t* local,
                          uint32_t ifindex) {
  message->msg_control = control;
  message->msg_controllen = kControlBytes;
  cmsghdr* header = CMSG_FIRSTHDR(message);
  if (family == 4) {
    in_pktinfo info{};
    memcpy(&info.ipi_spec_dst, local + 12, 4);
    header->cmsg_level = IPPROTO_IP;
    header->cmsg_type = IP_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(header), &info, sizeof info);
    return CMSG_SPACE(sizeof info);
  }
  in6_pktinfo info{};
  memcpy(&info.ipi6_addr, local, kAddr);
  info.ipi6_ifindex = IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr) ? ifindex : 0;
  header->cmsg_level = IPPROTO_IPV6;
  header->cmsg_type = IPV6_PKTINFO;
  header->cmsg_len = CMSG_LEN(sizeof info);
  memcpy(CMSG_DATA(header), &info, sizeof info);
  return CMSG_SPACE(sizeof info);
}

}  // namespace sluice
