"""What flows send and receive, kept as pcap files for judge.py and for people with Wireshark.

Those of flows are written by the peers, who see what TLS and WebSocket carry, too: each message is one UDP packet
between the addresses that it went between. The TTL says whose it is: OURS is the gateway's. An
empty packet with a TTL of RESTART stands where control was started again. Those of smoke tests are tcpdump's (tests/smoke/lib.sh).
"""
import contextlib
import ipaddress
import os
import struct
import time

OURS, THEIRS, RESTART = 64, 32, 1
LINKTYPE_RAW = 101  # a packet begins with its IP header
LINKTYPE_SLL2 = 276  # of tcpdump -i any: behind a header of 20 bytes
FILE_HEADER, PACKET_HEADER = "=IHHiIII", "=IIII"
# The gateway of the smoke tests' laboratory (scripts/lib/lab.sh).
LAB_GATEWAY = ("192.0.2.1", "198.51.100.1", "2001:db8:a::1", "2001:db8:b::1")
UDP = 17
# A packet cannot be longer. What is, reaches nobody's parser, either.
PAYLOAD_MAX = 65507

_file = None


def folder(build):
    return os.path.join(build, "tests", "flows", "pcap")


def start(build, name):
    """From here on all is written to a new file of that name."""
    global _file
    os.makedirs(folder(build), exist_ok=True)
    _file = create(os.path.join(folder(build), name + ".pcap"))


def create(path):
    file = open(path, "wb")
    file.write(struct.pack(FILE_HEADER, 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, LINKTYPE_RAW))
    return file


@contextlib.contextmanager
def paused():
    """Answers to garbage hold garbage."""
    global _file
    kept, _file = _file, None
    try:
        yield
    finally:
        _file = kept


def restarted(address):
    if _file is not None:
        write(_file, b"", (address, 5060), (address, 5060), RESTART)


def record(data, source, destination, whose):
    """One message between two (address, port)."""
    if _file is None or len(data) > PAYLOAD_MAX or not data[:1].isalpha():
        return  # keep-alives are no messages
    write(_file, data, source, destination, whose)


def write(file, data, source, destination, whose):
    packet = ip_packet(data, source, destination, whose)
    now = time.time()
    file.write(struct.pack(PACKET_HEADER, int(now), int(now % 1 * 1e6), len(packet), len(packet)))
    file.write(packet)
    file.flush()


def ip_packet(data, source, destination, ttl):
    here, there = (ipaddress.ip_address(end[0]) for end in (source, destination))
    udp = struct.pack("!HHHH", source[1], destination[1], 8 + len(data), 0) + data
    if here.version == 6:
        return struct.pack("!IHBB", 6 << 28, len(udp), UDP, ttl) + here.packed + there.packed + udp
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, ttl, UDP, 0)
    return head + here.packed + there.packed + udp


def read(path):
    """(data, source, destination, whose) of each message, in order, as write() takes them."""
    with open(path, "rb") as file:
        content = file.read()
    raw = struct.unpack_from(FILE_HEADER, content)[-1] == LINKTYPE_RAW
    at = struct.calcsize(FILE_HEADER)
    while at + struct.calcsize(PACKET_HEADER) <= len(content):
        size = struct.unpack_from(PACKET_HEADER, content, at)[2]
        at += struct.calcsize(PACKET_HEADER)
        packet = content[at if raw else at + 20:at + size]
        at += size
        data, source, destination, ttl = parse(packet)
        if not raw:
            ttl = OURS if source[0] in LAB_GATEWAY else THEIRS
        if raw or data[:1].isalpha():
            yield data, source, destination, ttl


def parse(packet):
    """The opposite of ip_packet()."""
    six = packet[0] >> 4 == 6
    ends = (packet[8:24], packet[24:40]) if six else (packet[12:16], packet[16:20])
    udp = packet[40:] if six else packet[(packet[0] & 15) * 4:]
    source, destination = zip(map(lambda end: str(ipaddress.ip_address(end)), ends),
                              struct.unpack_from("!HH", udp))
    return udp[8:], source, destination, packet[7 if six else 8]
