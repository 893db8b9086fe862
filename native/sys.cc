/** Waiting, clocks, threads, mounts and mappings: what a lane needs from the system itself. */
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <ctime>

#include "addon.h"
#include "args.h"
#include "fd.h"
#include "sys-error.h"

namespace sluice {
namespace {

// One bit of the returned mask each.
constexpr size_t kPollMax = 32;

std::string FdText(int fd) { return "fd=" + std::to_string(fd); }

}  // namespace

size_t PageSize() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

/** closeFd(fd) */
Napi::Value CloseFd(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  if (args.failed()) return env.Undefined();
  // EINTR: Linux has closed the descriptor all the same, close(2).
  if (close(fd) != 0 && errno != EINTR) return ThrowSys(env, errno, "close", FdText(fd));
  return env.Undefined();
}

/** eventfd(): fd, eventfd(2) */
Napi::Value EventFd(const Napi::CallbackInfo& info) {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return ThrowSys(info.Env(), errno, "eventfd", "");
  return Napi::Number::New(info.Env(), fd);
}

/** tryLock(fd): boolean; an exclusive flock(2), false when another open file has it */
Napi::Value TryLock(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  if (args.failed()) return env.Undefined();
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return Napi::Boolean::New(env, true);
  if (errno == EWOULDBLOCK || errno == EINTR) return Napi::Boolean::New(env, false);
  return ThrowSys(env, errno, "flock", FdText(fd));
}

/** unlock(fd): gives back what tryLock took, flock(2) */
Napi::Value Unlock(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  if (args.failed()) return env.Undefined();
  if (flock(fd, LOCK_UN) != 0) return ThrowSys(env, errno, "flock", FdText(fd));
  return env.Undefined();
}

/** signal(fd): adds 1; a full counter is as good as a signal and no error */
Napi::Value Signal(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  if (args.failed()) return env.Undefined();
  const uint64_t one = 1;
  if (write(fd, &one, sizeof one) < 0 && errno != EAGAIN) {
    return ThrowSys(env, errno, "write", FdText(fd));
  }
  return env.Undefined();
}

/** drain(fd): signals since the last drain, 0 when none */
Napi::Value Drain(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  if (args.failed()) return env.Undefined();
  uint64_t count = 0;
  if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN) {
    return ThrowSys(env, errno, "read", FdText(fd));
  }
  return Napi::Number::New(env, static_cast<double>(count));
}

/** poll(fds: Int32Array, timeoutMs): bit i = fds[i] is readable, failed or hung up; ppoll(2) */
Napi::Value Poll(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const ByteView fds = args.Ints(0, "fds");
  const double timeoutMs = args.Double(1, "timeoutMs");
  args.Require(fds.len <= kPollMax, "at most 32 descriptors can be polled");
  args.Require(timeoutMs <= 86400000.0, "timeoutMs must be a number up to one day");
  if (args.failed()) return env.Undefined();
  std::array<pollfd, kPollMax> wanted;
  for (size_t i = 0; i < fds.len; i++) {
    wanted[i] = {reinterpret_cast<const int32_t*>(fds.ptr)[i], POLLIN, 0};
  }
  timespec timeout{};
  if (timeoutMs > 0) {
    timeout.tv_sec = static_cast<time_t>(timeoutMs / 1000);
    timeout.tv_nsec =
        static_cast<long>((timeoutMs - static_cast<double>(timeout.tv_sec) * 1000) * 1e6);
  }
  const int ready = ppoll(wanted.data(), fds.len, timeoutMs < 0 ? nullptr : &timeout, nullptr);
  if (ready < 0 && errno != EINTR) return ThrowSys(env, errno, "ppoll", "");
  uint32_t mask = 0;
  for (size_t i = 0; ready > 0 && i < fds.len; i++) {
    if ((wanted[i].revents & POLLNVAL) != 0) {
      return ThrowSys(env, EBADF, "ppoll", FdText(wanted[i].fd));
    }
    if ((wanted[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0) mask |= 1u << i;
  }
  return Napi::Number::New(env, mask);
}

/** monotonicMs(): CLOCK_MONOTONIC, the clock bpf_ktime_get_ns reads, with its fraction */
Napi::Value MonotonicMs(const Napi::CallbackInfo& info) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return Napi::Number::New(
      info.Env(), static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6);
}

/** pinThread(cpu): the calling thread runs there and nowhere else; sched_setaffinity(2) */
Napi::Value PinThread(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int cpu = static_cast<int>(args.Int(0, "cpu", 0, CPU_SETSIZE - 1));
  if (args.failed()) return env.Undefined();
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) {
    return ThrowSys(env, errno, "sched_setaffinity", "cpu=" + std::to_string(cpu));
  }
  return env.Undefined();
}

/** mountBpffs(path): the directory must exist; mount(2) */
Napi::Value MountBpffs(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const std::string path = args.Text(0, "path");
  if (args.failed()) return env.Undefined();
  if (mount("bpffs", path.c_str(), "bpf", 0, "mode=0700") != 0) {
    return ThrowSys(env, errno, "mount", path);
  }
  return env.Undefined();
}

/** isBpffs(path): boolean; a missing path is no bpffs */
Napi::Value IsBpffs(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const std::string path = args.Text(0, "path");
  if (args.failed()) return env.Undefined();
  struct statfs fs {};
  if (statfs(path.c_str(), &fs) != 0) {
    if (errno == ENOENT) return Napi::Boolean::New(env, false);
    return ThrowSys(env, errno, "statfs", path);
  }
  return Napi::Boolean::New(env, fs.f_type == BPF_FS_MAGIC);
}

/** unmount(path): umount2(2) */
Napi::Value Unmount(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const std::string path = args.Text(0, "path");
  if (args.failed()) return env.Undefined();
  if (umount2(path.c_str(), UMOUNT_NOFOLLOW) != 0) return ThrowSys(env, errno, "umount2", path);
  return env.Undefined();
}

/** mapFd(fd, view, off, len): the descriptor's pages become that part of the view's memory */
Napi::Value MapFd(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  const ByteView view = args.Bytes(1, "view");
  const uint32_t off = args.U32(2, "off");
  const uint32_t len = args.U32(3, "len");
  uint8_t* part = args.Part(view, off, len, PageSize(), "view");
  args.Require(len > 0 && len % PageSize() == 0, "len must be a whole number of pages");
  if (args.failed()) return env.Undefined();
  UniqueMapping mapping = UniqueMapping::Over(part, len, fd, 0);
  if (!mapping.valid()) {
    return ThrowSys(env, errno, "mmap", FdText(fd) + " len=" + std::to_string(len));
  }
  mapping.release();
  return env.Undefined();
}

/** coverAnonymous(view, off, len): zeroed pages of the process's own, whatever was there */
Napi::Value Cover(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const ByteView view = args.Bytes(0, "view");
  const uint32_t off = args.U32(1, "off");
  const uint32_t len = args.U32(2, "len");
  uint8_t* part = args.Part(view, off, len, PageSize(), "view");
  args.Require(len > 0 && len % PageSize() == 0, "len must be a whole number of pages");
  if (args.failed()) return env.Undefined();
  if (!CoverAnonymous(part, len)) {
    return ThrowSys(env, errno, "mmap", "len=" + std::to_string(len));
  }
  return env.Undefined();
}

}  // namespace sluice
