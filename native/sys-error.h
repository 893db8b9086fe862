/** Errors in the shape Node itself uses: `{code, errno, syscall, message}`. */
#pragma once

#include <napi.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace sluice {

/** Outcome of a system call that may have run on another thread. */
struct SysResult {
  /** What the call returned; meaningful only when `err` is 0. */
  int value = -1;
  int err = 0;
  /** Name of the call that failed. */
  const char* syscall = "";

  bool ok() const { return err == 0; }
};

/** `EBUSY` for 16. ENOTSUPP (524) is internal to the kernel but bpf(2) lets it out. */
inline std::string ErrorName(int err) {
  if (err == 524) return "ENOTSUPP";
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
  const char* name = strerrorname_np(err);
  if (name != nullptr) return name;
#endif
  return "E" + std::to_string(err);
}

/**
 * The error of a failed system call, not raised.
 *
 * @param err      positive errno
 * @param syscall  its name, as in section 2 of the manual
 * @param detail   the values it was called with, e.g. `ifindex=3 queue=0`; may be empty
 * @returns        for a promise to be rejected with; `ThrowSys` raises it
 */
inline Napi::Error SysError(Napi::Env env, int err, const char* syscall,
                            const std::string& detail) {
  const std::string code = ErrorName(err);
  std::string message = code + ": ";
  message += err == 524 ? "operation is not supported" : strerror(err);
  message += std::string(", ") + syscall;
  if (!detail.empty()) message += " (" + detail + ")";
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  error.Set("errno", Napi::Number::New(env, -err));
  error.Set("syscall", Napi::String::New(env, syscall));
  return error;
}

/** Raise it. @returns `undefined`, so that an entry can `return ThrowSys(...)` */
inline Napi::Value ThrowSys(Napi::Env env, int err, const char* syscall,
                            const std::string& detail) {
  SysError(env, err, syscall, detail).ThrowAsJavaScriptException();
  return env.Undefined();
}

inline Napi::Value ThrowSys(Napi::Env env, const SysResult& result, const std::string& detail) {
  return ThrowSys(env, result.err, result.syscall, detail);
}

}  // namespace sluice
