#!/usr/bin/python3
"""Record UDP packets as they leave an interface, and send them again, byte for byte.

usage: replay.py record FILE INTERFACE PORT COUNT    to that destination port, IPv4
       replay.py send FILE INTERFACE
"""
import json
import socket
import sys

ETH_P_ALL, ETH_P_IP, UDP = 3, 0x0800, 17
TIMEOUT_S = 10


def destination_port(frame):
    """Of a UDP packet in IPv4 in Ethernet, else None."""
    if len(frame) < 42 or int.from_bytes(frame[12:14], "big") != ETH_P_IP or frame[23] != UDP:
        return None
    udp = 14 + (frame[14] & 15) * 4
    return int.from_bytes(frame[udp + 2:udp + 4], "big")


def record(interface, port, count):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as tap:
        tap.bind((interface, ETH_P_ALL))
        tap.settimeout(TIMEOUT_S)
        frames = []
        while len(frames) < count:
            frame, where = tap.recvfrom(65535)
            if where[2] == socket.PACKET_OUTGOING and destination_port(frame) == port:
                frames.append(frame.hex())
        return frames


def send(interface, frames):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind((interface, 0))
        for frame in frames:
            out.send(bytes.fromhex(frame))


def main():
    command, path, interface, *numbers = sys.argv[1:]
    if command == "record":
        with open(path, "w") as file:
            json.dump(record(interface, *map(int, numbers)), file)
    else:
        with open(path) as file:
            send(interface, json.load(file))


if __name__ == "__main__":
    main()
