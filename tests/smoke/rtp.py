#!/usr/bin/python3
"""One end of an RTP stream: sends with the right timing, judges what comes back, reports as JSON.

usage: rtp.py --bind ADDRESS --remote ADDRESS [--seconds S] [--codec pcmu|pcma|opus] [--pt N]
              [--digits 12#] [--tones 12#] [--dtmf-pt N] [--report FILE]

An ADDRESS is 192.0.2.1:4000 or [2001:db8::1]:4000. Every payload it sends begins with a counter and continues with bytes that follow from it, so the
receiver can tell a relayed payload bit for bit ("exact"), and 20 ms of sound that was transcoded
is simply not exact. For opus it sends the three bytes of a silent frame. SIGTERM ends it early;
the report is written all the same.
"""
import argparse
import json
import math
import random
import select
import signal
import socket
import struct
import sys
import time

FRAME_S = 0.020
LEAD_S = 0.3  # before the first packet, so that both ends are there to hear it
CODECS = {"pcmu": (0, 160), "pcma": (8, 160), "opus": (96, 960)}  # payload type, clock per frame
OPUS_SILENCE = b"\xf8\xff\xfe"
DIGITS = "0123456789*#ABCD"
DIGIT_FRAMES = 8  # 160 ms, then three times the end bit (RFC 4733 2.5.1.4)
GAP_FRAMES = 5


def pattern(counter):
    """160 bytes that follow from a counter."""
    return struct.pack("!I", counter) + bytes((counter * 7 + i) & 0xFF for i in range(156))


ROWS, COLUMNS, KEYS = (697, 770, 852, 941), (1209, 1336, 1477, 1633), "123A456B789C*0#D"
TONE_FRAMES = 10  # and as many of silence


def ulaw(sample):
    """G.711, of 16 bits."""
    magnitude = min(abs(sample), 32635) + 132
    exponent = magnitude.bit_length() - 8
    return ~((sample < 0) << 7 | exponent << 4 | magnitude >> (exponent + 3) & 15) & 0xFF


def tones(keys, frame):
    """20 ms of the keys, one after the other, in PCMU; silence before and behind them (Q.23)."""
    number, position = divmod(frame - 25, 2 * TONE_FRAMES)
    if not 0 <= number < len(keys) or position >= TONE_FRAMES:
        return b"\xff" * 160
    row, column = divmod(KEYS.index(keys[number]), 4)
    return bytes(ulaw(int(6000 * sum(math.sin(2 * math.pi * hz * (position * 160 + i) / 8000)
                                     for hz in (ROWS[row], COLUMNS[column])))) for i in range(160))


class Sender:
    keys = ""  # to be sent as tones instead of the pattern

    def __init__(self, codec, pt, digits, dtmf_pt):
        self.codec, self.step = codec, CODECS[codec][1]
        self.pt, self.dtmf_pt = pt, dtmf_pt
        self.ssrc = random.getrandbits(32)
        self.sequence = random.getrandbits(16)
        self.timestamp = random.getrandbits(32)
        self.counter = 0
        self.digits = [DIGITS.index(digit) for digit in digits]
        self.digit_frame = -25  # the first digit begins after half a second of sound

    def packet(self):
        """The next packet of the stream: sound, or an event while a digit is pressed."""
        event = self.event()
        if event:
            marker, start, payload = event
            header = (0x80, marker << 7 | self.dtmf_pt, self.sequence, start, self.ssrc)
        else:
            payload = (OPUS_SILENCE if self.codec == "opus" else tones(self.keys, self.counter)
                       if self.keys else pattern(self.counter))
            header = (0x80, self.pt, self.sequence, self.timestamp, self.ssrc)
            self.counter += 1
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + self.step) & 0xFFFFFFFF
        return struct.pack("!BBHII", *header) + payload

    def event(self):
        """(marker, timestamp of the event, payload) while a digit is pressed, else None."""
        if not self.digits:
            return None
        frame = self.digit_frame
        self.digit_frame += 1
        if frame < 0:
            return None
        if frame == 0:
            self.event_start = self.timestamp
        duration = min(frame + 1, DIGIT_FRAMES) * self.step
        ended = frame + 1 >= DIGIT_FRAMES
        payload = struct.pack("!BBH", self.digits[0], ended << 7 | 10, duration)
        if frame == DIGIT_FRAMES + 1:
            self.digits.pop(0)
            self.digit_frame = -GAP_FRAMES
        return frame == 0, self.event_start, payload


class Receiver:
    """Continuity is judged per SSRC; a second SSRC is itself worth knowing."""

    def __init__(self, remote, codec, dtmf_pt):
        self.remote, self.dtmf_pt = remote, dtmf_pt
        self.step = CODECS[codec][1]
        self.packets = []  # (time, sequence, timestamp, payload type, ssrc)
        self.exact = self.strangers = self.malformed = 0
        self.events = []  # (timestamp, digit, duration, ended)

    def take(self, now, data, source):
        if source[:2] != self.remote:
            self.strangers += 1
            return
        if len(data) < 12 or data[0] >> 6 != 2:
            self.malformed += 1
            return
        _, pt, sequence, timestamp, ssrc = struct.unpack("!BBHII", data[:12])
        pt, payload = pt & 0x7F, data[12:]
        self.packets.append((now, sequence, timestamp, pt, ssrc))
        if pt == self.dtmf_pt and len(payload) == 4:
            event, flags, duration = struct.unpack("!BBH", payload)
            self.events.append((timestamp, DIGITS[event & 15], duration, flags >> 7))
        elif len(payload) == 160 and payload == pattern(struct.unpack("!I", payload[:4])[0]):
            self.exact += 1

    def report(self):
        result = {
            "received": len(self.packets), "exact": self.exact, "strangers": self.strangers,
            "malformed": self.malformed,
            "ssrcs": len({packet[4] for packet in self.packets}),
            "pts": sorted({packet[3] for packet in self.packets}),
        }
        result.update(self.continuity())
        result.update(self.timing())
        result.update(self.pressed())
        return result

    def continuity(self):
        lost = duplicates = reordered = timestamp_jumps = 0
        last = {}
        for _, sequence, timestamp, pt, ssrc in self.packets:
            if ssrc in last:
                old_sequence, old_timestamp, old_pt = last[ssrc]
                ahead = (sequence - old_sequence) & 0xFFFF
                if ahead == 0:
                    duplicates += 1
                    continue
                if ahead >= 0x8000:
                    reordered += 1
                    lost = max(0, lost - 1)
                    continue
                lost += ahead - 1
                moved = (timestamp - old_timestamp) & 0xFFFFFFFF
                if pt == old_pt != self.dtmf_pt:
                    timestamp_jumps += moved != ahead * self.step
            last[ssrc] = sequence, timestamp, pt
        return {"lost": lost, "duplicates": duplicates, "reordered": reordered,
                "timestamp_jumps": timestamp_jumps}

    def timing(self):
        times = [packet[0] for packet in self.packets]
        gaps = [b - a for a, b in zip(times, times[1:])]
        return {"max_gap_ms": round(max(gaps, default=0) * 1000),
                "first_ms": round(times[0] * 1000) if times else -1,
                "last_ms": round(times[-1] * 1000) if times else -1}

    def pressed(self):
        ended = {}
        for timestamp, digit, duration, end in self.events:
            if end:
                ended[timestamp] = digit, duration
        order = list(ended)
        return {"digits": "".join(ended[t][0] for t in order),
                "digit_durations": [ended[t][1] for t in order]}


def exchange(connection, remote, sender, receiver, seconds, stopped):
    """Send a packet every 20 ms for `seconds`, take what comes, and listen a little longer."""
    start = time.monotonic() + LEAD_S
    sent, send_error = 0, 0
    while not stopped and time.monotonic() - start < seconds + 0.3:
        now = time.monotonic() - start
        if now < seconds and now >= sent * FRAME_S:
            try:
                connection.sendto(sender.packet(), remote)
            except OSError:  # an ICMP answer to an earlier packet
                send_error += 1
            sent += 1
            continue
        wait = max(0.0, sent * FRAME_S - now) if now < seconds else 0.05
        if select.select([connection], [], [], wait)[0]:
            try:
                data, source = connection.recvfrom(65536)
                receiver.take(time.monotonic() - start, data, source)
            except OSError:
                send_error += 1
    return {"sent": sent, "icmp_errors": send_error}


def address(text):
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bind", type=address, required=True)
    parser.add_argument("--remote", type=address, required=True)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--codec", choices=CODECS, default="pcmu")
    parser.add_argument("--pt", type=int)
    parser.add_argument("--digits", default="")
    parser.add_argument("--tones", default="")
    parser.add_argument("--dtmf-pt", type=int, default=101)
    parser.add_argument("--report")
    options = parser.parse_args()
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    family = socket.AF_INET6 if ":" in options.bind[0] else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_DGRAM)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    connection.bind(options.bind)
    pt = CODECS[options.codec][0] if options.pt is None else options.pt
    sender = Sender(options.codec, pt, options.digits, options.dtmf_pt)
    sender.keys = options.tones
    receiver = Receiver(options.remote, options.codec, options.dtmf_pt)
    report = exchange(connection, options.remote, sender, receiver, options.seconds, stopped)
    report.update(receiver.report())
    text = json.dumps(report)
    if options.report:
        with open(options.report, "w") as file:
            file.write(text + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
