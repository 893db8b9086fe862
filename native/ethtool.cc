/** Device features and driver names through ioctl(SIOCETHTOOL): linux/ethtool.h, netdevice(7). */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "addon.h"
#include "args.h"
#include "fd.h"
#include "netns.h"
#include "sys-error.h"

namespace sluice {
namespace {

/** One request about one device of one namespace. */
SysResult Ethtool(int netnsFd, const std::string& ifname, void* request) {
  const SysResult made = SocketIn(netnsFd, AF_INET, SOCK_DGRAM, 0);
  if (!made.ok()) return made;
  const UniqueFd fd(made.value);
  ifreq ifr{};
  memcpy(ifr.ifr_name, ifname.c_str(), ifname.size());
  ifr.ifr_data = static_cast<char*>(request);
  if (ioctl(fd.get(), SIOCETHTOOL, &ifr) != 0) return {-1, errno, "ioctl(SIOCETHTOOL)"};
  return {0, 0, ""};
}

std::string IfName(Args& args, size_t i) {
  std::string name = args.Text(i, "ifname");
  args.Require(!name.empty() && name.size() < IFNAMSIZ, "ifname must have 1 to 15 characters");
  return name;
}

}  // namespace

/** ethtoolSet(netnsFd, ifname, command, value): commands that take one `ethtool_value` */
Napi::Value EthtoolSet(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int netnsFd = args.OptionalFd(0, "netnsFd");
  const std::string ifname = IfName(args, 1);
  ethtool_value request{args.U32(2, "command"), args.U32(3, "value")};
  if (args.failed()) return env.Undefined();
  const SysResult done = Ethtool(netnsFd, ifname, &request);
  if (!done.ok()) {
    return ThrowSys(env, done, "ifname=" + ifname + " command=" + std::to_string(request.cmd));
  }
  return env.Undefined();
}

/** ethtoolGet(netnsFd, ifname, command): number */
Napi::Value EthtoolGet(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int netnsFd = args.OptionalFd(0, "netnsFd");
  const std::string ifname = IfName(args, 1);
  // Room behind the value: a command that answers with more must not write past it.
  union {
    ethtool_value value;
    uint8_t room[4096];
  } request{};
  request.value.cmd = args.U32(2, "command");
  if (args.failed()) return env.Undefined();
  const SysResult done = Ethtool(netnsFd, ifname, &request);
  if (!done.ok()) {
    return ThrowSys(env, done,
                    "ifname=" + ifname + " command=" + std::to_string(request.value.cmd));
  }
  return Napi::Number::New(env, request.value.data);
}

/** driverName(netnsFd, ifname): e.g. `veth`, `ixgbe` */
Napi::Value DriverName(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int netnsFd = args.OptionalFd(0, "netnsFd");
  const std::string ifname = IfName(args, 1);
  if (args.failed()) return env.Undefined();
  ethtool_drvinfo request{};
  request.cmd = ETHTOOL_GDRVINFO;
  const SysResult done = Ethtool(netnsFd, ifname, &request);
  if (!done.ok()) return ThrowSys(env, done, "ifname=" + ifname);
  return Napi::String::New(env, request.driver, strnlen(request.driver, sizeof request.driver));
}

}  // namespace sluice
