/** Network namespaces: setns(2), network_namespaces(7). */
#include "netns.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>

#include "addon.h"
#include "args.h"
#include "fd.h"

namespace sluice {
namespace {

struct Errand {
  int netnsFd;
  SysResult (*body)(void*);
  void* context;
  SysResult result;
};

void* Enter(void* arg) {
  auto* errand = static_cast<Errand*>(arg);
  if (setns(errand->netnsFd, CLONE_NEWNET) != 0) {
    errand->result = {-1, errno, "setns"};
  } else {
    errand->result = errand->body(errand->context);
  }
  return nullptr;
}

}  // namespace

SysResult RunInNetns(int netnsFd, SysResult (*body)(void*), void* context) {
  if (netnsFd < 0) return body(context);
  Errand errand{netnsFd, body, context, {}};
  pthread_t thread;
  // pthread_create and not std::thread: without exceptions the latter ends the process when the
  // system has no thread left.
  const int err = pthread_create(&thread, nullptr, Enter, &errand);
  if (err != 0) return {-1, err, "pthread_create"};
  pthread_join(thread, nullptr);
  return errand.result;
}

SysResult SocketIn(int netnsFd, int domain, int type, int protocol) {
  return InNetns(netnsFd, [=]() -> SysResult {
    const int fd = socket(domain, type | SOCK_CLOEXEC, protocol);
    if (fd < 0) return {-1, errno, "socket"};
    return {fd, 0, "socket"};
  });
}

/** openNetns(path): fd. Refuses what is not a namespace, so that setns does not fail later. */
Napi::Value OpenNetns(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const std::string path = args.Text(0, "path");
  if (args.failed()) return env.Undefined();
  // What is no namespace may be a pipe, whose other end is not waited for.
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return ThrowSys(env, errno, "open", path);
  struct statfs fs {};
  if (fstatfs(fd.get(), &fs) != 0) return ThrowSys(env, errno, "fstatfs", path);
  if (fs.f_type != NSFS_MAGIC || ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) {
    return ThrowSys(env, EINVAL, "open", path + " is not a network namespace");
  }
  return Napi::Number::New(env, fd.release());
}

/**
 * openInNetns(netnsFd, path, flags): fd. For /proc/sys, which shows the namespace of whoever opens
 * it. Creates nothing.
 */
Napi::Value OpenInNetns(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int netnsFd = args.OptionalFd(0, "netnsFd");
  const std::string path = args.Text(1, "path");
  const uint32_t flags = args.U32(2, "flags");
  if (args.failed()) return env.Undefined();
  const SysResult opened = InNetns(netnsFd, [&]() -> SysResult {
    const int fd = open(path.c_str(), static_cast<int>(flags & O_ACCMODE) | O_CLOEXEC);
    return {fd, fd < 0 ? errno : 0, "open"};
  });
  if (!opened.ok()) return ThrowSys(env, opened, path);
  return Napi::Number::New(env, opened.value);
}

}  // namespace sluice
