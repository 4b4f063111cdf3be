#!/usr/bin/python3
"""One end of an RTP stream of speech: plays payloads, keeps what comes, hands it to another decoder.

usage: speech_rtp.py --bind IP:PORT --remote IP:PORT --codec pcmu|amr|g729 --pt N --play PAYLOADS
                     --heard FILE.wav [--seconds S] [--report FILE]

PAYLOADS is what speech_encode wrote: 20 ms each, behind its length. What comes back is put in the
order of its sequence numbers, taken out of its payload format here (AMR: octet-aligned, RFC 4867
4.4), and decoded by ffmpeg, whose decoders have nothing in common with those of the gateway.
"""
import argparse
import json
import random
import select
import socket
import struct
import subprocess
import sys
import time

FRAME_S = 0.020
STEP = 160
AMR_BYTES = (12, 13, 15, 17, 19, 20, 26, 31, 5)  # speech octets by frame type (TS 26.101)


def read_payloads(path):
    with open(path, "rb") as file:
        data = file.read()
    payloads, at = [], 0
    while at < len(data):
        length = struct.unpack_from("!H", data, at)[0]
        payloads.append(data[at + 2:at + 2 + length])
        at += 2 + length
    return payloads


def exchange(connection, remote, payloads, pt, seconds):
    """Play for `seconds`; returns {sequence: (timestamp, payload type, payload)} of what came."""
    ssrc, sequence, timestamp = (random.getrandbits(bits) for bits in (32, 16, 32))
    start, sent, heard = time.monotonic() + 0.3, 0, {}
    while time.monotonic() < start + seconds + 0.3:
        now = time.monotonic() - start
        if sent * FRAME_S <= now < seconds:
            header = struct.pack("!BBHII", 0x80, (sent == 0) << 7 | pt, (sequence + sent) & 0xFFFF,
                                 (timestamp + sent * STEP) & 0xFFFFFFFF, ssrc)
            connection.sendto(header + payloads[sent % len(payloads)], remote)
            sent += 1
            continue
        if select.select([connection], [], [], 0.002)[0]:
            data, source = connection.recvfrom(65536)
            if source == remote and len(data) > 12 and data[0] == 0x80:
                _, kind, number, stamp, _ = struct.unpack("!BBHII", data[:12])
                heard[number] = stamp, kind & 0x7F, data[12:]
    return sent, heard


def in_order(heard):
    """The packets by sequence number, which may have wrapped."""
    if not heard:
        return []
    first = next(iter(heard))
    return [heard[number] for number in sorted(heard, key=lambda n: (n - first + 0x8000) & 0xFFFF)]


def amr_file(payloads):
    file, frames = bytearray(b"#!AMR\n"), 0
    for payload in payloads:
        entries, at = [], 1
        while True:
            entries.append(payload[at])
            at += 1
            if not entries[-1] & 0x80:
                break
        for entry in entries:
            kind = entry >> 3 & 15
            length = AMR_BYTES[kind] if kind < len(AMR_BYTES) else 0
            file += bytes([entry & 0x7C]) + payload[at:at + length]
            at += length
            frames += 1
        if at != len(payload):
            sys.exit("speech_rtp.py: an AMR payload is longer than its frames")
    return bytes(file)


def decode(codec, payloads, path):
    source = {"amr": ["-f", "amr"], "g729": ["-f", "g729"], "pcmu": ["-f", "mulaw", "-ar", "8000"]}
    data = amr_file(payloads) if codec == "amr" else b"".join(payloads)
    with open(path + ".payload", "wb") as file:
        file.write(data)
    subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", "-y", *source[codec], "-i",
                    path + ".payload", "-ar", "8000", "-ac", "1", path], check=True)


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bind", type=address, required=True)
    parser.add_argument("--remote", type=address, required=True)
    parser.add_argument("--codec", choices=("pcmu", "amr", "g729"), required=True)
    parser.add_argument("--pt", type=int, required=True)
    parser.add_argument("--play", required=True)
    parser.add_argument("--heard", required=True)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--report")
    options = parser.parse_args()
    connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    connection.bind(options.bind)
    sent, heard = exchange(connection, options.remote, read_payloads(options.play), options.pt,
                           options.seconds)
    packets = in_order(heard)
    steps = {(b[0] - a[0]) & 0xFFFFFFFF for a, b in zip(packets, packets[1:])}
    report = {"sent": sent, "received": len(packets), "pts": sorted({p[1] for p in packets}),
              "steps": sorted(steps), "bytes": sorted({len(p[2]) for p in packets})}
    with open(options.report or "/dev/stdout", "w") as file:
        json.dump(report, file)
        file.write("\n")
    if packets:
        decode(options.codec, [packet[2] for packet in packets], options.heard)


if __name__ == "__main__":
    main()
