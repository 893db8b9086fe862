"""Frames on a device, bit by bit, both ways.

  wire.py play IFNAME             send the frames on standard input, one of hex digits a line
  wire.py record IFNAME wire      print what others send to the device, before any hook of it
  wire.py record IFNAME stack     print what is left of that behind the hooks, where protocols are

A recording says "recording" when it begins and ends with a frame of ether type END, which it
leaves out. Kernels take an 802.1Q tag out of the frame: it is put back.

Spec: man 7 packet; __netif_receive_skb_core of Linux, where sockets of all protocols come before
the ingress hook and sockets of one protocol behind it.
"""
import select
import socket
import struct
import sys

ETH_P_ALL = 0x0003
END = 0x88B6
# IPv4, ARP, IPv6, the first experimental one, LLDP, frames with a length in place of a type.
PROTOCOLS = [0x0800, 0x0806, 0x86DD, 0x88B5, END, 0x88CC, 0x0004]
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_OUTGOING = 4
TP_STATUS_VLAN_VALID = 1 << 4
FRAME_MAX = 1 << 17


def listen(ifname, protocol):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    s.bind((ifname, protocol))
    s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    return s


def tagged(frame, ancillary):
    for level, kind, data in ancillary:
        if (level, kind) != (SOL_PACKET, PACKET_AUXDATA):
            continue
        status, _, _, _, _, tci, tpid = struct.unpack('=IIIHHHH', data[:20])
        if status & TP_STATUS_VLAN_VALID:
            return frame[:12] + struct.pack('!HH', tpid, tci) + frame[12:]
    return frame


def record(ifname, where):
    sockets = [listen(ifname, p) for p in ([ETH_P_ALL] if where == 'wire' else PROTOCOLS)]
    print('recording', flush=True)
    frames = []
    while True:
        # The end marker is looked at last: its socket is one of several.
        ready, _, _ = select.select(sockets, [], [])
        over = False
        for s in ready:
            frame, ancillary, _, address = s.recvmsg(FRAME_MAX, 256)
            if address[2] == PACKET_OUTGOING:
                continue
            if frame[12:14] == struct.pack('!H', END):
                over = True
            else:
                frames.append(tagged(frame, ancillary))
        if over:
            break
    for s in sockets:
        s.setblocking(False)
        while True:
            try:
                frame, ancillary, _, address = s.recvmsg(FRAME_MAX, 256)
            except BlockingIOError:
                break
            if address[2] != PACKET_OUTGOING:
                frames.append(tagged(frame, ancillary))
    for frame in frames:
        print(frame.hex())


def play(ifname):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((ifname, 0))
    for line in sys.stdin:
        s.send(bytes.fromhex(line))


if sys.argv[1] == 'play':
    play(sys.argv[2])
else:
    record(sys.argv[2], sys.argv[3])
