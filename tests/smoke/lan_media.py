#!/usr/bin/python3
"""Send RTP from one address to another, and write down every packet that comes back, with the MAC
of whoever sent it: "microseconds MAC sequence SSRC" a line, as the kernel took its time.

usage: lan_media.py INTERFACE FROM:PORT TO:PORT BACK_PORT SECONDS FILE

A packet leaves every 5 ms, to whom the kernel's neighbour cache says. BACK_PORT is the UDP port here
that they come back to.
"""
import socket
import struct
import sys
import time

INTERVAL = 0.005
ETH_P_IP = 0x0800
SO_TIMESTAMPNS = 35


def endpoint(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def note(sniffer, port, out):
    try:
        frame, extra, _, from_ = sniffer.recvmsg(2048, 64)
    except BlockingIOError:
        return False
    if from_[2] == socket.PACKET_OUTGOING or len(frame) < 54 or frame[23] != 17:
        return True
    if struct.unpack("!H", frame[36:38])[0] != port:
        return True
    seconds, ns = struct.unpack("qq", extra[0][2])
    sequence, = struct.unpack("!H", frame[44:46])
    ssrc, = struct.unpack("!I", frame[50:54])
    print(seconds * 1000000 + ns // 1000, frame[6:12].hex(":"), sequence, ssrc, file=out, flush=True)
    return True


def main():
    interface, near, far, back, seconds, path = sys.argv[1:]
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind(endpoint(near))
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # or the kernel says "unreachable"
    sink.bind((endpoint(near)[0], int(back)))
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
    sniffer.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sniffer.bind((interface, ETH_P_IP))
    sniffer.setblocking(False)
    end = time.monotonic() + float(seconds)
    due = time.monotonic()
    sequence = 0
    with open(path, "w", encoding="ascii") as out:
        while due < end:
            rtp = struct.pack("!BBHII", 0x80, 0, sequence & 0xffff, sequence * 40 & 0xffffffff, 0x11223344)
            sender.sendto(rtp + bytes(40), endpoint(far))
            sequence += 1
            due += INTERVAL
            while True:
                while note(sniffer, int(back), out):
                    pass
                if time.monotonic() >= due:
                    break
                time.sleep(0.001)


main()
