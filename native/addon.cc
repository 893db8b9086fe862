/** The table of entries: one row a function. */
#include "addon.h"

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  using namespace sluice;
  const struct {
    const char* name;
    Napi::Value (*entry)(const Napi::CallbackInfo&);
  } rows[] = {
      {"openNetns", OpenNetns},
      {"openInNetns", OpenInNetns},
      {"embeddedObjects", EmbeddedObjects},
      {"mapCreate", MapCreate},
      {"mapUpdate", MapUpdate},
      {"mapLookup", MapLookup},
      {"mapDelete", MapDelete},
      {"mapNextKey", MapNextKey},
      {"mapInfo", MapInfo},
      {"progLoad", ProgLoad},
      {"objPin", ObjPin},
      {"objGet", ObjGet},
      {"linkCreate", LinkCreate},
      {"linkUpdate", LinkUpdate},
      {"linkDetach", LinkDetach},
      {"progTestRun", ProgTestRun},
      {"closeFd", CloseFd},
      {"eventfd", EventFd},
      {"tryLock", TryLock},
      {"unlock", Unlock},
      {"signal", Signal},
      {"drain", Drain},
      {"poll", Poll},
      {"monotonicMs", MonotonicMs},
      {"pinThread", PinThread},
      {"mountBpffs", MountBpffs},
      {"isBpffs", IsBpffs},
      {"unmount", Unmount},
      {"mapFd", MapFd},
      {"coverAnonymous", Cover},
      {"netlinkOpen", NetlinkOpen},
      {"netlinkRequest", NetlinkRequest},
      {"netlinkRequestAsync", NetlinkRequestAsync},
      {"ethtoolSet", EthtoolSet},
      {"ethtoolGet", EthtoolGet},
      {"driverName", DriverName},
      {"xskRingBytes", XskRingBytes},
      {"xskOpen", XskOpen},
      {"xskKick", XskKick},
      {"xskWakeRx", XskWakeRx},
      {"xskSetTxBudget", XskSetTxBudget},
      {"xskBusyPoll", XskBusyPoll},
      {"xskStats", XskStats},
      {"xskClose", XskClose},
      {"packetOpen", PacketOpen},
      {"packetPump", PacketPump},
      {"packetStats", PacketStats},
      {"udpOpen", UdpOpen},
      {"streamOpen", StreamOpen},
      {"udpServe", UdpServe},
      {"udpStop", UdpStop},
      {"udpPeer", UdpPeer},
      {"udpUnsent", UdpUnsent},
      {"udpSend", UdpSend},
  };
  for (const auto& row : rows) {
    exports.Set(row.name, Napi::Function::New(env, row.entry, row.name));
  }
  return exports;
}

}  // namespace

NODE_API_MODULE(sluice, Init)
