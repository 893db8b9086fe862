/** Netlink sockets: netlink(7), Documentation/userspace-api/netlink/intro.rst. */
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <memory>
#include <vector>

#include "addon.h"
#include "args.h"
#include "fd.h"
#include "netns.h"
#include "sys-error.h"

namespace sluice {
namespace {

// Dumps come in datagrams of up to 32 KiB (af_netlink.c); larger single messages are measured
// before they are read.
constexpr size_t kFirstBuffer = 64 * 1024;
constexpr int kReceiveBuffer = 4 * 1024 * 1024;
// A request that nobody answers must not hang the caller for ever.
constexpr timeval kPatience{10, 0};

/** What the end of an answer looks like. */
struct Expected {
  uint32_t firstSeq;
  uint32_t lastSeq;
  /** Someone asked for an acknowledgement or a dump, so NLMSG_ERROR or NLMSG_DONE will come. */
  bool closes;
};

void Enable(int fd, int option) {
  const int on = 1;
  // Each is a refinement that old kernels lack; answers stay readable without it.
  setsockopt(fd, SOL_NETLINK, option, &on, sizeof on);
}

/** Walk the request: `false` when its headers do not add up to its length. */
bool Inspect(const ByteView& message, Expected& expected) {
  size_t at = 0;
  bool first = true;
  expected = {0, 0, false};
  while (at < message.len) {
    nlmsghdr header;
    if (message.len - at < sizeof header) return false;
    memcpy(&header, message.ptr + at, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > message.len - at) return false;
    if (first) expected.firstSeq = header.nlmsg_seq;
    first = false;
    // In a batch the last acknowledged message speaks for the whole.
    // NLM_F_DUMP is two bits which each mean something else in a request that changes things.
    const bool acked =
        (header.nlmsg_flags & NLM_F_ACK) != 0 || (header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    if (acked || !expected.closes) expected.lastSeq = header.nlmsg_seq;
    expected.closes = expected.closes || acked;
    at += NLMSG_ALIGN(header.nlmsg_len);
  }
  return !first;
}

enum class Progress { kMore, kDone };

/** Append the datagram's messages that answer us; say whether the answer is complete. */
Progress Append(const uint8_t* datagram, size_t len, const Expected& expected,
                std::vector<uint8_t>& answer) {
  size_t at = 0;
  Progress progress = Progress::kMore;
  while (len - at >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    memcpy(&header, datagram + at, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > len - at) break;
    const size_t step = std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), len - at);
    const uint8_t* message = datagram + at;
    at += step;
    if (header.nlmsg_seq < expected.firstSeq || header.nlmsg_seq > expected.lastSeq) continue;
    answer.insert(answer.end(), message, message + step);
    if (header.nlmsg_type == NLMSG_DONE) {
      progress = Progress::kDone;
    } else if (header.nlmsg_type == NLMSG_ERROR) {
      // The kernel goes on with a batch after a refusal, and the last one is always answered.
      if (header.nlmsg_seq == expected.lastSeq) progress = Progress::kDone;
    } else if (!expected.closes && (header.nlmsg_flags & NLM_F_MULTI) == 0) {
      progress = Progress::kDone;
    }
  }
  return progress;
}

/** Throw away what earlier, abandoned requests may have left in the socket. */
void Empty(int fd) {
  uint8_t byte;
  while (recv(fd, &byte, sizeof byte, MSG_DONTWAIT | MSG_TRUNC) >= 0 || errno == ENOBUFS) {
  }
}

/** Send the request and read until its answer is whole. Blocks; touches nothing of Node's. */
SysResult Exchange(int fd, const uint8_t* message, size_t len, const Expected& expected,
                   std::vector<uint8_t>& answer) {
  Empty(fd);
  if (send(fd, message, len, 0) < 0) return {-1, errno, "send"};
  std::vector<uint8_t> datagram(kFirstBuffer);
  for (Progress progress = Progress::kMore; progress == Progress::kMore;) {
    const ssize_t size = recv(fd, nullptr, 0, MSG_PEEK | MSG_TRUNC);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return {-1, errno == EAGAIN ? ETIMEDOUT : errno, "recv"};
    if (static_cast<size_t>(size) > datagram.size()) datagram.resize(size);
    const ssize_t got = recv(fd, datagram.data(), datagram.size(), 0);
    if (got < 0) return {-1, errno, "recv"};
    progress = Append(datagram.data(), got, expected, answer);
  }
  return {0, 0, "recv"};
}

Napi::Uint8Array BytesOf(Napi::Env env, const std::vector<uint8_t>& answer) {
  Napi::Uint8Array out = Napi::Uint8Array::New(env, answer.size());
  memcpy(out.Data(), answer.data(), answer.size());
  return out;
}

/** One exchange on a thread of libuv's pool. */
class PooledExchange : public Napi::AsyncWorker {
 public:
  PooledExchange(Napi::Env env, int fd, const ByteView& message, const Expected& expected)
      : AsyncWorker(env),
        promise_(Napi::Promise::Deferred::New(env)),
        fd_(fd),
        message_(message.ptr, message.ptr + message.len),
        expected_(expected) {}
  Napi::Promise promise() const { return promise_.Promise(); }
  void Execute() override {
    result_ = Exchange(fd_, message_.data(), message_.size(), expected_, answer_);
  }
  void OnOK() override {
    if (result_.ok()) return promise_.Resolve(BytesOf(Env(), answer_));
    promise_.Reject(SysError(Env(), result_.err, result_.syscall, "netlink").Value());
  }

 private:
  Napi::Promise::Deferred promise_;
  int fd_;
  std::vector<uint8_t> message_;
  Expected expected_;
  SysResult result_{};
  std::vector<uint8_t> answer_;
};

}  // namespace

/** netlinkOpen(protocol, netnsFd): fd, with extended acknowledgements and strict checking */
Napi::Value NetlinkOpen(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int protocol = static_cast<int>(args.Int(0, "protocol", 0, MAX_LINKS - 1));
  const int netnsFd = args.OptionalFd(1, "netnsFd");
  if (args.failed()) return env.Undefined();
  const std::string detail = "protocol=" + std::to_string(protocol);
  const SysResult made = SocketIn(netnsFd, AF_NETLINK, SOCK_RAW, protocol);
  if (!made.ok()) return ThrowSys(env, made, detail);
  UniqueFd fd(made.value);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return ThrowSys(env, errno, "bind", detail);
  }
  Enable(fd.get(), NETLINK_EXT_ACK);
  Enable(fd.get(), NETLINK_GET_STRICT_CHK);
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer);
  if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience) != 0) {
    return ThrowSys(env, errno, "setsockopt", "SO_RCVTIMEO");
  }
  return Napi::Number::New(env, fd.release());
}

/**
 * netlinkRequest(fd, message): every byte of the answer.
 *
 * The answer ends with NLMSG_DONE, with the NLMSG_ERROR that belongs to the last acknowledged
 * message, or, when neither an acknowledgement nor a dump was asked for, with the first message
 * that is not part of several. Of a batch, refusals of earlier messages are in it.
 */
Napi::Value NetlinkRequest(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  const ByteView message = args.Bytes(1, "message");
  Expected expected{};
  args.Require(args.failed() || Inspect(message, expected),
               "message is not a sequence of netlink messages");
  if (args.failed()) return env.Undefined();
  std::vector<uint8_t> answer;
  const SysResult done = Exchange(fd, message.ptr, message.len, expected, answer);
  if (!done.ok()) return ThrowSys(env, done, "netlink");
  return BytesOf(env, answer);
}

/** netlinkRequestAsync(fd, message): a promise of the same; nobody else may use fd meanwhile. */
Napi::Value NetlinkRequestAsync(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int fd = args.Fd(0, "fd");
  const ByteView message = args.Bytes(1, "message");
  Expected expected{};
  args.Require(args.failed() || Inspect(message, expected),
               "message is not a sequence of netlink messages");
  if (args.failed()) return env.Undefined();
  // Deletes itself when it is done.
  auto* exchange = new PooledExchange(env, fd, message, expected);
  exchange->Queue();
  return exchange->promise();
}

}  // namespace sluice
