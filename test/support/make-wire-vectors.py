#!/usr/bin/env python3
"""Make test/wire/vectors.json: packets built and dissected by scapy, not by us.

Run from the project root:  python3 test/support/make-wire-vectors.py
Needs scapy 2.5 (Debian: python3-scapy). The output is committed, so the tests do not.

packets   `hex` is the frame; the other fields are what scapy reads back from those bytes,
          as numbers in host order or addresses as hex in packet order. `drop` names the
          Drop the core must give.
rewrites  the same packet before and after a NAT rewrite; scapy computed the checksums of
          both from scratch. `partial...` are the pseudo-header sums of both.
"""
import json
import random
import socket
import struct
from pathlib import Path

import scapy
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import (
    ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6MLQuery, ICMPv6ND_NA,
    ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, ICMPv6PacketTooBig,
    ICMPv6TimeExceeded, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting, PadN, RouterAlert,
    in6_chksum,
)
from scapy.layers.ipsec import AH, ESP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.layers.sctp import (
    SCTP, SCTPChunkAbort, SCTPChunkCookieAck, SCTPChunkCookieEcho, SCTPChunkData,
    SCTPChunkHeartbeatReq, SCTPChunkInit, SCTPChunkInitAck, SCTPChunkSACK, SCTPChunkShutdown,
    SCTPChunkShutdownAck, SCTPChunkShutdownComplete,
)
from scapy.packet import Raw
from scapy.utils import checksum

SEED = 20250101
MAC_A, MAC_B = '02:00:00:00:00:0a', '02:00:00:00:00:0b'
A4, B4, VIP4 = '10.244.1.7', '10.244.2.9', '10.96.0.10'
A6, B6, VIP6 = 'fd00:10:244:1::7', 'fd00:10:244:2::9', 'fd00:10:96::a'
WALK_EXT, WALK_FRAGMENT, WALK_MORE, WALK_LATER, WALK_ROUTED = 1, 2, 4, 8, 16

# Everything ICMPv6 that the packets below use; scapy has one class a message.
ICMPV6 = (ICMPv6EchoRequest, ICMPv6EchoReply, ICMPv6DestUnreach, ICMPv6PacketTooBig,
          ICMPv6TimeExceeded, ICMPv6MLQuery, ICMPv6ND_NS, ICMPv6ND_NA)
EXTENSIONS = (IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, AH)


def mac(text):
    return text.replace(':', '')


def addr(text):
    return socket.inet_pton(socket.AF_INET6 if ':' in text else socket.AF_INET, text).hex()


def eth(**over):
    return Ether(src=MAC_A, dst=MAC_B, **over)


def ip4(**over):
    return IP(**{'src': A4, 'dst': B4, 'id': 0x1234, 'ttl': 63, **over})


def ip6(**over):
    return IPv6(**{'src': A6, 'dst': B6, 'hlim': 63, **over})


def zero_sum_udp():
    """A UDP datagram whose computed checksum is 0, so that 0xffff is sent."""
    probe = ip4() / UDP(sport=4000, dport=53, chksum=0) / Raw(b'\0\0')
    raw = bytes(probe)
    pseudo = raw[12:20] + struct.pack('!HH', 17, len(raw) - 20)
    payload = struct.pack('!H', checksum(pseudo + raw[20:]))
    return ip4() / UDP(sport=4000, dport=53) / Raw(payload)


def authenticated(segment):
    """A TCP segment behind AH; scapy knows neither the protocol nor the checksum there."""
    segment = segment.copy()
    segment.chksum = in6_chksum(6, ip6(), bytes(segment))
    return AH(nh=6, spi=1, seq=2, icv=b'i' * 12, payloadlen=4) / segment


def packets():
    options = [('MSS', 1460), ('SAckOK', b''), ('Timestamp', (7, 0)), ('NOP', None), ('WScale', 7)]
    syn = TCP(sport=40000, dport=443, flags='S', seq=0x89abcdef, options=options)
    data = TCP(sport=443, dport=40000, flags='PA', seq=1, ack=0x01020304, window=501)
    udp = UDP(sport=40001, dport=53)
    quoted4 = ip4() / udp / Raw(b'quoted!')
    quoted6 = ip6() / udp / Raw(b'quoted!')
    tiny = IPv6ExtHdrDestOpt(options=[PadN(optdata=b'\0' * 4)])
    routed = IPv6ExtHdrRouting(addresses=[VIP6], segleft=1)
    arrived = IPv6ExtHdrRouting(addresses=[VIP6], segleft=0)
    hop = IPv6ExtHdrHopByHop(options=[RouterAlert()])

    yield 'tcp4 syn with options', eth() / ip4() / syn
    yield 'tcp4 data of odd length', eth() / ip4(tos=0x10, flags='DF') / data / Raw(b'hello')
    yield 'tcp4 behind ipv4 options', eth() / ip4(options=[IPOption_Router_Alert()]) / data
    yield 'udp4', eth() / ip4() / udp / Raw(b'query')
    yield 'udp4 empty', eth() / ip4() / udp
    yield 'udp4 without checksum', eth() / ip4() / UDP(sport=1, dport=2, chksum=0) / Raw(b'x')
    yield 'udp4 whose checksum computes to 0', eth() / zero_sum_udp()
    yield 'udp4 first fragment', eth() / ip4(flags='MF') / UDP(sport=9, dport=10, len=3000,
                                                               chksum=0x1234) / Raw(b'a' * 32)
    yield 'udp4 later fragment', eth() / ip4(frag=185, proto=17) / Raw(b'b' * 24)
    yield 'icmp4 echo request', eth() / ip4() / ICMP(id=0xbeef, seq=1) / Raw(b'ping' * 3)
    yield 'icmp4 echo reply', eth() / ip4() / ICMP(type=0, id=0xbeef, seq=1) / Raw(b'odd')
    yield 'icmp4 port unreachable', eth() / ip4() / ICMP(type=3, code=3) / quoted4
    yield 'icmp4 fragmentation needed', (eth() / ip4()
                                         / ICMP(type=3, code=4, nexthopmtu=1400) / quoted4)
    yield 'icmp4 time exceeded', eth() / ip4() / ICMP(type=11, code=0) / quoted4
    yield from sctp_packets()
    yield 'gre4', eth() / ip4(proto=47) / Raw(b'\0' * 8), 'NONE'
    yield 'arp request', (Ether(src=MAC_A, dst='ff:ff:ff:ff:ff:ff')
                          / ARP(op=1, hwsrc=MAC_A, psrc=A4, pdst='169.254.1.1'))
    yield 'arp reply', eth() / ARP(op=2, hwsrc=MAC_A, psrc=A4, hwdst=MAC_B, pdst=B4)
    yield 'arp of another network', eth() / ARP(hwtype=6, hwlen=6, plen=4, hwdst=MAC_B), 'BAD_ARP'
    yield 'vlan arp', eth() / Dot1Q(vlan=7) / ARP(op=1, hwsrc=MAC_A, psrc=A4, pdst=B4)
    yield 'vlan tcp4', eth() / Dot1Q(vlan=4094, prio=5) / ip4() / data / Raw(b'tagged')
    yield 'vlan udp6', eth() / Dot1Q(vlan=1) / ip6() / udp / Raw(b'tagged')
    yield 'vlan in vlan', eth() / Dot1Q(vlan=1) / Dot1Q(vlan=2) / ip4() / udp, 'UNKNOWN_ETHERTYPE'
    yield 'lldp', eth(type=0x88cc) / Raw(b'\2\7\4'), 'UNKNOWN_ETHERTYPE'
    yield 'tcp6 syn with options', eth() / ip6(tc=3, fl=0x12345) / syn
    yield 'tcp6 data of odd length', eth() / ip6() / data / Raw(b'hello')
    yield 'udp6', eth() / ip6() / udp / Raw(b'query')
    yield 'icmp6 echo request', eth() / ip6() / ICMPv6EchoRequest(id=0xbeef, seq=2, data=b'abc')
    yield 'icmp6 echo reply', eth() / ip6() / ICMPv6EchoReply(id=0xbeef, seq=2, data=b'abcd')
    yield 'icmp6 port unreachable', eth() / ip6() / ICMPv6DestUnreach(code=4) / quoted6
    yield 'icmp6 packet too big', eth() / ip6() / ICMPv6PacketTooBig(mtu=1280) / quoted6
    yield 'icmp6 time exceeded', eth() / ip6() / ICMPv6TimeExceeded() / quoted6
    yield 'icmp6 neighbour solicitation', (
        Ether(src=MAC_A, dst='33:33:ff:00:00:09') / ip6(src='fe80::1', dst='ff02::1:ff00:9', hlim=255)
        / ICMPv6ND_NS(tgt=B6) / ICMPv6NDOptSrcLLAddr(lladdr=MAC_A))
    yield 'icmp6 solicitation of duplicate address detection', (
        Ether(src=MAC_A, dst='33:33:ff:00:00:07') / ip6(src='::', dst='ff02::1:ff00:7', hlim=255)
        / ICMPv6ND_NS(tgt=A6))
    yield 'icmp6 neighbour advertisement', (
        eth() / ip6(hlim=255) / ICMPv6ND_NA(R=1, S=1, O=1, tgt=A6)
        / ICMPv6NDOptDstLLAddr(lladdr=MAC_A))
    yield 'icmp6 mld query behind hop-by-hop', (
        eth() / ip6(src='fe80::1', dst='ff02::1', hlim=1) / hop / ICMPv6MLQuery())
    yield 'udp6 behind destination options', eth() / ip6() / tiny / udp / Raw(b'd')
    yield 'tcp6 behind routing, arrived', eth() / ip6() / arrived / data
    yield 'tcp6 behind routing, on its way', eth() / ip6() / routed / data
    yield 'tcp6 behind ah', eth() / ip6() / authenticated(data)
    yield 'udp6 behind three extensions', eth() / ip6() / hop / arrived / tiny / udp / Raw(b'far')
    yield 'udp6 first fragment', (eth() / ip6() / IPv6ExtHdrFragment(m=1, id=9)
                                  / UDP(sport=9, dport=10, len=3000, chksum=1) / Raw(b'a' * 32))
    yield 'udp6 later fragment', (eth() / ip6() / IPv6ExtHdrFragment(nh=17, offset=185, id=9)
                                  / Raw(b'b' * 24))
    yield 'udp6 atomic fragment', eth() / ip6() / IPv6ExtHdrFragment(id=9) / udp / Raw(b'whole')
    yield 'udp6 fragment behind hop-by-hop', (eth() / ip6() / hop / IPv6ExtHdrFragment(id=9, m=1)
                                              / UDP(sport=9, dport=10, len=99, chksum=1))
    eight = nine = eth() / ip6()
    for i in range(9):
        eight, nine = (eight / tiny if i < 8 else eight), nine / tiny
    yield 'udp6 behind eight extensions', eight / udp / Raw(b'deep')
    yield 'udp6 behind nine extensions', nine / udp / Raw(b'deep'), 'IPV6_EXT_TOO_MANY'
    yield 'esp6', eth() / ip6() / ESP(spi=1, seq=1, data=b'e' * 16), 'NONE'
    yield 'ip6 with nothing behind it', eth() / ip6(nh=59), 'NONE'
    yield 'hop-by-hop in the wrong place', eth() / ip6() / tiny / hop / udp, 'NONE'


def sctp_packets():
    def sctp(tag=0x01020304):
        return SCTP(sport=40002, dport=7777, tag=tag)

    data = SCTPChunkData(tsn=1, stream_id=2, data=b'hello', len=21)
    sack = SCTPChunkSACK(cumul_tsn_ack=1, a_rwnd=1000)
    yield 'sctp4 init', eth() / ip4() / sctp(0) / SCTPChunkInit(init_tag=5, a_rwnd=1500)
    yield 'sctp4 init ack behind ipv4 options', (
        eth() / ip4(options=[IPOption_Router_Alert()]) / sctp() / SCTPChunkInitAck(init_tag=6))
    yield 'sctp4 cookie echo', eth() / ip4() / sctp() / SCTPChunkCookieEcho(cookie=b'c' * 20)
    yield 'sctp4 cookie ack', eth() / ip4() / sctp() / SCTPChunkCookieAck()
    yield 'sctp4 data', eth() / ip4() / sctp() / data / Raw(b'\0' * 3)
    yield 'sctp4 sack and shutdown', (
        eth() / ip4() / sctp() / sack / SCTPChunkShutdown(cumul_tsn_ack=1))
    yield 'sctp4 first fragment', (
        eth() / ip4(flags='MF') / sctp() / SCTPChunkData(tsn=1, data=b'd' * 16, len=3000))
    yield 'sctp4 chunk longer than the packet', (
        eth() / ip4() / sctp() / SCTPChunkData(tsn=1, data=b'd' * 16, len=3000)), 'SHORT_SCTP'
    yield 'sctp4 without a chunk', eth() / ip4() / sctp(), 'SHORT_SCTP'
    yield 'sctp6 shutdown ack', eth() / ip6() / sctp() / SCTPChunkShutdownAck()
    yield 'sctp6 shutdown complete', eth() / ip6() / sctp() / SCTPChunkShutdownComplete()
    yield 'sctp6 abort', eth() / ip6() / sctp() / SCTPChunkAbort(TCB=1)
    yield 'sctp6 heartbeat', eth() / ip6() / sctp() / SCTPChunkHeartbeatReq()
    yield 'sctp6 behind destination options', (
        eth() / ip6() / IPv6ExtHdrDestOpt(options=[PadN(optdata=b'\0' * 4)]) / sctp() / sack)


def chunk_types(raw):
    """Bits of the chunk types in front of the data, from the bytes: scapy stops at the unknown."""
    types, at = 0, 12
    while at + 4 <= len(raw):
        kind, size = raw[at], struct.unpack('!H', raw[at + 2:at + 4])[0]
        types |= 1 << kind
        if at + size > len(raw):
            return types | 1 << 16
        if kind == 0:
            break
        at += size + 3 & ~3
    return types


def describe(name, packet, drop='NONE'):
    """What scapy reads from the bytes, not what the packet was built from."""
    raw = bytes(packet)
    seen = Ether(raw)
    out = {'name': name, 'hex': raw.hex(), 'drop': drop}
    tag = seen.getlayer(Dot1Q)
    out['eth'] = {'dst': mac(seen.dst), 'src': mac(seen.src),
                  'type': tag.type if tag else seen.type,
                  'vlan': tag.vlan if tag else None, 'hlen': 18 if tag else 14}
    if ARP in seen:
        arp = seen[ARP]
        out['arp'] = {'op': arp.op}
        if drop == 'NONE':
            out['arp'].update(senderMac=mac(arp.hwsrc), senderIp=addr(arp.psrc),
                              targetMac=mac(arp.hwdst), targetIp=addr(arp.pdst))
    elif tag and tag.type == 0x8100:
        pass
    elif IP in seen:
        describe_ipv4(seen[IP], out)
    elif IPv6 in seen:
        describe_ipv6(seen[IPv6], out)
    return out


def describe_ipv4(ip, out):
    out['ipv4'] = {'hlen': ip.ihl * 4, 'totalLength': ip.len, 'ttl': ip.ttl, 'proto': ip.proto,
                   'fragment': int(ip.flags) << 13 | ip.frag, 'checksum': ip.chksum,
                   'src': addr(ip.src), 'dst': addr(ip.dst)}
    out['walk'] = {'offset': ip.ihl * 4, 'proto': ip.proto, 'flags': 0}
    if ip.frag == 0:
        describe_transport(ip.payload, out)


def describe_ipv6(ip, out):
    out['ipv6'] = {'payloadLength': ip.plen, 'nextHeader': ip.nh, 'hopLimit': ip.hlim,
                   'src': addr(ip.src), 'dst': addr(ip.dst)}
    offset, proto, flags, layer = 40, ip.nh, 0, ip.payload
    while isinstance(layer, EXTENSIONS):
        if isinstance(layer, IPv6ExtHdrHopByHop) and flags:
            break
        flags |= WALK_EXT
        proto = layer.nh
        offset += len(layer) - len(layer.payload)
        if isinstance(layer, IPv6ExtHdrRouting) and layer.segleft:
            flags |= WALK_ROUTED
        if isinstance(layer, IPv6ExtHdrFragment):
            flags |= WALK_FRAGMENT | (WALK_MORE if layer.m else 0)
            flags |= WALK_LATER if layer.offset else 0
            layer = layer.payload
            break
        layer = layer.payload
    if isinstance(layer, Raw) and proto == 6:
        layer = TCP(bytes(layer))  # scapy does not look behind AH
    out['walk'] = {'offset': offset, 'proto': proto, 'flags': flags}
    if not flags & WALK_LATER:
        describe_transport(layer, out)


def describe_transport(layer, out):
    if isinstance(layer, TCP):
        out['tcp'] = {'srcPort': layer.sport, 'dstPort': layer.dport, 'seq': layer.seq,
                      'ack': layer.ack, 'hlen': layer.dataofs * 4, 'flags': int(layer.flags),
                      'window': layer.window, 'checksum': layer.chksum}
    elif isinstance(layer, UDP):
        out['udp'] = {'srcPort': layer.sport, 'dstPort': layer.dport, 'length': layer.len,
                      'checksum': layer.chksum}
    elif isinstance(layer, SCTP):
        checksum_bytes = struct.pack('!I', layer.chksum)
        out['sctp'] = {'srcPort': layer.sport, 'dstPort': layer.dport, 'tag': layer.tag,
                       'checksum': checksum_bytes.hex(), 'chunks': chunk_types(bytes(layer))}
    elif isinstance(layer, ICMP):
        out['icmp'] = {'type': layer.type, 'code': layer.code, 'checksum': layer.chksum,
                       'id': layer.id, 'seq': layer.seq,
                       'mtu': layer.nexthopmtu if layer.code == 4 else None}
    elif isinstance(layer, ICMPV6):
        out['icmpv6'] = {'type': layer.type, 'code': layer.code, 'checksum': layer.cksum,
                         'id': getattr(layer, 'id', None), 'mtu': getattr(layer, 'mtu', None)}
        if isinstance(layer, (ICMPv6ND_NS, ICMPv6ND_NA)):
            na = isinstance(layer, ICMPv6ND_NA)
            option = layer.getlayer(ICMPv6NDOptSrcLLAddr) or layer.getlayer(ICMPv6NDOptDstLLAddr)
            out['nd'] = {'target': addr(layer.tgt),
                         'flags': layer.R << 7 | layer.S << 6 | layer.O << 5 if na else 0,
                         'mac': mac(option.lladdr) if option else None}


def pseudo_sum(raw):
    """Folded pseudo-header sum of an untagged frame: what CHECKSUM_PARTIAL leaves."""
    ip = raw[14:]
    if ip[0] >> 4 == 4:
        size = struct.unpack('!H', ip[2:4])[0] - (ip[0] & 15) * 4
        head = ip[12:20] + struct.pack('!HH', ip[9], size)
    else:
        size = struct.unpack('!H', ip[4:6])[0]
        head = ip[8:40] + struct.pack('!II', size, ip[6])
    return ~checksum(head) & 0xffff


def rewrites(rng):
    def port():
        return rng.randrange(1, 65536)

    def payload():
        return Raw(rng.randbytes(rng.randrange(0, 40)))

    def v4():
        return '.'.join(str(rng.randrange(1, 255)) for _ in range(4))

    def v6():
        return socket.inet_ntop(socket.AF_INET6, b'\xfd' + rng.randbytes(15))

    def tcp(p):
        return TCP(sport=p[0], dport=p[1], flags='A', seq=5, ack=6)

    def udp(p):
        return UDP(sport=p[0], dport=p[1])

    def silent(p):
        return UDP(sport=p[0], dport=p[1], chksum=0)

    def echo4(p):
        return ICMP(id=p[0], seq=3)

    def echo6(p):
        return ICMPv6EchoRequest(id=p[0], seq=3)

    def sctp(p):
        return SCTP(sport=p[0], dport=p[1], tag=7) / SCTPChunkCookieEcho()

    cases = [('tcp4', ip4, v4, tcp), ('udp4', ip4, v4, udp), ('udp4 without checksum', ip4, v4, silent),
             ('icmp4 echo', ip4, v4, echo4), ('tcp6', ip6, v6, tcp), ('udp6', ip6, v6, udp),
             ('icmp6 echo', ip6, v6, echo6), ('sctp4', ip4, v4, sctp), ('sctp6', ip6, v6, sctp)]
    for name, net, address, transport in cases:
        for i in range(8):
            body = payload()
            old, new = (port(), port()), (port(), port())
            before = eth() / net(src=address(), dst=address()) / transport(old) / body
            after = eth() / net(src=address(), dst=address()) / transport(new) / body
            yield f'{name} {i}', before, after
    # A rewrite after which the computed UDP checksum is 0.
    yield 'udp4 to a checksum of 0', eth() / ip4(dst=VIP4) / UDP(sport=4000, dport=99) / Raw(
        bytes(zero_sum_udp())[28:]), eth() / zero_sum_udp()


def main():
    rng = random.Random(SEED)
    document = {
        'note': f'Made by test/support/make-wire-vectors.py with scapy {scapy.__version__}; not edited by hand.',
        'packets': [describe(*entry) for entry in packets()],
        'rewrites': [
            {'name': name, 'before': bytes(before).hex(), 'after': bytes(after).hex(),
             'partialBefore': pseudo_sum(bytes(before)), 'partialAfter': pseudo_sum(bytes(after))}
            for name, before, after in rewrites(rng)],
    }
    path = Path(__file__).parent.parent / 'wire' / 'vectors.json'
    path.write_text(json.dumps(document, indent=2) + '\n')


if __name__ == '__main__':
    main()
