/**
 * UDP in batches, straight into linear memory: recvmmsg(2), sendmmsg(2), udp(7), ip(7), ipv6(7).
 *
 * `udpServe` watches a socket on Node's event loop. Whenever datagrams are there, up to a batch of
 * them is received into the slots of the caller's memory, the caller's function is called once, and
 * whatever it answered, in the same slots, is sent. What it did not answer can be answered later by
 * `udpSend`.
 */
#include <netinet/in.h>
#include <node_api.h>
#include <sys/socket.h>

#include <array>
#include <memory>

#include "addon.h"
#include "args.h"
#include "datagram-peer.h"
#include "sys-error.h"
#include "uv.h"

namespace sluice {
namespace {

constexpr uint32_t kBatch = 64;
// Batches in a row before the event loop may serve others.
constexpr int kRounds = 16;

/** A descriptor of a batch; word for word BATCH_* of assembly/abi-dns.ts. */
struct Descriptor {
  uint32_t message, length, room;
  uint16_t listener, flags;
  int32_t result;
  uint32_t reserved;
};
static_assert(sizeof(Descriptor) == 24);

/** A socket that is served on the event loop. */
class Server {
 public:
  Napi::Env env;
  int fd = -1;
  bool withInfo = false;
  uint8_t* memory = nullptr;
  uint32_t slots = 0, slotSize = 0, count = 0;
  uint32_t slotsOff = 0;
  uint16_t listener = 0, flags = 0;
  Descriptor* descriptors = nullptr;
  Napi::FunctionReference serve;
  Napi::ObjectReference view;
  std::unique_ptr<Napi::AsyncContext> context;
  napi_async_cleanup_hook_handle cleanup = nullptr;
  uv_handle_s* poll = nullptr;
  uint32_t unsent = 0;

  std::array<mmsghdr, kBatch> received{}, sent{};
  std::array<iovec, kBatch> receivedPieces{}, sentPieces{};
  std::array<sockaddr_storage, kBatch> peers{};
  std::array<std::array<uint8_t, kControlBytes>, kBatch> controls{};

  explicit Server(Napi::Env e) : env(e) {}

  int Receive() {
    for (uint32_t i = 0; i < slots; i++) {
      msghdr& header = received[i].msg_hdr;
      header.msg_namelen = sizeof peers[i];
      header.msg_controllen = withInfo ? kControlBytes : 0;
    }
    const int got = recvmmsg(fd, received.data(), slots, MSG_DONTWAIT | MSG_TRUNC, nullptr);
    count = got > 0 ? static_cast<uint32_t>(got) : 0;
    for (uint32_t i = 0; i < count; i++) {
      // Nobody can be answered at port 0; what was longer than its slot is no query of ours.
      const bool usable = PortBe(i) != 0 && received[i].msg_len <= slotSize;
      descriptors[i] = {slotsOff + i * slotSize,
                        usable ? received[i].msg_len : 0,
                        slotSize,
                        listener,
                        flags,
                        0,
                        0};
    }
    return got;
  }

  /** Send what was answered. */
  void Send() {
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
      const int32_t length = descriptors[i].result;
      if (length <= 0 || static_cast<uint32_t>(length) > slotSize) continue;
      sentPieces[n] = {memory + slotsOff + static_cast<size_t>(i) * slotSize,
                       static_cast<size_t>(length)};
      msghdr& header = sent[n].msg_hdr;
      header = {};
      header.msg_name = &peers[i];
      header.msg_namelen = received[i].msg_hdr.msg_namelen;
      header.msg_iov = &sentPieces[n];
      header.msg_iovlen = 1;
      if (withInfo && received[i].msg_hdr.msg_controllen > 0) {
        const Peer peer = PeerOf(i);
        header.msg_controllen =
            MakeControl(&header, controls[i].data(), peer.family, peer.localAddr, peer.ifindex);
      }
      n++;
    }
    for (uint32_t from = 0; from < n;) {
      const int done = sendmmsg(fd, sent.data() + from, n - from, MSG_DONTWAIT);
      if (done > 0) {
        from += static_cast<uint32_t>(done);
        continue;
      }
      // Lost like any datagram on a wire, whether there is no room or no way to this client.
      if (errno == EINTR) continue;
      unsent++;
      from++;
    }
  }

  uint16_t PortBe(uint32_t i) const {
    // The port lies at the same place in both families' addresses.
    return reinterpret_cast<const sockaddr_in*>(&peers[i])->sin_port;
  }

  Peer PeerOf(uint32_t i) const {
    Peer peer{};
    const sockaddr_storage& from = peers[i];
    if (from.ss_family == AF_INET) {
      const auto& sin = reinterpret_cast<const sockaddr_in&>(from);
      memcpy(peer.addr, MapIpv4(&sin.sin_addr).bytes, kAddr);
      peer.family = 4;
    } else {
      const auto& sin6 = reinterpret_cast<const sockaddr_in6&>(from);
      memcpy(peer.addr, &sin6.sin6_addr, kAddr);
      peer.family = 6;
      peer.ifindex = sin6.sin6_scope_id;
    }
    peer.portBe = PortBe(i);
    msghdr header = received[i].msg_hdr;
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr;
         part = CMSG_NXTHDR(&header, part)) {
      if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
        in_pktinfo info;
        memcpy(&info, CMSG_DATA(part), sizeof info);
        memcpy(peer.localAddr, MapIpv4(&info.ipi_addr).bytes, kAddr);
        peer.ifindex = static_cast<uint32_t>(info.ipi_ifindex);
      } else if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
        in6_pktinfo info;
        memcpy(&info, CMSG_DATA(part), sizeof info);
        memcpy(peer.localAddr, &info.ipi6_addr, kAddr);
        peer.ifindex = info.ipi6_ifindex;
      }
    }
    return peer;
  }

  /** Datagrams are there. */
  void Wake() {
    Napi::HandleScope scope(env);
    Napi::CallbackScope callbacks(env, *context);
    Drain();
  }

  /** Serve what has come, but not for ever. */
  void Drain() {
    for (int round = 0; round < kRounds && poll != nullptr; round++) {
      if (Receive() <= 0) return;
      const uint32_t before = count;
      serve.Call({Napi::Number::New(env, count)});
      if (env.IsExceptionPending()) return;
      Send();
      count = 0;
      if (before < slots) return;
    }
  }

  /** Stop watching. The memory goes when libuv has let go of the handle. */
  void Stop() {
    if (poll == nullptr) return;
    uv_handle_s* handle = poll;
    poll = nullptr;
    uv_poll_stop(handle);
    uv_close(handle, [](uv_handle_s* closed) {
      auto* server = static_cast<Server*>(uv_handle_get_data(closed));
      if (server->cleanup != nullptr) napi_remove_async_cleanup_hook(server->cleanup);
      ::operator delete(closed);
      server->Release();
    });
  }

  /** Two hold on to it: the event loop until it is stopped, and JavaScript. */
  void Release() {
    if (--owners_ == 0) delete this;
  }

 private:
  int owners_ = 2;
};

void Prepare(Server& server) {
  for (uint32_t i = 0; i < server.slots; i++) {
    server.receivedPieces[i] = {
        server.memory + server.slotsOff + static_cast<size_t>(i) * server.slotSize,
        server.slotSize};
    msghdr& header = server.received[i].msg_hdr;
    header.msg_name = &server.peers[i];
    header.msg_iov = &server.receivedPieces[i];
    header.msg_iovlen = 1;
    header.msg_control = server.withInfo ? server.controls[i].data() : nullptr;
  }
}

bool Wants(int fd, int level, int option) {
  int on = 0;
  socklen_t len = sizeof on;
  return getsockopt(fd, level, option, &on, &len) == 0 && on != 0;
}

/** What udpServe returned. */
Server* Handle(Args& args, const Napi::CallbackInfo& info) {
  args.Require(info[0].IsExternal(), "server must be what udpServe returned");
  return args.failed() ? nullptr : info[0].As<Napi::External<Server>>().Data();
}

}  // namespace

/**
 * udpServe(fd, view, slotsOff, slotSize, slots, descriptorsOff, listener, flags, serve): server
 *
 * `serve(count)` is called with `count` descriptors filled in; what has a positive result when it
 * returns is sent.
 */
Napi::Value UdpServe(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  auto server = std::make_unique<Server>(env);
  server->fd = args.Fd(0, "fd");
  const ByteView view = args.Bytes(1, "view");
  server->slotsOff = args.U32(2, "slotsOff");
  server->slotSize = static_cast<uint32_t>(args.Int(3, "slotSize", 512, 0xffff));
  server->slots = static_cast<uint32_t>(args.Int(4, "slots", 1, kBatch));
  const uint32_t descriptorsOff = args.U32(5, "descriptorsOff");
  server->listener = static_cast<uint16_t>(args.Int(6, "listener", 0, 0xffff));
  server->flags = static_cast<uint16_t>(args.Int(7, "flags", 0, 0xffff));
  args.Require(info[8].IsFunction(), "serve must be a function");
  args.Part(view, server->slotsOff, static_cast<uint64_t>(server->slots) * server->slotSize, 8,
            "slots");
  server->descriptors = reinterpret_cast<Descriptor*>(
      args.Part(view, descriptorsOff, server->slots * sizeof(Descriptor), alignof(Descriptor),
                "descriptors"));
  if (args.failed()) return env.Undefined();
  server->memory = view.ptr;
  server->withInfo = Wants(server->fd, IPPROTO_IP, IP_PKTINFO) ||
                     Wants(server->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
  server->serve = Napi::Persistent(info[8].As<Napi::Function>());
  server->view = Napi::Persistent(info[1].As<Napi::Object>());
  server->context = std::make_unique<Napi::AsyncContext>(env, "sluice:udp");
  Prepare(*server);
  uv_loop_s* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  auto* poll = static_cast<uv_handle_s*>(::operator new(uv_handle_size(kUvPoll)));
  const int failed = uv_poll_init(loop, poll, server->fd);
  if (failed != 0) {
    ::operator delete(poll);
    return ThrowSys(env, -failed, "uv_poll_init", "fd=" + std::to_string(server->fd));
  }
  uv_handle_set_data(poll, server.get());
  server->poll = poll;
  uv_poll_start(poll, kUvReadable, [](uv_handle_s* handle, int, int) {
    static_cast<Server*>(uv_handle_get_data(handle))->Wake();
  });
  // A thread that ends without `udpStop` must not leave the handle to a loop that is gone.
  napi_add_async_cleanup_hook(
      env, [](napi_async_cleanup_hook_handle, void* data) { static_cast<Server*>(data)->Stop(); },
      server.get(), &server->cleanup);
  return Napi::External<Server>::New(env, server.release(),
                                     [](Napi::Env, Server* data) { data->Release(); });
}

/**
 * udpStop(server): no more datagrams but those that have come; the descriptor stays open. Again:
 * nothing. Not to be called by `serve`.
 */
Napi::Value UdpStop(const Napi::CallbackInfo& info) {
  Args args(info);
  Server* server = Handle(args, info);
  if (server == nullptr) return info.Env().Undefined();
  server->Drain();
  server->Stop();
  return info.Env().Undefined();
}

/** udpPeer(server, i): 40 bytes for `udpSend`; of the datagrams that `serve` is being called for */
Napi::Value UdpPeer(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  Server* server = Handle(args, info);
  const auto i = static_cast<uint32_t>(args.Int(1, "i", 0, kBatch - 1));
  args.Require(args.failed() || i < server->count, "there is no such datagram");
  if (args.failed()) return env.Undefined();
  const Peer peer = server->PeerOf(i);
  Napi::Uint8Array out = Napi::Uint8Array::New(env, sizeof peer);
  memcpy(out.Data(), &peer, sizeof peer);
  return out;
}

/** udpUnsent(server): replies the kernel did not take */
Napi::Value UdpUnsent(const Napi::CallbackInfo& info) {
  Args args(info);
  Server* server = Handle(args, info);
  if (server == nullptr) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), server->unsent);
}

/** udpSend(fd, message, peer): boolean; false when the kernel does not take it */
Napi::Value UdpSend(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  const ByteView message = args.Bytes(1, "message");
  const ByteView to = args.Bytes(2, "peer");
  args.Require(args.failed() || to.len == sizeof(Peer), "peer must be what udpPeer returned");
  if (args.failed()) return env.Undefined();
  Peer peer;
  memcpy(&peer, to.ptr, sizeof peer);
  args.Require(peer.family == 4 || peer.family == 6, "peer must be what udpPeer returned");
  if (args.failed()) return env.Undefined();
  sockaddr_storage address;
  iovec piece{message.ptr, message.len};
  msghdr header{};
  header.msg_name = &address;
  header.msg_namelen = MakeSockaddr(&address, peer.family, peer.addr, peer.portBe, peer.ifindex);
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  alignas(cmsghdr) uint8_t control[kControlBytes] = {};
  const Mapped none{};
  if (memcmp(peer.localAddr, none.bytes, kAddr) != 0) {
    header.msg_controllen =
        MakeControl(&header, control, peer.family, peer.localAddr, peer.ifindex);
  }
  return Napi::Boolean::New(env, sendmsg(fd, &header, MSG_DONTWAIT) >= 0);
}

}  // namespace sluice
