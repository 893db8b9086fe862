/** Reading and checking the arguments of an entry, once, at its top. */
#pragma once

#include <napi.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

namespace sluice {

/** Bytes that JavaScript owns; valid until the entry returns. */
struct ByteView {
  uint8_t* ptr = nullptr;
  size_t len = 0;
};

/**
 * Takes arguments in turn. The first bad one raises a TypeError or RangeError and makes every
 * later read return a harmless zero, so that an entry reads all its arguments and asks
 * `failed()` once, before anything is touched.
 */
class Args {
 public:
  explicit Args(const Napi::CallbackInfo& info) : info_(info), env_(info.Env()) {}

  bool failed() const { return failed_; }

  /** An integer in `[min, max]`; both must be exact as doubles. */
  int64_t Int(size_t i, const char* name, int64_t min, int64_t max) {
    if (failed_) return 0;
    if (!info_[i].IsNumber()) return Type(name, "a number");
    const double v = info_[i].As<Napi::Number>().DoubleValue();
    const bool within = v >= static_cast<double>(min) && v <= static_cast<double>(max);
    if (!within || v != std::floor(v)) {
      return Range(std::string(name) + " = " + Text(v) + " is not an integer from " +
                   std::to_string(min) + " to " + std::to_string(max));
    }
    return static_cast<int64_t>(v);
  }
  uint32_t U32(size_t i, const char* name) {
    return static_cast<uint32_t>(Int(i, name, 0, UINT32_MAX));
  }
  /** An open descriptor. */
  int Fd(size_t i, const char* name) { return static_cast<int>(Int(i, name, 0, INT32_MAX)); }
  /** A descriptor, or -1 (also when absent) for none. */
  int OptionalFd(size_t i, const char* name) {
    if (Absent(i)) return -1;
    return static_cast<int>(Int(i, name, -1, INT32_MAX));
  }
  bool Absent(size_t i) const { return info_[i].IsUndefined(); }

  double Double(size_t i, const char* name) {
    if (failed_) return 0;
    if (!info_[i].IsNumber()) return static_cast<double>(Type(name, "a number"));
    return info_[i].As<Napi::Number>().DoubleValue();
  }

  std::string Text(size_t i, const char* name) {
    if (failed_) return {};
    if (!info_[i].IsString()) {
      Type(name, "a string");
      return {};
    }
    std::string text = info_[i].As<Napi::String>().Utf8Value();
    if (text.find('\0') != std::string::npos) Range(std::string(name) + " contains a NUL byte");
    return text;
  }

  ByteView Bytes(size_t i, const char* name) {
    if (failed_) return {};
    const ByteView view = Typed(i, napi_uint8_array);
    if (view.ptr == nullptr && !failed_ && !IsTyped(i, napi_uint8_array))
      Type(name, "a Uint8Array");
    return view;
  }
  /** An Int32Array; `len` counts items. */
  ByteView Ints(size_t i, const char* name) {
    if (failed_) return {};
    if (!IsTyped(i, napi_int32_array)) Type(name, "an Int32Array");
    return Typed(i, napi_int32_array);
  }
  /** A Uint32Array; `len` counts items. */
  ByteView Words(size_t i, const char* name) {
    if (failed_) return {};
    if (!IsTyped(i, napi_uint32_array)) Type(name, "a Uint32Array");
    return Typed(i, napi_uint32_array);
  }

  /** The part `[off, off + len)` of `view`, whose address must be a multiple of `align`. */
  uint8_t* Part(const ByteView& view, uint64_t off, uint64_t len, size_t align, const char* name) {
    if (failed_) return nullptr;
    if (off > view.len || len > view.len - off) {
      Range(std::string(name) + ": " + std::to_string(len) + " bytes at offset " +
            std::to_string(off) + " do not lie within " + std::to_string(view.len) + " bytes");
      return nullptr;
    }
    uint8_t* part = view.ptr + off;
    if (reinterpret_cast<uintptr_t>(part) % align != 0) {
      Range(std::string(name) + ": offset " + std::to_string(off) + " is not a multiple of " +
            std::to_string(align));
      return nullptr;
    }
    return part;
  }

  /** Raise a RangeError unless `condition` holds. */
  void Require(bool condition, const char* message) {
    if (!failed_ && !condition) Range(message);
  }
  /** Raise a RangeError whose text is worth building only now. */
  void Reject(const std::string& message) {
    if (!failed_) Range(message);
  }

 private:
  bool IsTyped(size_t i, napi_typedarray_type wanted) const {
    bool typed = false;
    napi_typedarray_type type{};
    napi_is_typedarray(env_, info_[i], &typed);
    if (!typed) return false;
    napi_get_typedarray_info(env_, info_[i], &type, nullptr, nullptr, nullptr, nullptr);
    return type == wanted;
  }
  ByteView Typed(size_t i, napi_typedarray_type wanted) const {
    if (!IsTyped(i, wanted)) return {};
    void* ptr = nullptr;
    size_t len = 0;
    napi_get_typedarray_info(env_, info_[i], nullptr, &len, &ptr, nullptr, nullptr);
    return {static_cast<uint8_t*>(ptr), len};
  }

  static std::string Text(double v) {
    if (std::isnan(v)) return "NaN";
    if (v == std::floor(v) && std::fabs(v) < 9e15) return std::to_string(static_cast<int64_t>(v));
    return std::to_string(v);
  }
  int64_t Type(const char* name, const char* wanted) {
    Raise(Napi::TypeError::New(env_, std::string(name) + " must be " + wanted),
          "ERR_INVALID_ARG_TYPE");
    return 0;
  }
  int64_t Range(const std::string& message) {
    Raise(Napi::RangeError::New(env_, message), "ERR_OUT_OF_RANGE");
    return 0;
  }
  void Raise(Napi::Error error, const char* code) {
    failed_ = true;
    error.Set("code", Napi::String::New(env_, code));
    error.ThrowAsJavaScriptException();
  }

  const Napi::CallbackInfo& info_;
  Napi::Env env_;
  bool failed_ = false;
};

}  // namespace sluice
