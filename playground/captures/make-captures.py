"""The bundled captures, made with scapy 2.5: /usr/bin/python3 playground/captures/make-captures.py

The cluster is playground/cluster.yaml, seen from alpha. Replies come from the backends that Maglev
chooses there; a test says so when that is no longer true.
"""
from pathlib import Path

from scapy.all import ARP, DNS, DNSQR, DNSRR, ICMP, IP, TCP, UDP, Ether, ICMPv6EchoRequest, IPv6, Raw, wrpcap
from scapy.layers.inet import fragment

HERE = Path(__file__).parent
POD = Ether(src="0a:00:00:00:00:10", dst="02:53:00:00:00:01")
OUT = Ether(src="52:54:00:00:00:01", dst="02:53:00:00:00:01")
CLIENT, CLIENT6 = "10.244.1.10", "fd00:10:244:1::10"
WEB, WEB6 = "10.96.0.80", "fd00:10:96::80"
START = 1_760_000_000


def write(name, frames):
    """Frames 20 ms apart, each as its bytes are now."""
    done = []
    for i, frame in enumerate(frames):
        done.append(Ether(bytes(frame)))
        done[-1].time = START + i * 0.02
    wrpcap(str(HERE / name), done)


def conversation(there, back, sport, backend, dport=80, backend_port=8080):
    """A whole TCP connection: what the client sends, and what the backend answers."""
    def c(flags, seq, ack=0, load=b""):
        return there / TCP(sport=sport, dport=dport, flags=flags, seq=seq, ack=ack) / load

    def s(flags, seq, ack, load=b""):
        return back(backend) / TCP(sport=backend_port, dport=sport, flags=flags, seq=seq, ack=ack) / load

    request, answer = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    a, b = 1001 + len(request), 5001 + len(answer)
    return [
        c("S", 1000), s("SA", 5000, 1001), c("A", 1001, 5001),
        c("PA", 1001, 5001, request), s("PA", 5001, a, answer),
        c("FA", a, b), s("FA", b, a + 1), c("A", a + 1, b + 1),
    ]


def service():
    v4 = lambda sport, backend: conversation(
        POD / IP(src=CLIENT, dst=WEB), lambda b: POD / IP(src=b, dst=CLIENT), sport, backend)
    v6 = conversation(
        POD / IPv6(src=CLIENT6, dst=WEB6), lambda b: POD / IPv6(src=b, dst=CLIENT6), 42000, "fd00:10:244:1::20")
    outside = lambda sport: OUT / IP(src="198.51.100.7", dst="192.0.2.11") / TCP(sport=sport, dport=30080, flags="S", seq=1)
    udp = POD / IP(src=CLIENT, dst="10.244.2.30") / UDP(sport=5000, dport=5001) / b"to a pod of beta"
    pieces = fragment(POD / IP(src=CLIENT, dst="10.244.1.20", id=77) / UDP(sport=5000, dport=9000) / (b"f" * 1600), 800)
    return [
        *v4(40001, "10.244.1.20"), *v4(40004, "10.244.1.21"), *v6,
        POD / IP(src=CLIENT, dst=WEB) / TCP(sport=40000, dport=80, flags="S", seq=1),
        POD / IP(src=CLIENT, dst="10.96.0.30") / TCP(sport=41000, dport=80, flags="S", seq=1),
        POD / IP(src=CLIENT, dst=WEB) / TCP(sport=41001, dport=443, flags="S", seq=1),
        POD / IP(src=CLIENT, dst="10.96.200.1") / TCP(sport=41002, dport=80, flags="S", seq=1),
        POD / IP(src=CLIENT, dst=WEB) / TCP(sport=41003, dport=80, flags="A", seq=1, ack=1),
        *[outside(50000 + n) for n in range(3)],
        udp,
        POD / IP(src=CLIENT, dst="10.244.1.20") / ICMP(id=7, seq=1) / b"ping",
        POD / IPv6(src=CLIENT6, dst="fd00:10:244:1::21") / ICMPv6EchoRequest(id=7, seq=1, data=b"ping"),
        *pieces,
        POD / IP(src=CLIENT, dst=WEB, ttl=1) / TCP(sport=41004, dport=80, flags="S", seq=1),
        POD / ARP(op="who-has", hwsrc="0a:00:00:00:00:10", psrc=CLIENT, pdst="169.254.1.1"),
    ]


def malformed():
    whole = lambda p: bytes(POD / p)
    syn = IP(src=CLIENT, dst=WEB) / TCP(sport=40000, dport=80, flags="S")
    good = whole(syn)

    def patched(raw, at, value):
        raw = bytearray(raw)
        raw[at] = value
        return bytes(raw)

    def summed(raw, at, value):
        """The same, with the header checksum right again."""
        frame = Ether(patched(raw, at, value))
        del frame[IP].chksum
        return bytes(frame)

    v6 = whole(IPv6(src=CLIENT6, dst=WEB6) / TCP(sport=40000, dport=80, flags="S"))
    frames = [
        good,
        good[:10],
        whole(Raw(b"lldp"))[:12] + b"\x88\xcc" + bytes(46),
        good[:12] + b"\x81\x00\x00",
        good[:20],
        patched(good, 14, 0x65),
        patched(good, 14, 0x43),
        patched(good, 17, 255),
        patched(good, 25, good[25] ^ 1),
        v6[:40],
        patched(v6, 14, 0x45),
        patched(v6, 18, 255),
        whole(IP(src=CLIENT, dst=WEB) / TCP(sport=1, dport=80, flags="S"))[:14 + 20 + 12],
        summed(whole(IP(src=CLIENT, dst=WEB, len=32) / TCP(sport=1, dport=80, flags="S"))[:46], 14, 0x45),
        patched(good, 14 + 20 + 12, 0x20),
        whole(IP(src=CLIENT, dst=WEB) / TCP(sport=2, dport=80, flags="SF")),
        whole(IP(src=CLIENT, dst=WEB) / TCP(sport=2, dport=80, flags=0)),
        whole(IP(src=CLIENT, dst=WEB, proto=17) / Raw(b"abc")),
        whole(IP(src=CLIENT, dst=WEB) / UDP(sport=1, dport=2, len=4) / b"x"),
        whole(IP(src=CLIENT, dst="10.244.1.20", proto=1) / Raw(b"abcd")),
        whole(ARP(hwtype=6, psrc=CLIENT, pdst="169.254.1.1")),
        whole(ARP(psrc=CLIENT, pdst="169.254.1.1"))[:30],
        whole(IP(src=CLIENT, dst="10.244.1.20", proto=132) / Raw(b"abcd")),
        whole(IP(src="127.0.0.1", dst="10.244.1.20") / UDP(sport=1, dport=2)),
        whole(IP(src=CLIENT, dst="127.0.0.1") / UDP(sport=1, dport=2)),
        whole(IP(src=CLIENT, dst="224.0.0.251") / UDP(sport=5353, dport=5353)),
        good,
    ]
    return [Raw(f) for f in frames]


def dns():
    def ask(name, kind="A", n=0, src=CLIENT, **more):
        return POD / IP(src=src, dst="10.96.0.10") / UDP(sport=33000 + n, dport=53) / DNS(
            id=0x1000 + n, rd=1, qd=DNSQR(qname=name, qtype=kind), **more)

    asked = [
        ("web.default.svc.cluster.local", "A"), ("web.default.svc.cluster.local", "AAAA"),
        ("_http._tcp.web.default.svc.cluster.local", "SRV"), ("db.default.svc.cluster.local", "A"),
        ("db-0.db.default.svc.cluster.local", "A"), ("docs.default.svc.cluster.local", "CNAME"),
        ("80.0.96.10.in-addr.arpa", "PTR"), ("10-244-1-20.default.pod.cluster.local", "A"),
        ("WeB.DeFaUlT.sVc.ClUsTeR.lOcAl", "A"), ("web.default.svc.cluster.local", "TXT"),
        ("nowhere.default.svc.cluster.local", "A"), ("www.example.org", "A"),
    ]
    frames = [ask(name, kind, n) for n, (name, kind) in enumerate(asked)]
    frames.append(ask("web.default.svc.cluster.local", "A", 20, ar=DNSRR(rrname=".", type="OPT", rclass=4096, ttl=0, rdlen=0)))
    answer = ask("web.default.svc.cluster.local", "A", 21)
    answer[DNS].qr = 1
    frames.append(answer)
    base = POD / IP(src=CLIENT, dst="10.96.0.10")
    frames.append(base / UDP(sport=34000, dport=53) / b"short")
    frames.append(base / UDP(sport=34001, dport=53) / bytes.fromhex("123401000001000000000000c00c00010001"))
    frames.append(base / UDP(sport=34002, dport=53) / bytes.fromhex("1234790000010000000000000000010001"))
    return frames


def masquerade():
    world = "203.0.113.5"
    pod = lambda dst, l4: POD / IP(src=CLIENT, dst=dst) / l4
    return [
        pod(world, TCP(sport=45000, dport=443, flags="S", seq=1)),
        pod(world, UDP(sport=45001, dport=123) / b"time?"),
        pod(world, ICMP(id=9, seq=1) / b"ping"),
        POD / IPv6(src=CLIENT6, dst="2001:db8:ffff::5") / TCP(sport=45002, dport=443, flags="S", seq=1),
        pod(world, TCP(sport=45003, dport=443, flags="A", seq=1, ack=1)),
        POD / IP(src=CLIENT, dst=world, proto=47) / b"gre?",
        # A pod that calls itself through its service.
        *[POD / IP(src="10.244.1.20", dst=WEB) / TCP(sport=port, dport=80, flags="S", seq=1) for port in (46000, 46003, 46006)],
        # From outside to a node port whose endpoint may be on the other node.
        *[OUT / IP(src="198.51.100.7", dst="192.0.2.11") / TCP(sport=52000 + n, dport=30080, flags="S", seq=1) for n in range(6)],
        OUT / IP(src=world, dst="192.0.2.11") / TCP(sport=443, dport=1999, flags="SA", seq=1, ack=2),
    ]


for make in (service, malformed, dns, masquerade):
    frames = make()
    if make is malformed:
        frames = [type("Bytes", (), {"__bytes__": lambda self, f=f: f.load})() for f in frames]
        from scapy.utils import RawPcapWriter
        with RawPcapWriter(str(HERE / "malformed.pcap"), linktype=1) as writer:
            writer.write_header(None)
            for i, frame in enumerate(frames):
                writer.write_packet(bytes(frame), sec=START, usec=i * 20000)
    else:
        write(f"{make.__name__}.pcap", frames)
