"""test/pcap/service.pcap, made with scapy 2.5: python3 test/pcap/make-service.py test/pcap/service.pcap"""
import sys

from scapy.all import IP, TCP, UDP, Ether, wrpcap

e = Ether(src="0a:00:00:00:00:01", dst="02:53:00:00:00:01")
wrpcap(sys.argv[1], [
  e/IP(src="10.244.1.2", dst="10.96.0.10")/TCP(sport=40000, dport=80, flags="S", seq=7),
  e/IP(src="10.244.1.3", dst="10.244.1.2")/TCP(sport=8080, dport=40000, flags="SA", seq=9, ack=8),
  e/IP(src="10.244.1.2", dst="10.96.0.10")/TCP(sport=40001, dport=81, flags="S"),
  e/IP(src="10.244.1.2", dst="198.51.100.7")/UDP(sport=5000, dport=53)/b"out",
  e/IP(src="10.244.1.2", dst="10.244.1.3", ttl=64)/TCP(dport=80, flags="SF"),
  Ether(bytes(e/IP(src="10.244.1.2", dst="10.244.1.3"))[:20]),
])
