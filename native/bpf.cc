/**
 * bpf(2): maps, programs, pins, links, test runs.
 *
 * Follows Documentation/userspace-api/ebpf/syscall.rst and linux/bpf.h. Numbers newer than the
 * installed header are not needed: types and flags come from the caller.
 */
#include <linux/bpf.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "addon.h"
#include "args.h"
#include "fd.h"
#include "netns.h"
#include "sys-error.h"

namespace sluice {
namespace {

// Verifier log: taken whole, because the reason is on its last lines, and shown from the end.
constexpr size_t kLogBytes = 1 << 22;
constexpr size_t kLogTail = 3000;

long Bpf(int command, bpf_attr& attr) { return syscall(SYS_bpf, command, &attr, sizeof attr); }

uint64_t Ptr(const void* p) { return reinterpret_cast<uintptr_t>(p); }

bpf_attr Zero() {
  bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  return attr;
}

/** The kernel takes at most BPF_OBJ_NAME_LEN - 1 characters. */
void CopyName(char* to, const std::string& name) {
  snprintf(to, BPF_OBJ_NAME_LEN, "%s", name.c_str());
}

/** What the kernel says about a map; every access is checked against it. */
SysResult MapShape(int fd, bpf_map_info& shape) {
  memset(&shape, 0, sizeof shape);
  bpf_attr attr = Zero();
  attr.info.bpf_fd = fd;
  attr.info.info_len = sizeof shape;
  attr.info.info = Ptr(&shape);
  if (Bpf(BPF_OBJ_GET_INFO_BY_FD, attr) != 0) return {-1, errno, "bpf(BPF_OBJ_GET_INFO_BY_FD)"};
  return {0, 0, ""};
}

bool PerCpu(uint32_t type) {
  return type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY ||
         type == BPF_MAP_TYPE_LRU_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

/** The kernel copies as many bytes as the map says, whatever we pass: lengths must be equal. */
void RequireKey(Args& args, const bpf_map_info& shape, size_t keyLen) {
  if (keyLen == shape.key_size) return;
  args.Reject("key has " + std::to_string(keyLen) + " bytes, the map's keys have " +
              std::to_string(shape.key_size));
}
void RequireValue(Args& args, const bpf_map_info& shape, size_t valueLen) {
  args.Require(!PerCpu(shape.type), "per-CPU maps are not supported");
  if (valueLen == shape.value_size) return;
  args.Reject("value has " + std::to_string(valueLen) + " bytes, the map's values have " +
              std::to_string(shape.value_size));
}

std::string FdText(int fd) { return "fd=" + std::to_string(fd); }

/** Last lines of the verifier log, cut at a line break. */
std::string Tail(const char* log) {
  const size_t len = strlen(log);
  if (len <= kLogTail) return log;
  const char* from = log + len - kLogTail;
  const char* line = strchr(from, '\n');
  return std::string("...") + (line != nullptr ? line : from);
}

}  // namespace

/** mapCreate(type, keySize, valueSize, maxEntries, flags, name): fd */
Napi::Value MapCreate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  bpf_attr attr = Zero();
  attr.map_type = args.U32(0, "type");
  attr.key_size = args.U32(1, "keySize");
  attr.value_size = args.U32(2, "valueSize");
  attr.max_entries = args.U32(3, "maxEntries");
  attr.map_flags = args.U32(4, "flags");
  const std::string name = args.Text(5, "name");
  if (args.failed()) return env.Undefined();
  CopyName(attr.map_name, name);
  const long fd = Bpf(BPF_MAP_CREATE, attr);
  if (fd < 0) {
    return ThrowSys(env, errno, "bpf(BPF_MAP_CREATE)",
                    "name=" + name + " type=" + std::to_string(attr.map_type) +
                        " maxEntries=" + std::to_string(attr.max_entries));
  }
  return Napi::Number::New(env, fd);
}

/** mapUpdate(fd, key, value, flags) */
Napi::Value MapUpdate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  const ByteView key = args.Bytes(1, "key");
  const ByteView value = args.Bytes(2, "value");
  const uint32_t flags = args.U32(3, "flags");
  if (args.failed()) return env.Undefined();
  bpf_map_info shape;
  const SysResult found = MapShape(fd, shape);
  if (!found.ok()) return ThrowSys(env, found, FdText(fd));
  RequireKey(args, shape, key.len);
  RequireValue(args, shape, value.len);
  if (args.failed()) return env.Undefined();
  bpf_attr attr = Zero();
  attr.map_fd = fd;
  attr.key = Ptr(key.ptr);
  attr.value = Ptr(value.ptr);
  attr.flags = flags;
  if (Bpf(BPF_MAP_UPDATE_ELEM, attr) != 0) {
    return ThrowSys(env, errno, "bpf(BPF_MAP_UPDATE_ELEM)", std::string("map=") + shape.name);
  }
  return env.Undefined();
}

/** mapLookup(fd, key, valueSize): Uint8Array | undefined */
Napi::Value MapLookup(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  const ByteView key = args.Bytes(1, "key");
  const uint32_t valueSize = args.U32(2, "valueSize");
  if (args.failed()) return env.Undefined();
  bpf_map_info shape;
  const SysResult found = MapShape(fd, shape);
  if (!found.ok()) return ThrowSys(env, found, FdText(fd));
  RequireKey(args, shape, key.len);
  RequireValue(args, shape, valueSize);
  if (args.failed()) return env.Undefined();
  Napi::Uint8Array value = Napi::Uint8Array::New(env, valueSize);
  bpf_attr attr = Zero();
  attr.map_fd = fd;
  attr.key = Ptr(key.ptr);
  attr.value = Ptr(value.Data());
  if (Bpf(BPF_MAP_LOOKUP_ELEM, attr) == 0) return value;
  if (errno == ENOENT) return env.Undefined();
  return ThrowSys(env, errno, "bpf(BPF_MAP_LOOKUP_ELEM)", std::string("map=") + shape.name);
}

/** mapDelete(fd, key): boolean, false when there was none */
Napi::Value MapDelete(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  const ByteView key = args.Bytes(1, "key");
  if (args.failed()) return env.Undefined();
  bpf_map_info shape;
  const SysResult found = MapShape(fd, shape);
  if (!found.ok()) return ThrowSys(env, found, FdText(fd));
  RequireKey(args, shape, key.len);
  if (args.failed()) return env.Undefined();
  bpf_attr attr = Zero();
  attr.map_fd = fd;
  attr.key = Ptr(key.ptr);
  if (Bpf(BPF_MAP_DELETE_ELEM, attr) == 0) return Napi::Boolean::New(env, true);
  if (errno == ENOENT) return Napi::Boolean::New(env, false);
  return ThrowSys(env, errno, "bpf(BPF_MAP_DELETE_ELEM)", std::string("map=") + shape.name);
}

/** mapNextKey(fd, key | undefined, keySize): Uint8Array | undefined */
Napi::Value MapNextKey(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  const bool first = args.Absent(1);
  const ByteView key = first ? ByteView{} : args.Bytes(1, "key");
  const uint32_t keySize = args.U32(2, "keySize");
  if (args.failed()) return env.Undefined();
  bpf_map_info shape;
  const SysResult found = MapShape(fd, shape);
  if (!found.ok()) return ThrowSys(env, found, FdText(fd));
  RequireKey(args, shape, keySize);
  if (!first) RequireKey(args, shape, key.len);
  if (args.failed()) return env.Undefined();
  Napi::Uint8Array next = Napi::Uint8Array::New(env, keySize);
  bpf_attr attr = Zero();
  attr.map_fd = fd;
  attr.key = Ptr(key.ptr);
  attr.next_key = Ptr(next.Data());
  if (Bpf(BPF_MAP_GET_NEXT_KEY, attr) == 0) return next;
  if (errno == ENOENT) return env.Undefined();
  return ThrowSys(env, errno, "bpf(BPF_MAP_GET_NEXT_KEY)", std::string("map=") + shape.name);
}

/** mapInfo(fd): {type, keySize, valueSize, maxEntries, flags, id} */
Napi::Value MapInfo(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  if (args.failed()) return env.Undefined();
  bpf_map_info shape;
  const SysResult found = MapShape(fd, shape);
  if (!found.ok()) return ThrowSys(env, found, FdText(fd));
  Napi::Object out = Napi::Object::New(env);
  out.Set("type", Napi::Number::New(env, shape.type));
  out.Set("keySize", Napi::Number::New(env, shape.key_size));
  out.Set("valueSize", Napi::Number::New(env, shape.value_size));
  out.Set("maxEntries", Napi::Number::New(env, shape.max_entries));
  out.Set("flags", Napi::Number::New(env, shape.map_flags));
  out.Set("id", Napi::Number::New(env, shape.id));
  return out;
}

/**
 * A signal that arrives meanwhile ends the verifier's work with EAGAIN (kernel/bpf/verifier.c):
 * none does, however many a profiler sends.
 */
long LoadUndisturbed(bpf_attr& attr) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  const long fd = Bpf(BPF_PROG_LOAD, attr);
  const int err = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = err;
  return fd;
}

/** progLoad(type, expectedAttachType, name, insns, license): fd; asks for a log when refused */
Napi::Value ProgLoad(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  bpf_attr attr = Zero();
  attr.prog_type = args.U32(0, "type");
  attr.expected_attach_type = args.U32(1, "expectedAttachType");
  const std::string name = args.Text(2, "name");
  const ByteView insns = args.Bytes(3, "insns");
  const std::string license = args.Text(4, "license");
  args.Require(insns.len > 0 && insns.len % sizeof(bpf_insn) == 0,
               "insns must be a whole number of 8-byte instructions");
  if (args.failed()) return env.Undefined();
  CopyName(attr.prog_name, name);
  attr.insns = Ptr(insns.ptr);
  attr.insn_cnt = insns.len / sizeof(bpf_insn);
  attr.license = Ptr(license.c_str());
  const long fd = LoadUndisturbed(attr);
  if (fd >= 0) return Napi::Number::New(env, fd);
  const int err = errno;
  std::vector<char> log(kLogBytes);
  attr.log_level = 1;
  attr.log_size = log.size();
  attr.log_buf = Ptr(log.data());
  const long again = LoadUndisturbed(attr);
  if (again >= 0) return Napi::Number::New(env, again);
  std::string detail = "name=" + name;
  if (log[0] != '\0') detail += "; the verifier said:\n" + Tail(log.data());
  return ThrowSys(env, err, "bpf(BPF_PROG_LOAD)", detail);
}

/** objPin(fd, path) */
Napi::Value ObjPin(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  const std::string path = args.Text(1, "path");
  if (args.failed()) return env.Undefined();
  bpf_attr attr = Zero();
  attr.pathname = Ptr(path.c_str());
  attr.bpf_fd = fd;
  if (Bpf(BPF_OBJ_PIN, attr) != 0) return ThrowSys(env, errno, "bpf(BPF_OBJ_PIN)", path);
  return env.Undefined();
}

/** objGet(path): fd */
Napi::Value ObjGet(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const std::string path = args.Text(0, "path");
  if (args.failed()) return env.Undefined();
  bpf_attr attr = Zero();
  attr.pathname = Ptr(path.c_str());
  const long fd = Bpf(BPF_OBJ_GET, attr);
  if (fd < 0) return ThrowSys(env, errno, "bpf(BPF_OBJ_GET)", path);
  return Napi::Number::New(env, fd);
}

/** linkCreate(progFd, ifindex, attachType, flags, netnsFd): fd */
Napi::Value LinkCreate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  bpf_attr attr = Zero();
  attr.link_create.prog_fd = args.Fd(0, "progFd");
  attr.link_create.target_ifindex = static_cast<uint32_t>(args.Int(1, "ifindex", 1, INT32_MAX));
  attr.link_create.attach_type = args.U32(2, "attachType");
  attr.link_create.flags = args.U32(3, "flags");
  const int netnsFd = args.OptionalFd(4, "netnsFd");
  if (args.failed()) return env.Undefined();
  // The kernel looks the ifindex up in the namespace of the calling thread.
  const SysResult made = InNetns(netnsFd, [&]() -> SysResult {
    const long fd = Bpf(BPF_LINK_CREATE, attr);
    if (fd < 0) return {-1, errno, "bpf(BPF_LINK_CREATE)"};
    return {static_cast<int>(fd), 0, ""};
  });
  if (!made.ok()) {
    return ThrowSys(env, made,
                    "ifindex=" + std::to_string(attr.link_create.target_ifindex) +
                        " attachType=" + std::to_string(attr.link_create.attach_type));
  }
  return Napi::Number::New(env, made.value);
}

/** linkUpdate(linkFd, progFd) */
Napi::Value LinkUpdate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  bpf_attr attr = Zero();
  attr.link_update.link_fd = args.Fd(0, "linkFd");
  attr.link_update.new_prog_fd = args.Fd(1, "progFd");
  if (args.failed()) return env.Undefined();
  if (Bpf(BPF_LINK_UPDATE, attr) != 0) {
    return ThrowSys(env, errno, "bpf(BPF_LINK_UPDATE)", FdText(attr.link_update.link_fd));
  }
  return env.Undefined();
}

/** linkDetach(linkFd) */
Napi::Value LinkDetach(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  bpf_attr attr = Zero();
  attr.link_detach.link_fd = args.Fd(0, "linkFd");
  if (args.failed()) return env.Undefined();
  if (Bpf(BPF_LINK_DETACH, attr) != 0) {
    return ThrowSys(env, errno, "bpf(BPF_LINK_DETACH)", FdText(attr.link_detach.link_fd));
  }
  return env.Undefined();
}

/**
 * progTestRun(progFd, dataIn, ctxIn | undefined, repeat, flags, batchSize, dataOutSize, netnsFd):
 * {retval, dataOut, durationNs}. With BPF_F_TEST_XDP_LIVE_FRAMES there is no output.
 */
Napi::Value ProgTestRun(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "progFd");
  const ByteView dataIn = args.Bytes(1, "dataIn");
  const ByteView ctxIn = args.Absent(2) ? ByteView{} : args.Bytes(2, "ctxIn");
  bpf_attr attr = Zero();
  attr.test.repeat = args.U32(3, "repeat");
  attr.test.flags = args.U32(4, "flags");
  attr.test.batch_size = args.U32(5, "batchSize");
  const uint32_t outSize = args.U32(6, "dataOutSize");
  const int netnsFd = args.OptionalFd(7, "netnsFd");
  if (args.failed()) return env.Undefined();
  Napi::Uint8Array dataOut = Napi::Uint8Array::New(env, outSize);
  attr.test.prog_fd = fd;
  attr.test.data_in = Ptr(dataIn.ptr);
  attr.test.data_size_in = dataIn.len;
  attr.test.ctx_in = Ptr(ctxIn.ptr);
  attr.test.ctx_size_in = ctxIn.len;
  if (outSize > 0) {
    attr.test.data_out = Ptr(dataOut.Data());
    attr.test.data_size_out = outSize;
  }
  const SysResult ran = InNetns(netnsFd, [&]() -> SysResult {
    if (Bpf(BPF_PROG_TEST_RUN, attr) != 0) return {-1, errno, "bpf(BPF_PROG_TEST_RUN)"};
    return {0, 0, ""};
  });
  if (!ran.ok()) return ThrowSys(env, ran, FdText(fd));
  Napi::Object out = Napi::Object::New(env);
  const size_t outLen = std::min<size_t>(attr.test.data_size_out, outSize);
  out.Set("retval", Napi::Number::New(env, attr.test.retval));
  out.Set("dataOut", Napi::Uint8Array::New(env, outLen, dataOut.ArrayBuffer(), 0));
  out.Set("durationNs", Napi::Number::New(env, attr.test.duration));
  return out;
}

}  // namespace sluice
