/**
 * AF_PACKET batches with virtio headers: packet(7), linux/virtio_net.h.
 *
 * `packetPump` plays the kernel's part on four rings in plain memory, so that to the core a
 * packet socket and an AF_XDP socket are the same thing. A virtio_net_hdr lies directly before
 * every Ethernet header: super-frames and partial checksums pass in both directions.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "addon.h"
#include "args.h"
#include "fd.h"
#include "netns.h"
#include "sys-error.h"

namespace sluice {
namespace {

// Frames per recvmmsg or sendmmsg: the arrays below stay on the stack.
constexpr uint32_t kBatch = 64;
constexpr int64_t kBudgetMax = 0x7fff;
// A quarter of a second at 1 Gbit/s; the kernel counts the real size of buffers against it.
constexpr int kSocketBuffer = 32 * 1024 * 1024;

/** Where the caller keeps things; word for word PACKET_LAYOUT of src/native-layout.ts. */
struct Layout {
  uint32_t rxRing, txRing, fillRing, compRing;     // ring records within the port record
  uint32_t producer, consumer, descriptors, size;  // words within a ring record
  uint32_t umemBase, umemFrameSize, umemCapacity;  // words of the UMEM region, in the view
  uint32_t headroom;                               // Ethernet header within a frame
  uint32_t virtioHeader;                           // bytes of virtio_net_hdr
};
constexpr size_t kLayoutWords = sizeof(Layout) / sizeof(uint32_t);

/** The frames, as the view's own words describe them. */
struct Umem {
  uint8_t* base = nullptr;
  uint64_t len = 0;
  uint32_t frameSize = 0;
};

/** One single-producer single-consumer ring; an entry is 8 or 16 bytes. */
struct Ring {
  uint32_t* producer = nullptr;
  uint32_t* consumer = nullptr;
  uint8_t* descriptors = nullptr;
  uint32_t size = 0;

  static uint32_t Load(uint32_t* word) {
    return std::atomic_ref<uint32_t>(*word).load(std::memory_order_acquire);
  }
  static void Store(uint32_t* word, uint32_t value) {
    std::atomic_ref<uint32_t>(*word).store(value, std::memory_order_release);
  }
  uint32_t Filled() const { return Load(producer) - Load(consumer); }
  uint32_t Space() const { return size - Filled(); }
  template <typename Entry>
  Entry* At(uint32_t idx) const {
    return reinterpret_cast<Entry*>(descriptors) + (idx & (size - 1));
  }
};

uint32_t Word(Args& args, const ByteView& view, uint64_t off) {
  const uint8_t* at = args.Part(view, off, sizeof(uint32_t), alignof(uint32_t), "port record");
  return at == nullptr ? 0 : *reinterpret_cast<const uint32_t*>(at);
}

Ring ReadRing(Args& args, const ByteView& view, const Layout& layout, uint64_t at, size_t entry) {
  const auto index = [&](uint32_t field) {
    return reinterpret_cast<uint32_t*>(
        args.Part(view, Word(args, view, at + field), sizeof(uint32_t), alignof(uint32_t), "ring"));
  };
  Ring ring;
  ring.producer = index(layout.producer);
  ring.consumer = index(layout.consumer);
  ring.size = Word(args, view, at + layout.size);
  args.Require(ring.size != 0 && (ring.size & (ring.size - 1)) == 0,
               "ring size must be a power of two");
  ring.descriptors = args.Part(view, Word(args, view, at + layout.descriptors),
                               static_cast<uint64_t>(ring.size) * entry, 8, "ring descriptors");
  args.Require(args.failed() || ring.Filled() <= ring.size,
               "ring indices are further apart than its size");
  return ring;
}

Umem ReadUmem(Args& args, const ByteView& view, const Layout& layout) {
  Umem umem;
  const uint32_t base = Word(args, view, layout.umemBase);
  umem.frameSize = Word(args, view, layout.umemFrameSize);
  umem.len = static_cast<uint64_t>(umem.frameSize) * Word(args, view, layout.umemCapacity);
  args.Require((umem.frameSize & (umem.frameSize - 1)) == 0 && umem.frameSize > layout.headroom &&
                   layout.headroom >= layout.virtioHeader,
               "frame size must be a power of two above the headroom");
  umem.base = args.Part(view, base, umem.len, 1, "umem");
  return umem;
}

struct Batch {
  std::array<mmsghdr, kBatch> messages;
  std::array<iovec, kBatch> pieces;

  void Set(uint32_t i, uint8_t* ptr, size_t len) {
    pieces[i] = {ptr, len};
    messages[i] = {};
    messages[i].msg_hdr.msg_iov = &pieces[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
};

/** What one direction did: frames moved, or the error that stopped it. */
struct Moved {
  uint32_t count = 0;
  SysResult result{0, 0, ""};
};

/** Nothing there, or nothing there because the link is down: not an error of ours. */
bool Idle(int err) { return err == EAGAIN || err == EINTR || err == ENETDOWN; }

/** A frame the kernel would take later. Any other refusal is for this frame alone. */
bool Later(int err) { return err == EAGAIN || err == EINTR || err == ENOMEM; }

/** No frame will ever leave: the socket is none, or its device is gone. */
bool Fatal(int err) {
  return err == EBADF || err == ENOTSOCK || err == ENXIO || err == EFAULT || err == EOPNOTSUPP;
}

/** Fill ring -> recvmmsg -> rx ring. */
Moved Receive(Args& args, int fd, const Layout& layout, const Umem& umem, const Ring& fill,
              const Ring& rx, uint32_t budget) {
  Moved moved;
  Batch batch;
  while (moved.count < budget) {
    const uint32_t want = std::min({budget - moved.count, kBatch, fill.Filled(), rx.Space()});
    if (want == 0) break;
    const uint32_t from = Ring::Load(fill.consumer);
    std::array<uint64_t, kBatch> frames;
    for (uint32_t i = 0; i < want; i++) {
      frames[i] = *fill.At<uint64_t>(from + i) & ~static_cast<uint64_t>(umem.frameSize - 1);
      if (frames[i] >= umem.len) {
        args.Reject("fill ring names frame " + std::to_string(frames[i]) + " outside the UMEM");
        return moved;
      }
      const uint32_t start = layout.headroom - layout.virtioHeader;
      batch.Set(i, umem.base + frames[i] + start, umem.frameSize - start);
    }
    // MSG_TRUNC: report the real length, so that the core can name a frame that did not fit.
    const int got = recvmmsg(fd, batch.messages.data(), want, MSG_DONTWAIT | MSG_TRUNC, nullptr);
    if (got < 0) {
      if (!Idle(errno)) moved.result = {-1, errno, "recvmmsg"};
      break;
    }
    const uint32_t to = Ring::Load(rx.producer);
    for (uint32_t i = 0; i < static_cast<uint32_t>(got); i++) {
      const uint32_t len = batch.messages[i].msg_len;
      *rx.At<xdp_desc>(to + i) = {frames[i] + layout.headroom,
                                  len > layout.virtioHeader ? len - layout.virtioHeader : 0, 0};
    }
    Ring::Store(fill.consumer, from + got);
    Ring::Store(rx.producer, to + got);
    moved.count += got;
    if (static_cast<uint32_t>(got) < want) break;
  }
  return moved;
}

/** Tx ring -> sendmmsg -> completion ring. */
Moved Transmit(Args& args, int fd, const Layout& layout, const Umem& umem, const Ring& tx,
               const Ring& comp, uint32_t budget) {
  Moved moved;
  Batch batch;
  while (moved.count < budget) {
    const uint32_t want = std::min({budget - moved.count, kBatch, tx.Filled(), comp.Space()});
    if (want == 0) break;
    const uint32_t from = Ring::Load(tx.consumer);
    for (uint32_t i = 0; i < want; i++) {
      const xdp_desc desc = *tx.At<xdp_desc>(from + i);
      const uint64_t within = desc.addr & (umem.frameSize - 1);
      if (desc.addr >= umem.len || within < layout.virtioHeader ||
          desc.len > umem.frameSize - within) {
        args.Reject("tx ring names " + std::to_string(desc.len) + " bytes at " +
                    std::to_string(desc.addr) + ", which do not lie within one frame");
        return moved;
      }
      batch.Set(i, umem.base + desc.addr - layout.virtioHeader, desc.len + layout.virtioHeader);
    }
    int sent = sendmmsg(fd, batch.messages.data(), want, MSG_DONTWAIT);
    if (sent < 0) {
      if (Later(errno)) break;
      if (Fatal(errno)) {
        moved.result = {-1, errno, "sendmmsg"};
        break;
      }
      // Refused (no buffer, link down, malformed): lost like any frame on a wire. Its memory
      // goes back, as the AF_XDP copy path does it.
      sent = 1;
    }
    const uint32_t to = Ring::Load(comp.producer);
    for (uint32_t i = 0; i < static_cast<uint32_t>(sent); i++) {
      *comp.At<uint64_t>(to + i) = tx.At<xdp_desc>(from + i)->addr;
    }
    Ring::Store(tx.consumer, from + sent);
    Ring::Store(comp.producer, to + sent);
    moved.count += sent;
  }
  return moved;
}

/** A large buffer where we may, the system's limit where we may not. */
void Enlarge(int fd, int force, int ask) {
  if (setsockopt(fd, SOL_SOCKET, force, &kSocketBuffer, sizeof kSocketBuffer) != 0) {
    setsockopt(fd, SOL_SOCKET, ask, &kSocketBuffer, sizeof kSocketBuffer);
  }
}

}  // namespace

/** packetOpen(ifindex, netnsFd): fd; every frame of the device, incoming only */
Napi::Value PacketOpen(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int ifindex = static_cast<int>(args.Int(0, "ifindex", 1, INT32_MAX));
  const int netnsFd = args.OptionalFd(1, "netnsFd");
  if (args.failed()) return env.Undefined();
  const std::string detail = "ifindex=" + std::to_string(ifindex);
  // Protocol 0: nothing arrives until bind, by when every option is set.
  const SysResult made = SocketIn(netnsFd, AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
  if (!made.ok()) return ThrowSys(env, made, detail);
  UniqueFd fd(made.value);
  const int on = 1;
  for (const int option : {PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING}) {
    if (setsockopt(fd.get(), SOL_PACKET, option, &on, sizeof on) != 0) {
      return ThrowSys(env, errno, "setsockopt", "option=" + std::to_string(option));
    }
  }
  Enlarge(fd.get(), SO_RCVBUFFORCE, SO_RCVBUF);
  Enlarge(fd.get(), SO_SNDBUFFORCE, SO_SNDBUF);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = ifindex;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return ThrowSys(env, errno, "bind", detail);
  }
  return Napi::Number::New(env, fd.release());
}

/** packetPump(fd, view, portOff, budget, layout): received | completed << 16 */
Napi::Value PacketPump(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  const ByteView view = args.Bytes(1, "view");
  const uint64_t portOff = args.U32(2, "portOff");
  const auto budget = static_cast<uint32_t>(args.Int(3, "budget", 1, kBudgetMax));
  const ByteView words = args.Words(4, "layout");
  args.Require(words.len == kLayoutWords, "layout has the wrong number of words");
  if (args.failed()) return env.Undefined();
  Layout layout;
  memcpy(&layout, words.ptr, sizeof layout);
  const auto ring = [&](uint32_t off, size_t entry) {
    return ReadRing(args, view, layout, portOff + off, entry);
  };
  const Ring rx = ring(layout.rxRing, sizeof(xdp_desc));
  const Ring tx = ring(layout.txRing, sizeof(xdp_desc));
  const Ring fill = ring(layout.fillRing, sizeof(uint64_t));
  const Ring comp = ring(layout.compRing, sizeof(uint64_t));
  const Umem umem = ReadUmem(args, view, layout);
  if (args.failed()) return env.Undefined();

  const Moved sent = Transmit(args, fd, layout, umem, tx, comp, budget);
  if (!args.failed() && !sent.result.ok()) {
    return ThrowSys(env, sent.result, "fd=" + std::to_string(fd));
  }
  if (args.failed()) return env.Undefined();
  const Moved got = Receive(args, fd, layout, umem, fill, rx, budget);
  if (args.failed()) return env.Undefined();
  if (!got.result.ok()) return ThrowSys(env, got.result, "fd=" + std::to_string(fd));
  return Napi::Number::New(env, got.count | sent.count << 16);
}

/** packetStats(fd): {packets, drops} since the last call; PACKET_STATISTICS */
Napi::Value PacketStats(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  if (args.failed()) return env.Undefined();
  tpacket_stats stats{};
  socklen_t len = sizeof stats;
  if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) != 0) {
    return ThrowSys(env, errno, "getsockopt(PACKET_STATISTICS)", "fd=" + std::to_string(fd));
  }
  Napi::Object out = Napi::Object::New(env);
  // The kernel's `tp_packets` includes the drops, packet(7).
  out.Set("packets", Napi::Number::New(env, stats.tp_packets));
  out.Set("drops", Napi::Number::New(env, stats.tp_drops));
  return out;
}

}  // namespace sluice
