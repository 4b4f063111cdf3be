#!/usr/bin/python3
"""RTP over a bad network, and what a jitter buffer makes of it.

usage: jitter.py send BIND-IP REMOTE:PORT SECONDS
       jitter.py hear BIND-IP SECONDS FILE
       jitter.py judge FILE SESSION.json SECONDS STALL-MS

`send` plays PCMU, a steady tone, as a far end does whose clock is 500 ppm fast, through a network
that holds each packet up by 0 to 50 ms (so some overtake others) and loses 2 of 100. `hear` writes
down when what came, and `judge` says whether it is even, continuous and about as long as what was sent.
`send` prints for how many milliseconds a busy machine has held it up at worst, which `judge` allows for.
"""
import heapq
import json
import random
import socket
import struct
import sys
import time

FRAME_S, DRIFT, JITTER_S, LOSS = 0.020, 500e-6, 0.050, 0.02
PORT = 4000


def send(bind, remote, seconds):
    host, port = remote.rsplit(":", 1)
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.bind((bind, PORT))
    network, chance, n = [], random.Random(7), int(seconds / FRAME_S)
    payload = bytes([0x80 + 40, 40] * 80)  # 4,000 Hz: never taken for silence
    for i in range(n):
        if chance.random() < LOSS:
            continue
        due = i * FRAME_S * (1 - DRIFT) + chance.random() * JITTER_S
        packet = struct.pack("!BBHII", 0x80, (i == 0) << 7, i & 0xFFFF, i * 160, 1) + payload
        heapq.heappush(network, (due, packet))
    start = time.monotonic() + 0.5
    stall_s = 0
    while network:
        due, packet = heapq.heappop(network)
        time.sleep(max(0, start + due - time.monotonic()))
        stall_s = max(stall_s, time.monotonic() - start - due)
        out.sendto(packet, (host, int(port)))
    print(round(stall_s * 1000))


def hear(bind, seconds, path):
    taken, end = [], time.monotonic() + seconds
    source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    source.bind((bind, PORT))
    while (left := end - time.monotonic()) > 0:
        source.settimeout(left)
        try:
            data = source.recv(2048)
        except socket.timeout:
            break
        if len(data) > 12 and not 72 <= data[1] & 0x7F <= 76:
            _, _, sequence, stamp = struct.unpack("!BBHI", data[:8])
            taken.append((time.monotonic(), sequence, stamp, len(data) - 12))
    with open(path, "w") as file:
        json.dump(taken, file)


def must(holds, what):
    if not holds:
        raise SystemExit(f"jitter.py: {what}")


def judge(path, session, seconds, stall_ms):
    with open(path) as file:
        heard = json.load(file)
    with open(session) as file:
        leg = json.load(file)["legs"][0]
    n_sent = int(seconds / FRAME_S)
    gaps = sorted(b[0] - a[0] for a, b in zip(heard, heard[1:]))
    steps = [(b[2] - a[2]) & 0xFFFFFFFF for a, b in zip(heard, heard[1:])]
    middle = [gaps[len(gaps) * share // 100] * 1000 for share in (5, 50, 95)]
    stall_ms += gaps[-1] * 1000 - 20
    print(f"heard {len(heard)} of {n_sent}; apart {middle[0]:.1f}, {middle[1]:.1f}, {middle[2]:.1f} ms; "
          f"held up for {stall_ms:.0f} ms; {leg}")
    must(all((b[1] - a[1]) & 0xFFFF == 1 for a, b in zip(heard, heard[1:])), "sequence numbers have a gap")
    must(set(steps) == {160}, f"timestamps are {sorted(set(steps))} apart")
    must({length for _, _, _, length in heard} == {160}, "not 20 ms a packet")
    # 2 of 100 were lost, and are made up; the far end's clock is fast by half a packet in ten seconds.
    must(abs(len(heard) - n_sent) <= 10, "not as long as what was sent")
    must(15 < middle[0] and 19 < middle[1] < 21 and middle[2] < 25, "not even")
    must(leg["late"] <= n_sent / 50, "too much came too late")
    must(n_sent * LOSS / 3 <= leg["concealed"] <= n_sent / 12, "not as much made up as was lost")
    must(20 <= leg["jitter_buffer_ms"] <= 130 + stall_ms, "a depth that jitter does not explain")
    must(leg["reordered"] > 0, "the network was better than it should be")


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2], sys.argv[3], float(sys.argv[4]))
    elif sys.argv[1] == "hear":
        hear(sys.argv[2], float(sys.argv[3]), sys.argv[4])
    else:
        judge(sys.argv[2], sys.argv[3], float(sys.argv[4]), float(sys.argv[5]))
