/** Every entry of the addon, by the file that defines it. Signatures are at the definitions. */
#pragma once

#include <napi.h>

namespace sluice {

/** Bytes of a page of this system; offsets of mappings are multiples of it. (sys.cc) */
size_t PageSize();

#define SLUICE_ENTRY(name) Napi::Value name(const Napi::CallbackInfo& info)

// netns.cc
SLUICE_ENTRY(OpenNetns);
SLUICE_ENTRY(OpenInNetns);

// embedded.cc
SLUICE_ENTRY(EmbeddedObjects);

// bpf.cc
SLUICE_ENTRY(MapCreate);
SLUICE_ENTRY(MapUpdate);
SLUICE_ENTRY(MapLookup);
SLUICE_ENTRY(MapDelete);
SLUICE_ENTRY(MapNextKey);
SLUICE_ENTRY(MapInfo);
SLUICE_ENTRY(ProgLoad);
SLUICE_ENTRY(ObjPin);
SLUICE_ENTRY(ObjGet);
SLUICE_ENTRY(LinkCreate);
SLUICE_ENTRY(LinkUpdate);
SLUICE_ENTRY(LinkDetach);
SLUICE_ENTRY(ProgTestRun);

// sys.cc
SLUICE_ENTRY(CloseFd);
SLUICE_ENTRY(EventFd);
SLUICE_ENTRY(TryLock);
SLUICE_ENTRY(Unlock);
SLUICE_ENTRY(Signal);
SLUICE_ENTRY(Drain);
SLUICE_ENTRY(Poll);
SLUICE_ENTRY(MonotonicMs);
SLUICE_ENTRY(PinThread);
SLUICE_ENTRY(MountBpffs);
SLUICE_ENTRY(IsBpffs);
SLUICE_ENTRY(Unmount);
SLUICE_ENTRY(MapFd);
SLUICE_ENTRY(Cover);

// netlink.cc
SLUICE_ENTRY(NetlinkOpen);
SLUICE_ENTRY(NetlinkRequest);
SLUICE_ENTRY(NetlinkRequestAsync);

// ethtool.cc
SLUICE_ENTRY(EthtoolSet);
SLUICE_ENTRY(EthtoolGet);
SLUICE_ENTRY(DriverName);

// xsk.cc
SLUICE_ENTRY(XskRingBytes);
SLUICE_ENTRY(XskOpen);
SLUICE_ENTRY(XskKick);
SLUICE_ENTRY(XskWakeRx);
SLUICE_ENTRY(XskSetTxBudget);
SLUICE_ENTRY(XskBusyPoll);
SLUICE_ENTRY(XskStats);
SLUICE_ENTRY(XskClose);

// udp.cc
SLUICE_ENTRY(UdpOpen);
SLUICE_ENTRY(StreamOpen);
SLUICE_ENTRY(UdpServe);
SLUICE_ENTRY(UdpStop);
SLUICE_ENTRY(UdpPeer);
SLUICE_ENTRY(UdpUnsent);
SLUICE_ENTRY(UdpSend);

// packet.cc
SLUICE_ENTRY(PacketOpen);
SLUICE_ENTRY(PacketPump);
SLUICE_ENTRY(PacketStats);

#undef SLUICE_ENTRY

}  // namespace sluice
