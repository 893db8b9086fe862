/**
 * AF_XDP sockets over linear memory: Documentation/networking/af_xdp.rst, linux/if_xdp.h.
 *
 * The UMEM is a part of the caller's memory and the four rings are mapped over another part, so
 * frames and descriptors are ordinary bytes to WebAssembly.
 */
#include <linux/if_xdp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>

#include "addon.h"
#include "args.h"
#include "fd.h"
#include "netns.h"
#include "sys-error.h"

// Newer than the headers some distributions still ship.
#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef SOL_XDP
#define SOL_XDP 283
#endif
#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9
#endif
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif
#ifndef SO_BUSY_POLL_BUDGET
#define SO_BUSY_POLL_BUDGET 70
#endif

namespace sluice {
namespace {

// Indices and flags of a ring lie before its descriptors, each on a cache line of its own: 192
// or 320 bytes on x86-64 and less than this everywhere (net/xdp/xsk_queue.h).
constexpr size_t kRingHeaderMax = 1024;
constexpr uint32_t kRingSizeMax = 1u << 20;
constexpr size_t kRings = 4;
constexpr size_t kWordsPerRing = 5;

enum class ZeroCopy { kAuto = 0, kNever = 1, kRequire = 2 };

size_t PageUp(size_t n) { return (n + PageSize() - 1) & ~(PageSize() - 1); }

/** Bytes set aside for one ring, never less than the kernel maps. */
size_t RingWindow(uint32_t ringSize, size_t entry) {
  return PageUp(kRingHeaderMax + ringSize * entry);
}

/** Rings in the order they lie in memory: rx, tx, fill, completion. */
struct RingPlan {
  int option;
  off_t pageOff;
  size_t entry;
  xdp_ring_offset xdp_mmap_offsets::*offsets;
};
constexpr std::array<RingPlan, kRings> kPlan{{
    {XDP_RX_RING, XDP_PGOFF_RX_RING, sizeof(xdp_desc), &xdp_mmap_offsets::rx},
    {XDP_TX_RING, XDP_PGOFF_TX_RING, sizeof(xdp_desc), &xdp_mmap_offsets::tx},
    {XDP_UMEM_FILL_RING, static_cast<off_t>(XDP_UMEM_PGOFF_FILL_RING), sizeof(uint64_t),
     &xdp_mmap_offsets::fr},
    {XDP_UMEM_COMPLETION_RING, static_cast<off_t>(XDP_UMEM_PGOFF_COMPLETION_RING), sizeof(uint64_t),
     &xdp_mmap_offsets::cr},
}};

size_t RingBytes(uint32_t ringSize) {
  size_t bytes = 0;
  for (const RingPlan& plan : kPlan) bytes += RingWindow(ringSize, plan.entry);
  return bytes;
}

uint32_t RingSize(Args& args, size_t i) {
  const auto size = static_cast<uint32_t>(args.Int(i, "ringSize", 1, kRingSizeMax));
  args.Require((size & (size - 1)) == 0, "ringSize must be a power of two");
  return size;
}

SysResult Option(int fd, int option, const void* value, socklen_t len, const char* name) {
  if (setsockopt(fd, SOL_XDP, option, value, len) != 0) return {-1, errno, name};
  return {0, 0, ""};
}

/** Everything `xskOpen` is told. */
struct OpenRequest {
  uint8_t* umem;
  uint32_t umemLen;
  uint32_t frameSize;
  uint8_t* rings;
  uint32_t ringOff;
  uint32_t ringSize;
  uint32_t ifindex;
  uint32_t queue;
  int netnsFd;
  int shareFd;
  ZeroCopy zeroCopy;
};

SysResult RegisterUmem(int fd, const OpenRequest& request) {
  xdp_umem_reg umem{};
  umem.addr = reinterpret_cast<uintptr_t>(request.umem);
  umem.len = request.umemLen;
  umem.chunk_size = request.frameSize;
  // A child between fork and exec must not make the kernel copy pinned frames; it never reads
  // them (madvise(2), MADV_DONTFORK). Refusal costs time only.
  madvise(request.umem, request.umemLen, MADV_DONTFORK);
  return Option(fd, XDP_UMEM_REG, &umem, sizeof umem, "setsockopt(XDP_UMEM_REG)");
}

using Mappings = std::array<UniqueMapping, kRings>;
using RingWords = std::array<uint32_t, kRings * kWordsPerRing>;

/** Lay the four rings over memory and note where their words are, as offsets into the view. */
SysResult MapRings(int fd, const OpenRequest& request, Mappings& mappings, RingWords& words) {
  for (const RingPlan& plan : kPlan) {
    const SysResult sized = Option(fd, plan.option, &request.ringSize, sizeof request.ringSize,
                                   "setsockopt(XDP ring size)");
    if (!sized.ok()) return sized;
  }
  xdp_mmap_offsets offsets{};
  socklen_t len = sizeof offsets;
  if (getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &len) != 0) {
    return {-1, errno, "getsockopt(XDP_MMAP_OFFSETS)"};
  }
  size_t at = 0;
  for (size_t i = 0; i < kRings; i++) {
    const RingPlan& plan = kPlan[i];
    const xdp_ring_offset& ring = offsets.*plan.offsets;
    const size_t bytes = PageUp(ring.desc + request.ringSize * plan.entry);
    if (ring.desc > kRingHeaderMax) return {-1, ENOTSUP, "getsockopt(XDP_MMAP_OFFSETS)"};
    mappings[i] = UniqueMapping::Over(request.rings + at, bytes, fd, plan.pageOff, MAP_POPULATE);
    if (!mappings[i].valid()) return {-1, errno, "mmap"};
    const uint32_t base = request.ringOff + static_cast<uint32_t>(at);
    uint32_t* word = &words[i * kWordsPerRing];
    word[0] = base + static_cast<uint32_t>(ring.producer);
    word[1] = base + static_cast<uint32_t>(ring.consumer);
    word[2] = base + static_cast<uint32_t>(ring.flags);
    word[3] = base + static_cast<uint32_t>(ring.desc);
    word[4] = request.ringSize;
    at += RingWindow(request.ringSize, plan.entry);
  }
  return {0, 0, ""};
}

SysResult BindWith(int fd, const OpenRequest& request, uint16_t flags) {
  sockaddr_xdp address{};
  address.sxdp_family = AF_XDP;
  address.sxdp_ifindex = request.ifindex;
  address.sxdp_queue_id = request.queue;
  address.sxdp_flags = flags;
  if ((flags & XDP_SHARED_UMEM) != 0) address.sxdp_shared_umem_fd = request.shareFd;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return {-1, errno, "bind"};
  }
  return {0, 0, ""};
}

/** A driver without zero-copy says so in one of these ways. */
bool LacksZeroCopy(int err) { return err == EOPNOTSUPP || err == EPROTONOSUPPORT || err == EINVAL; }

SysResult Bind(int fd, const OpenRequest& request) {
  // A shared UMEM brings its mode and its wakeup flag with it; the kernel refuses any other flag.
  if (request.shareFd >= 0) return BindWith(fd, request, XDP_SHARED_UMEM);
  if (request.zeroCopy != ZeroCopy::kNever) {
    const SysResult bound = BindWith(fd, request, XDP_USE_NEED_WAKEUP | XDP_ZEROCOPY);
    if (bound.ok() || request.zeroCopy == ZeroCopy::kRequire || !LacksZeroCopy(bound.err)) {
      return bound;
    }
  }
  return BindWith(fd, request, XDP_USE_NEED_WAKEUP | XDP_COPY);
}

bool IsZeroCopy(int fd) {
  xdp_options options{};
  socklen_t len = sizeof options;
  return getsockopt(fd, SOL_XDP, XDP_OPTIONS, &options, &len) == 0 &&
         (options.flags & XDP_OPTIONS_ZEROCOPY) != 0;
}

/** A kick that found the kernel busy or the link down is an answer, not an error. */
Napi::Value Kicked(Napi::Env env, ssize_t result, const char* syscall, int fd) {
  if (result >= 0) return Napi::Number::New(env, 0);
  if (errno == EAGAIN || errno == EBUSY || errno == ENOBUFS || errno == ENETDOWN) {
    return Napi::Number::New(env, -errno);
  }
  return ThrowSys(env, errno, syscall, "fd=" + std::to_string(fd));
}

}  // namespace

/** xskRingBytes(ringSize): bytes of memory the four rings take, whole pages */
Napi::Value XskRingBytes(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const uint32_t ringSize = RingSize(args, 0);
  if (args.failed()) return env.Undefined();
  return Napi::Number::New(env, static_cast<double>(RingBytes(ringSize)));
}

/**
 * xskOpen(view, umemOff, umemLen, frameSize, ringOff, ringSize, ifindex, queue, netnsFd, shareFd,
 * zeroCopy): {fd, zeroCopy, rings}. `rings` is 20 words: producer, consumer, flags, descriptors
 * and size of rx, tx, fill, completion; the first four as offsets into the view.
 */
Napi::Value XskOpen(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  OpenRequest request{};
  const ByteView view = args.Bytes(0, "view");
  const uint32_t umemOff = args.U32(1, "umemOff");
  request.umemLen = static_cast<uint32_t>(args.Int(2, "umemLen", 1, UINT32_MAX));
  request.frameSize = args.U32(3, "frameSize");
  request.ringOff = args.U32(4, "ringOff");
  request.ringSize = RingSize(args, 5);
  request.ifindex = static_cast<uint32_t>(args.Int(6, "ifindex", 1, INT32_MAX));
  request.queue = args.U32(7, "queue");
  request.netnsFd = args.OptionalFd(8, "netnsFd");
  request.shareFd = args.OptionalFd(9, "shareFd");
  request.zeroCopy = static_cast<ZeroCopy>(args.Int(10, "zeroCopy", 0, 2));
  request.umem = args.Part(view, umemOff, request.umemLen, PageSize(), "umem");
  const size_t ringBytes = RingBytes(request.ringSize);
  request.rings = args.Part(view, request.ringOff, ringBytes, PageSize(), "rings");
  args.Require(umemOff >= request.ringOff + ringBytes ||
                   request.ringOff >= static_cast<uint64_t>(umemOff) + request.umemLen,
               "umem and rings overlap");
  if (args.failed()) return env.Undefined();

  const std::string detail =
      "ifindex=" + std::to_string(request.ifindex) + " queue=" + std::to_string(request.queue);
  const SysResult made = SocketIn(request.netnsFd, AF_XDP, SOCK_RAW, 0);
  if (!made.ok()) return ThrowSys(env, made, detail);
  UniqueFd fd(made.value);
  if (request.shareFd < 0) {
    const SysResult registered = RegisterUmem(fd.get(), request);
    if (!registered.ok()) return ThrowSys(env, registered, detail);
  }
  Mappings mappings;
  RingWords words{};
  const SysResult mapped = MapRings(fd.get(), request, mappings, words);
  if (!mapped.ok()) return ThrowSys(env, mapped, detail);
  const SysResult bound = Bind(fd.get(), request);
  if (!bound.ok()) return ThrowSys(env, bound, detail);

  Napi::Uint32Array rings = Napi::Uint32Array::New(env, words.size());
  memcpy(rings.Data(), words.data(), sizeof words);
  Napi::Object out = Napi::Object::New(env);
  out.Set("zeroCopy", Napi::Boolean::New(env, IsZeroCopy(fd.get())));
  out.Set("rings", rings);
  for (UniqueMapping& mapping : mappings) mapping.release();
  out.Set("fd", Napi::Number::New(env, fd.release()));
  return out;
}

/** xskKick(fd): transmit what is in the tx ring; 0 or -errno */
Napi::Value XskKick(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  if (args.failed()) return env.Undefined();
  return Kicked(env, sendto(fd, nullptr, 0, MSG_DONTWAIT, nullptr, 0), "sendto", fd);
}

/** xskWakeRx(fd): let the driver look at the fill ring again; 0 or -errno */
Napi::Value XskWakeRx(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  if (args.failed()) return env.Undefined();
  return Kicked(env, recvfrom(fd, nullptr, 0, MSG_DONTWAIT, nullptr, nullptr), "recvfrom", fd);
}

/** xskSetTxBudget(fd, frames): boolean, false where the kernel has no such option */
Napi::Value XskSetTxBudget(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  const uint32_t frames = args.U32(1, "frames");
  if (args.failed()) return env.Undefined();
  const SysResult set = Option(fd, XDP_MAX_TX_SKB_BUDGET, &frames, sizeof frames,
                               "setsockopt(XDP_MAX_TX_SKB_BUDGET)");
  if (!set.ok() && set.err != ENOPROTOOPT) {
    return ThrowSys(env, set, "frames=" + std::to_string(frames));
  }
  return Napi::Boolean::New(env, set.ok());
}

/** xskBusyPoll(fd, microseconds, budget): socket(7) SO_BUSY_POLL and its companions */
Napi::Value XskBusyPoll(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  const auto microseconds = static_cast<int>(args.Int(1, "microseconds", 0, 1000000));
  const auto budget = static_cast<int>(args.Int(2, "budget", 1, 0xffff));
  if (args.failed()) return env.Undefined();
  const struct {
    int option;
    int value;
  } options[] = {{SO_PREFER_BUSY_POLL, microseconds > 0 ? 1 : 0},
                 {SO_BUSY_POLL, microseconds},
                 {SO_BUSY_POLL_BUDGET, budget}};
  for (const auto& each : options) {
    if (setsockopt(fd, SOL_SOCKET, each.option, &each.value, sizeof each.value) != 0) {
      return ThrowSys(env, errno, "setsockopt(SO_BUSY_POLL)",
                      "option=" + std::to_string(each.option));
    }
  }
  return env.Undefined();
}

/** xskStats(fd): what the kernel counted, XDP_STATISTICS */
Napi::Value XskStats(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  if (args.failed()) return env.Undefined();
  xdp_statistics stats{};
  socklen_t len = sizeof stats;
  if (getsockopt(fd, SOL_XDP, XDP_STATISTICS, &stats, &len) != 0) {
    return ThrowSys(env, errno, "getsockopt(XDP_STATISTICS)", "fd=" + std::to_string(fd));
  }
  Napi::Object out = Napi::Object::New(env);
  const auto set = [&](const char* name, uint64_t value) {
    out.Set(name, Napi::Number::New(env, static_cast<double>(value)));
  };
  set("rxDropped", stats.rx_dropped);
  set("rxInvalidDescs", stats.rx_invalid_descs);
  set("txInvalidDescs", stats.tx_invalid_descs);
  set("rxRingFull", stats.rx_ring_full);
  set("rxFillRingEmpty", stats.rx_fill_ring_empty_descs);
  set("txRingEmpty", stats.tx_ring_empty_descs);
  return out;
}

/** xskClose(fd, view, ringOff, ringBytes): covers the rings with anonymous pages, then closes */
Napi::Value XskClose(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int raw = args.Fd(0, "fd");
  const ByteView view = args.Bytes(1, "view");
  const uint32_t ringOff = args.U32(2, "ringOff");
  const uint32_t ringBytes = args.U32(3, "ringBytes");
  uint8_t* rings = args.Part(view, ringOff, ringBytes, PageSize(), "rings");
  args.Require(ringBytes > 0 && ringBytes % PageSize() == 0,
               "ringBytes must be a whole number of pages");
  if (args.failed()) return env.Undefined();
  if (!CoverAnonymous(rings, ringBytes)) {
    return ThrowSys(env, errno, "mmap", "ringBytes=" + std::to_string(ringBytes));
  }
  if (close(raw) != 0 && errno != EINTR) {
    return ThrowSys(env, errno, "close", "fd=" + std::to_string(raw));
  }
  return env.Undefined();
}

}  // namespace sluice
