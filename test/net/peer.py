"""Both ends of the conversations of net tests: a server that says whom it sees, and clients.

peer.py serve PORT [NAME]             TCP and UDP, both families; a name stands behind every answer
peer.py ask tcp|udp ADDRESS PORT [N]  prints what the server says, N times over new sockets
peer.py large ADDRESS PORT BYTES      asks with so many, over UDP; prints the length of the answer
peer.py hold tcp|udp ADDRESS PORT     one socket; a line in, the server's word out
peer.py raw IFNAME HEX...             frames as they are
"""
import selectors
import socket
import sys

TIMEOUT_S = 3


name = ""


def seen(address):
    return f"{address[0].removeprefix('::ffff:')} {address[1]}{name}".encode()


def serve(port):
    selector = selectors.DefaultSelector()
    listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    for sock in (listener, datagrams):
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("::", port))
        selector.register(sock, selectors.EVENT_READ)
    datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    listener.listen(128)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                connection, _ = listener.accept()
                selector.register(connection, selectors.EVENT_READ)
            elif key.fileobj is datagrams:
                answer_datagram(datagrams)
            else:
                answer(selector, key.fileobj)


def answer_datagram(sock):
    """From the address that was asked, whichever of ours it is, and no shorter than the question."""
    question, asked, _, address = sock.recvmsg(65535, 256)
    level, kind, info = asked[0]
    source = (level, kind, info[:16] + bytes(4))
    sock.sendmsg([seen(address).ljust(len(question))], [source], 0, address)


def answer(selector, connection):
    try:
        if connection.recv(65535):
            connection.sendall(seen(connection.getpeername()))
            return
    except ConnectionError:
        pass
    selector.unregister(connection)
    connection.close()


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def ask(protocol, address, port):
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family(address), kind) as sock:
        sock.settimeout(TIMEOUT_S)
        sock.connect((address, port))
        sock.sendall(b"who?")
        return sock.recv(65535).decode()


def large(address, port, length):
    with socket.socket(family(address), socket.SOCK_DGRAM) as sock:
        sock.settimeout(TIMEOUT_S)
        sock.connect((address, port))
        sock.sendall(b"?" * length)
        return len(sock.recv(65535))


def hold(protocol, address, port):
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family(address), kind) as sock:
        sock.settimeout(TIMEOUT_S)
        sock.connect((address, port))
        for _ in sys.stdin:
            try:
                sock.sendall(b"who?")
                print(sock.recv(65535).decode() or "closed", flush=True)
            except OSError as error:
                print(error, flush=True)


def raw(ifname, frames):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((ifname, 0))
        for frame in frames:
            sock.send(bytes.fromhex(frame))


match sys.argv[1:]:
    case ["serve", port, *names]:
        name = "".join(f" {word}" for word in names)
        serve(int(port))
    case ["ask", protocol, address, port, *times]:
        for _ in range(int(times[0]) if times else 1):
            print(ask(protocol, address, int(port)))
    case ["large", address, port, length]:
        print(large(address, int(port), int(length)))
    case ["hold", protocol, address, port]:
        hold(protocol, address, int(port))
    case ["raw", ifname, *frames]:
        raw(ifname, frames)
    case _:
        sys.exit(__doc__)
