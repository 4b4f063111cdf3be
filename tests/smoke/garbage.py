#!/usr/bin/python3
"""Send noise: datagrams that are almost, or not at all, SIP, RTP, RTCP, STUN.

usage: garbage.py SOURCE_IP:PORT TARGET_IP:PORT[-PORT] COUNT

Sent through a raw socket, so the source may be an address and port that someone else uses. The
noise is the same in every run: a finding can be repeated.
"""
import random
import socket
import struct
import sys
import time

SEEDS = [
    b"INVITE sip:2001@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKx\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n"
    b"Content-Type: application/sdp\r\nContent-Length: 99999\r\n\r\nv=0\r\n",
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKnone\r\nCSeq: 1 INVITE\r\n\r\n",
    b"BYE sip:x SIP/2.0\r\n\r\n",
    struct.pack("!BBHII", 0x80, 0, 1, 160, 1) + bytes(160),
    struct.pack("!BBHII", 0x9F, 0, 1, 160, 1),  # 15 CSRCs and an extension that are not there
    struct.pack("!BBHI", 0x81, 200, 0xFFFF, 1),  # RTCP that lies about its length
    struct.pack("!HHI", 1, 0, 0x2112A442) + bytes(12),  # STUN binding request
    b"\x16\xfe\xff" + bytes(10),  # DTLS
    b"\r\n\r\n", b"", b"\0",
]


def mutate(data, dice):
    data = bytearray(data)
    for _ in range(dice.randrange(8)):
        if data:
            data[dice.randrange(len(data))] = dice.randrange(256)
    if dice.random() < 0.3:
        del data[dice.randrange(len(data) + 1):]
    if dice.random() < 0.1:
        data += dice.randbytes(dice.randrange(1200))
    return bytes(data)


def datagram(source, target, payload):
    """IPv4 and UDP headers; the kernel fills in length and checksum of the former."""
    udp = struct.pack("!HHHH", source[1], target[1], 8 + len(payload), 0)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_UDP, 0,
                     socket.inet_aton(source[0]), socket.inet_aton(target[0]))
    return ip + udp + payload


def main():
    source_host, source_port = sys.argv[1].split(":")
    target_host, ports = sys.argv[2].split(":")
    low, _, high = ports.partition("-")
    dice = random.Random(1)
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    for _ in range(int(sys.argv[3])):
        port = dice.randint(int(low), int(high or low))
        payload = mutate(dice.choice(SEEDS), dice)
        raw.sendto(datagram((source_host, int(source_port)), (target_host, port), payload),
                   (target_host, 0))
        time.sleep(0.0005)


if __name__ == "__main__":
    main()
