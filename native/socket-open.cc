/**
 * Sockets for UDP and TCP, bound where and as asked: socket(7), udp(7), tcp(7), ip(7), ipv6(7).
 * Node serves those of TCP; udp.cc those of UDP.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "addon.h"
#include "args.h"
#include "datagram-peer.h"
#include "fd.h"
#include "netns.h"
#include "sys-error.h"

namespace sluice {
namespace {

/** A socket of either type, bound; one of TCP listens, too. */
Napi::Value Open(const Napi::CallbackInfo& info, int type) {
  Napi::Env env = info.Env();
  Args args(info);
  const int family = static_cast<int>(args.Int(0, "family", 4, 6));
  const ByteView address = args.Bytes(1, "address");
  const auto port = static_cast<uint16_t>(args.Int(2, "port", 0, 0xffff));
  const int shared = static_cast<int>(args.Int(3, "shared", 0, 1));
  const int freely = static_cast<int>(args.Int(4, "free", 0, 1));
  const int buffer = static_cast<int>(args.Int(5, "bufferBytes", 0, INT32_MAX));
  const int netnsFd = args.OptionalFd(6, "netnsFd");
  const auto ifindex = static_cast<uint32_t>(args.Int(7, "ifindex", 0, INT32_MAX));
  args.Require(args.failed() || address.len == kAddr, "address must have 16 bytes");
  args.Require(family != 5, "family must be 4 or 6");
  if (args.failed()) return env.Undefined();
  const int domain = family == 4 ? AF_INET : AF_INET6;
  const SysResult made = SocketIn(netnsFd, domain, type | SOCK_NONBLOCK, 0);
  if (!made.ok()) return ThrowSys(env, made, "port=" + std::to_string(port));
  UniqueFd fd(made.value);
  const int on = 1;
  const bool isUdp = type == SOCK_DGRAM;
  const bool isAny = family == 4
                         ? memcmp(address.ptr + 12, "\0\0\0\0", 4) == 0
                         : IN6_IS_ADDR_UNSPECIFIED(reinterpret_cast<in6_addr*>(address.ptr));
  struct Option {
    bool wanted;
    int level, name;
    const char* text;
  };
  const Option options[] = {
      {shared != 0, SOL_SOCKET, SO_REUSEPORT, "SO_REUSEPORT"},
      // Connections of an earlier process that are still being closed do not matter.
      {!isUdp, SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR"},
      {family == 6, IPPROTO_IPV6, IPV6_V6ONLY, "IPV6_V6ONLY"},
      {freely != 0, IPPROTO_IP, IP_FREEBIND, "IP_FREEBIND"},
      {isUdp && isAny && family == 4, IPPROTO_IP, IP_PKTINFO, "IP_PKTINFO"},
      {isUdp && isAny && family == 6, IPPROTO_IPV6, IPV6_RECVPKTINFO, "IPV6_RECVPKTINFO"},
  };
  for (const Option& option : options) {
    if (option.wanted && setsockopt(fd.get(), option.level, option.name, &on, sizeof on) != 0) {
      return ThrowSys(env, errno, "setsockopt", option.text);
    }
  }
  if (buffer > 0) {
    // More than the system's limit where we may.
    if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer) != 0) {
      setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    }
  }
  sockaddr_storage local;
  socklen_t len = MakeSockaddr(&local, family, address.ptr, htons(port), ifindex);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&local), len) != 0) {
    return ThrowSys(env, errno, "bind", "port=" + std::to_string(port));
  }
  if (!isUdp && listen(fd.get(), SOMAXCONN) != 0) {
    return ThrowSys(env, errno, "listen", "port=" + std::to_string(port));
  }
  len = sizeof local;
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&local), &len);
  Napi::Object out = Napi::Object::New(env);
  out.Set("port", Napi::Number::New(env, ntohs(reinterpret_cast<sockaddr_in*>(&local)->sin_port)));
  out.Set("fd", Napi::Number::New(env, fd.release()));
  return out;
}

}  // namespace

/**
 * udpOpen(family, address, port, shared, free, bufferBytes, netnsFd, ifindex): {fd, port}
 *
 * A socket bound to an address (16 bytes, IPv4-mapped; all zero or ::ffff:0.0.0.0 = any). `shared`:
 * SO_REUSEPORT; `free`: the address need not be there yet (IP_FREEBIND); `ifindex`: of a link-local
 * address.
 */
Napi::Value UdpOpen(const Napi::CallbackInfo& info) { return Open(info, SOCK_DGRAM); }

/** streamOpen(family, address, port, shared, free, 0, netnsFd, ifindex): {fd, port}; TCP, listening
 */
Napi::Value StreamOpen(const Napi::CallbackInfo& info) { return Open(info, SOCK_STREAM); }

}  // namespace sluice
