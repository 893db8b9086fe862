/** Move-only owners of kernel resources: what was begun unwinds by itself. */
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <utility>

namespace sluice {

/** Owns a file descriptor; -1 means none. `release` hands ownership on (to JavaScript). */
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

/**
 * Put fresh anonymous pages over `[addr, addr + len)`.
 *
 * @returns  false with errno set; the old mapping is then still there
 * Spec      mmap(2): MAP_FIXED replaces the pages in one step, no other thread sees a hole
 */
inline bool CoverAnonymous(void* addr, size_t len) {
  return mmap(addr, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
         MAP_FAILED;
}

/**
 * A shared mapping laid over a piece of linear memory.
 *
 * Unlike an ordinary owner it never unmaps: a hole in linear memory would turn the next access
 * into a fault. It covers the piece with anonymous pages again, unless `release`d.
 */
class UniqueMapping {
 public:
  UniqueMapping() = default;
  UniqueMapping(UniqueMapping&& other) noexcept
      : addr_(std::exchange(other.addr_, nullptr)), len_(other.len_) {}
  UniqueMapping& operator=(UniqueMapping&& other) noexcept {
    if (this != &other) {
      reset();
      addr_ = std::exchange(other.addr_, nullptr);
      len_ = other.len_;
    }
    return *this;
  }
  ~UniqueMapping() { reset(); }

  /** Map `fd` at exactly `addr`; invalid with errno set when the kernel refuses. */
  static UniqueMapping Over(void* addr, size_t len, int fd, off_t pageOff, int flags = 0) {
    UniqueMapping mapping;
    void* at = mmap(addr, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | flags, fd, pageOff);
    if (at != MAP_FAILED) {
      mapping.addr_ = at;
      mapping.len_ = len;
    }
    return mapping;
  }

  bool valid() const { return addr_ != nullptr; }
  void release() { addr_ = nullptr; }

 private:
  void reset() {
    if (addr_ != nullptr) CoverAnonymous(addr_, len_);
    addr_ = nullptr;
  }

  void* addr_ = nullptr;
  size_t len_ = 0;
};

}  // namespace sluice
