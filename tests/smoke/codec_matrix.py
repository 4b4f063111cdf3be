#!/usr/bin/python3
"""Every codec to every other through one dataplane, with real RTP at both ends of each session.

usage: codec_matrix.py plan
       codec_matrix.py play SIDE FOLDER BIND-IP REMOTE-IP SECONDS
       codec_matrix.py judge FOLDER

`plan` prints the sessions: number, caller's format, callee's, its codec's options for session_tool
each. `play` is one side of all of them: payloads from FOLDER/CODEC.payloads (speech_encode) go to
the port that FOLDER/SESSION.json names; what comes is kept in FOLDER/SIDE.heard. `judge` decodes that
with ffmpeg, whose decoders have nothing in common with those of the gateway, and compares it with
the speech: a table of all pairs, and an error where one is not heard as it should be.
"""
import itertools
import json
import os
import pickle
import select
import socket
import struct
import subprocess
import sys
import time

FRAME_S = 0.020
FRAME = 160  # samples at 8 kHz
FIRST_PORT = 4000
DELAY_MAX = 100  # ms
LEVEL_MAX = 3  # dB, either way


class Codec:
    """`quality` is the least correlation with the source after one generation of it."""

    def __init__(self, name, clock, pt, source, quality, channels=1, option="", wrap=None):
        self.name, self.clock, self.pt, self.channels = name, clock, pt, channels
        self.source, self.quality, self.option, self.wrap = source, quality, option, wrap
        self.key = f"{name}-{clock}"
        self.step = clock // 50

    def format(self):
        """As session_tool has it."""
        channels = f"/{self.channels}" if self.channels > 1 else ""
        return f"{self.name}/{self.clock}{channels}:{self.pt}{self.option}"

    def encoding(self):
        """As speech_encode has it."""
        return f"{self.name}/{self.clock}/{self.channels}"


def amr_storage(magic, sizes):
    """Octet-aligned payloads (RFC 4867 4.4) to the storage format (5)."""
    def wrap(payloads):
        file = bytearray(magic)
        for payload in payloads:
            kind = payload[1] >> 3 & 15
            if payload[1] & 0x80 or len(payload) != 2 + sizes[kind]:
                raise SystemExit(f"{magic}: not one frame a payload")
            file += bytes([payload[1] & 0x7C]) + payload[2:]
        return bytes(file)
    return wrap


def ogg_crc_table():
    table = []
    for i in range(256):
        crc = i << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
        table.append(crc)
    return table


OGG_CRC = ogg_crc_table()


def ogg_page(number, granule, packet, kind=0):
    laces = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    page = bytearray(b"OggS\0" + struct.pack("<BqIIIB", kind, granule, 1, number, 0, len(laces))
                     + laces + packet)
    crc = 0
    for byte in page:
        crc = (crc << 8 & 0xFFFFFFFF) ^ OGG_CRC[crc >> 24 ^ byte]
    page[22:26] = struct.pack("<I", crc)
    return bytes(page)


def ogg(payloads):
    """RFC 7845."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48000, 0, 0)
    tags = b"OpusTags" + struct.pack("<II", 0, 0)
    pages = [ogg_page(0, 0, head, 2), ogg_page(1, 0, tags)]
    pages += [ogg_page(2 + i, 960 * (1 + i), payload) for i, payload in enumerate(payloads)]
    return b"".join(pages)


def ogg_speex(payloads, clock):
    """The header of Speex' manual, section 7: one frame a packet."""
    mode = {8000: 0, 16000: 1}[clock]
    head = struct.pack("<8s20s13i", b"Speex   ", b"1.2", 1, 80, clock, mode, 4, 1, -1, 160 << mode, 0, 1, 0, 0, 0)
    tags = struct.pack("<II", 0, 0)
    pages = [ogg_page(0, 0, head, 2), ogg_page(1, 0, tags)]
    pages += [ogg_page(2 + i, (160 << mode) * (1 + i), payload) for i, payload in enumerate(payloads)]
    return b"".join(pages)


def plain(payloads):
    return b"".join(payloads)


CODECS = [
    Codec("PCMU", 8000, 0, ["-f", "mulaw", "-ar", "8000"], 0.99),
    Codec("PCMA", 8000, 8, ["-f", "alaw", "-ar", "8000"], 0.99),
    Codec("L16", 16000, 98, ["-f", "s16be", "-ar", "16000"], 0.99),
    Codec("G722", 8000, 9, ["-f", "g722"], 0.97),
    Codec("G726-32", 8000, 99, ["-f", "g726le", "-code_size", "4", "-ar", "8000"], 0.96),
    Codec("GSM", 8000, 3, ["-f", "gsm"], 0.90),
    Codec("G729", 8000, 18, ["-f", "g729"], 0.80),
    Codec("AMR", 8000, 100, ["-f", "amr"], 0.90, option=";octet-align",
          wrap=amr_storage(b"#!AMR\n", (12, 13, 15, 17, 19, 20, 26, 31, 5))),
    Codec("AMR-WB", 16000, 101, ["-f", "amr"], 0.88, option=";octet-align",
          wrap=amr_storage(b"#!AMR-WB\n", (17, 23, 32, 36, 40, 46, 50, 58, 60, 5))),
    Codec("speex", 8000, 102, ["-f", "ogg"], 0.90, wrap=lambda payloads: ogg_speex(payloads, 8000)),
    Codec("speex", 16000, 103, ["-f", "ogg"], 0.90, wrap=lambda payloads: ogg_speex(payloads, 16000)),
    Codec("opus", 48000, 96, ["-f", "ogg"], 0.93, channels=2, wrap=ogg),
]
SESSIONS = list(enumerate(itertools.combinations(CODECS, 2)))


def plan():
    for number, (caller, callee) in SESSIONS:
        print(number, FIRST_PORT + 2 * number, caller.format(), callee.format())


def read_payloads(folder, codec):
    with open(os.path.join(folder, codec.key + ".payloads"), "rb") as file:
        data = file.read()
    payloads, at = [], 0
    while at < len(data):
        length = struct.unpack_from("!H", data, at)[0]
        payloads.append(data[at + 2:at + 2 + length])
        at += 2 + length
    return payloads


class Stream:
    """One end of one session."""

    def __init__(self, folder, side, number, pair, bind, remote):
        self.codec, self.payloads = pair[side], read_payloads(folder, pair[side])
        self.sent, self.heard = 0, {}
        with open(os.path.join(folder, f"{number}.json")) as file:
            port = json.load(file)["legs"][side]["local_port"]
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        self.socket.bind((bind, FIRST_PORT + 2 * number))
        self.socket.connect((remote, port))
        self.socket.setblocking(False)

    def send(self):
        header = struct.pack("!BBHII", 0x80, (self.sent == 0) << 7 | self.codec.pt, self.sent,
                             self.sent * self.codec.step, 0x10000 + self.codec.pt)
        self.socket.send(header + self.payloads[self.sent % len(self.payloads)])
        self.sent += 1

    def take(self):
        while True:
            try:
                data = self.socket.recv(2048)
            except (BlockingIOError, ConnectionRefusedError):
                return
            if len(data) > 12 and data[0] == 0x80 and not 72 <= data[1] & 0x7F <= 76:
                _, kind, number, stamp, _ = struct.unpack("!BBHII", data[:12])
                self.heard[number] = stamp, kind & 0x7F, data[12:]


def play(side, folder, bind, remote, seconds):
    streams = [Stream(folder, side, number, pair, bind, remote) for number, pair in SESSIONS]
    by_fd = {stream.socket.fileno(): stream for stream in streams}
    poll = select.epoll()
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    n_frames, frame, start = int(seconds / FRAME_S), 0, time.monotonic() + 0.5
    while time.monotonic() < start + seconds + 1.5:
        due = start + frame * FRAME_S - time.monotonic()
        if frame < n_frames and due <= 0:
            for stream in streams:
                stream.send()
            frame += 1
            due = 0
        for fd, _ in poll.poll(min(max(due, 0), 0.02)):
            by_fd[fd].take()
    with open(os.path.join(folder, f"{side}.heard"), "wb") as file:
        pickle.dump([stream.heard for stream in streams], file)


def in_order(heard, codec):
    """Payloads one frame apart, a lost one being the one before it again; and how many were lost."""
    if not heard:
        return [], 0
    first = next(iter(heard))
    packets = [heard[key] for key in sorted(heard, key=lambda n: (n - first + 0x8000) & 0xFFFF)]
    if {kind for _, kind, _ in packets} != {codec.pt}:
        raise SystemExit(f"{codec.name}: other payload types than {codec.pt} came")
    payloads, lost, previous = [], 0, None
    for stamp, _, payload in packets:
        gap = 1 if previous is None else ((stamp - previous) & 0xFFFFFFFF) / codec.step
        if gap != int(gap) or not 1 <= gap < 100:
            raise SystemExit(f"{codec.name}: timestamps {gap} frames apart")
        payloads += payloads[-1:] * (int(gap) - 1) + [payload]
        lost += int(gap) - 1
        previous = stamp
    return payloads, lost


def ffmpeg(source, data, path):
    with open(path, "wb") as file:
        file.write(data)
    done = subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", *source, "-i", path, "-ar", "8000",
                           "-ac", "1", "-f", "s16le", "-"], check=True, capture_output=True)
    return done.stdout


def narrow(samples):
    """What every pair carries: 300 to 3,400 Hz."""
    spectrum = numpy.fft.rfft(samples)
    frequencies = numpy.fft.rfftfreq(len(samples), 1 / 8000)
    spectrum[(frequencies < 300) | (frequencies > 3400)] = 0
    return numpy.fft.irfft(spectrum, len(samples))


def compare(source, heard):
    """Correlation, level in dB and delay in ms of what was heard."""
    n = min(len(source), len(heard))
    source, heard = narrow(source[:n].astype(float)), narrow(heard[:n].astype(float))
    best = (-1, 0)
    size = 1 << (2 * n).bit_length()
    product = numpy.fft.irfft(numpy.fft.rfft(heard, size) * numpy.conj(numpy.fft.rfft(source, size)), size)
    for lag in range(DELAY_MAX * 8):
        tail = heard[lag:]
        energy = numpy.sqrt(numpy.dot(source[:n - lag], source[:n - lag]) * numpy.dot(tail, tail)) \
            if product[lag] > product.max() / 2 else numpy.inf
        best = max(best, (product[lag] / energy, lag))
    level = 10 * numpy.log10((numpy.dot(heard, heard) + 1) / numpy.dot(source, source))
    return best[0], level, best[1] / 8


def judge(folder):
    with open(os.path.join(folder, "speech.raw"), "rb") as file:
        source = numpy.frombuffer(file.read(), "<i2")
    heard = []
    for side in (0, 1):
        with open(os.path.join(folder, f"{side}.heard"), "rb") as file:
            heard.append(pickle.load(file))
    wrong, n_pairs = [], 0
    print(f"{'FROM':<8}  {'TO':<8}  {'LEVEL':>6} dB  {'CORRELATION':>11}  {'DELAY':>6} ms  LOST")
    for codec in CODECS:  # all that was heard in one codec, by one run of its decoder
        pieces = []
        for number, pair in SESSIONS:
            if codec in pair:
                side = pair.index(codec)
                pieces.append((pair[1 - side], *in_order(heard[side][number], codec)))
        pcm = ffmpeg(codec.source, (codec.wrap or plain)([p for _, payloads, _ in pieces for p in payloads]),
                     os.path.join(folder, codec.key + ".heard"))
        pcm, at = numpy.frombuffer(pcm, "<i2"), 0
        for origin, payloads, lost in pieces:
            length = len(payloads) * FRAME
            piece, at, n_pairs = pcm[at:at + length], at + length, n_pairs + 1
            least = origin.quality * codec.quality - 0.03
            correlation, level, delay = compare(source, piece) if length > 8000 else (0, -99, 0)
            bad = correlation < least or abs(level) > LEVEL_MAX or lost > len(payloads) / 20
            print(f"{origin.name:<8}  {codec.name:<8}  {level:>6.1f}     {correlation:>11.3f}  {delay:>6.1f}"
                  f"     {lost:>4}{f'  WRONG: less than {least:.2f}, or too much else' if bad else ''}")
            wrong += [f"{origin.name} to {codec.name}"] * bad
    if wrong or n_pairs != len(CODECS) * (len(CODECS) - 1):
        raise SystemExit(f"{len(wrong)} of {n_pairs} pairs are not heard as they should: {', '.join(wrong)}")


if __name__ == "__main__":
    if sys.argv[1] == "plan":
        plan()
    elif sys.argv[1] == "codecs":
        print("\n".join(f"{codec.key} {codec.encoding()}" for codec in CODECS))
    elif sys.argv[1] == "play":
        play(int(sys.argv[2]), *sys.argv[3:6], float(sys.argv[6]))
    else:
        import numpy
        judge(sys.argv[2])
