#!/usr/bin/python3
"""Packets in, packets out, byte for byte, through a running sluice-dataplane.

    cases.py --- wire --memif-- sluice-dataplane (two ports, no root)

A case is a file of cases/: its first lines say what it shows, then

    key NAME SUITE HEX     a key of SRTP and its salt; @NAME stands for HEX in a leg, srtp=NAME:INDEX protects
    leg OPTIONS            of the session, as session_tool takes them; again: the session is set anew
    in PORT PACKET         a frame that arrives; packets.py says how it is written
    out PORT PACKET        a frame that must have come out since the last `in`, in this order per port
    drop REASON [N]        what the case must have cost in all, in counted drops; nothing else is dropped

Frames are built by packets.py, which knows the RFCs and none of our code. The frames of each case are
kept as pcap files (in, out, expected) in the folder given; nothing is compared before the dataplane's own
counters say that all that came has gone somewhere.

usage: cases.py BUILD-FOLDER [FOLDER FOR PCAP FILES] [--case NAME]...
"""
import argparse
import json
import os
import pathlib
import queue
import subprocess
import sys
import tempfile
import threading
import time

from packets import Packet, flow_labels, write_pcap
from srtp import Srtp

HERE = pathlib.Path(__file__).resolve().parent
PATIENCE_S = 60

CONFIG = """\
socket: {folder}/api.sock
cpus: {{main: 0, workers: [0]}}
idle: true
memory: {{hugepages: no, megabytes: 128}}
sessions_max: 100
rtp_ports: {{min: 20000, max: 20999}}
ports:
  - {{name: p0, vdev: "net_memif0,role=server,socket={folder}/m0,socket-abstract=no",
      mac: "02:00:00:00:01:00", next_hop: "02:00:00:00:02:00"}}
  - {{name: p1, vdev: "net_memif1,role=server,socket={folder}/m1,socket-abstract=no",
      mac: "02:00:00:00:01:01", next_hop: "02:00:00:00:02:01"}}
realms:
  - {{name: wan, port: p0, addresses: [192.0.2.1, "2001:db8::1"]}}
  - {{name: lan, port: p1, addresses: [203.0.113.1, "2001:db8:1::1"]}}
  - {{name: tagged, port: p1, vlan: 100, addresses: [203.0.113.65, "2001:db8:2::1"], dscp: 34}}
log: {{all: warn}}
"""


class Failure(Exception):
    """What is wrong with a case, for the person who reads it."""


def wait(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise Failure(f"waited {PATIENCE_S} s for {what}")
        time.sleep(0.005)


class Lab:
    """Both processes, and what has come out of each port."""

    def __init__(self, build, folder):
        self.build, self.folder = build, pathlib.Path(folder)
        self.processes = []
        self.lines = queue.Queue()
        (self.folder / "dataplane.yaml").write_text(CONFIG.format(folder=folder))

    def __enter__(self):
        environment = {**os.environ, "RUNTIME_DIRECTORY": str(self.folder)}
        self.dataplane = self.spawn("dataplane", [self.build / "dataplane/sluice-dataplane", "--config",
                                                  self.folder / "dataplane.yaml"], env=environment)
        try:
            wait((self.folder / "api.sock").exists, "the dataplane")
        except Failure as failure:
            raise Failure(f"{failure}: {(self.folder / 'dataplane.log').read_text()[-1000:]}") from None
        self.wire = self.spawn("wire", [
            self.build / "tests/pcap/wire", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
            "--lcores=0", "-m64", "--log-level=error", f"--file-prefix=wire-{os.getpid()}", "--",
            self.folder / "m0", self.folder / "m1"],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()
        if self.lines.get(timeout=PATIENCE_S) != "up":
            raise Failure("the wire is not up")
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def spawn(self, name, command, stdout=None, **options):
        log = open(self.folder / f"{name}.log", "ab")
        self.processes.append(subprocess.Popen(command, stdout=stdout or log, stderr=log, **options))
        return self.processes[-1]

    def read(self):
        for line in self.wire.stdout:
            self.lines.put(line.strip())

    def tool(self, *arguments):
        done = subprocess.run([self.build / "tests/smoke/session_tool", self.folder / "api.sock",
                               *map(str, arguments)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(done.stderr.strip())
        return json.loads(done.stdout) if done.stdout.strip().startswith("{") else None

    def counters(self):
        return self.tool("counters")

    def send(self, packet):
        self.wire.stdin.write(f"{packet.port} {packet.frame().hex()}\n")
        self.wire.stdin.flush()

    def receive(self, n):
        """The next n frames."""
        frames = []
        for _ in range(n):
            try:
                line = self.lines.get(timeout=PATIENCE_S)
            except queue.Empty:
                raise Failure(f"only {len(frames)} of {n} packets came out") from None
            port, data = line.split()
            frames.append((int(port), bytes.fromhex(data)))
        return frames


def difference(wanted, actual):
    """Where two frames begin to differ, and what is around it."""
    at = next((i for i, pair in enumerate(zip(wanted, actual)) if pair[0] != pair[1]),
              min(len(wanted), len(actual)))
    begin = max(at - 8, 0)
    return (f"  {len(wanted)} bytes expected, {len(actual)} came; from byte {begin}, they differ at {at}:\n"
            f"  expected {wanted[begin:at + 24].hex(' ')}\n  came     {actual[begin:at + 24].hex(' ')}")


def drops(counters):
    return {name[5:]: value for name, value in counters.items() if name.startswith("drop.")}


class Case:
    """One file, step by step."""

    def __init__(self, lab, path, number):
        self.lab, self.number = lab, number
        self.legs, self.legs_set, self.is_set = [], False, False
        self.expected = {0: [], 1: []}
        self.n_sent = 0
        self.pcap = {"in": [], "out": [], "expected": []}
        self.drops = {}
        self.key_texts, self.keys = {}, {}
        self.lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]

    def play(self):
        self.before = self.lab.counters()
        flow_labels.clear()
        try:
            for at, line in enumerate(self.lines, 1):
                verb, _, rest = line.partition(" ")
                try:
                    if verb:
                        getattr(self, f"step_{verb}")(rest.split())
                except (Failure, AssertionError) as failure:
                    raise Failure(f"line {at}: {failure}") from None
            self.settle()
            self.check_drops()
        finally:
            if self.is_set:
                self.end()

    def end(self):
        """Delete the session. Where it says BYE for what we sent (RFC 3550 6.6), that is no part of the next."""
        says_bye = "workers.byes_lost" in self.lab.counters()
        options = " ".join(self.legs).split("--leg ")[1:]
        n = sum(says_bye and bool(leg["tx_packets"] or leg["tx_rtcp"]) and "--transparent" not in text and
                "--opaque" not in text and not text.startswith("none")
                for leg, text in zip(self.lab.tool("get", self.number)["legs"], options))
        self.lab.tool("delete", self.number)
        for _, frame in self.lab.receive(n):
            readings = [frame, *(key.plain_rtcp(frame[42:]) for key in self.keys.values())]
            if not any(reading[-8:-4] == bytes.fromhex("81cb0001") for reading in readings):
                raise Failure(f"not the BYE of a session that ends: {frame.hex()}")

    def step_key(self, words):
        name, suite, text = words
        self.key_texts[name], self.keys[name] = text, Srtp(suite, text)

    def step_leg(self, words):
        if self.legs_set:
            self.settle()
            self.legs, self.legs_set = [], False
        for name, text in self.key_texts.items():
            words = [word.replace(f"@{name}", text) for word in words]
        self.legs += ["--leg", *words]

    def step_in(self, words):
        if not self.legs_set:
            self.lab.tool("set", self.number, *self.legs)
            self.legs_set = self.is_set = True
        if any(self.expected.values()):
            self.settle()
        packet = Packet(int(words[0]), words[1:], False, self.keys)
        self.pcap["in"].append(packet.frame())
        self.lab.send(packet)
        self.n_sent += 1

    def step_out(self, words):
        self.expected[int(words[0])].append(Packet(int(words[0]), words[1:], True, self.keys))

    def step_drop(self, words):
        self.drops[words[0]] = int(words[1]) if len(words) > 1 else 1

    def gained(self, name):
        return self.lab.counters()[name] - self.before[name]

    # All that was sent has been received, and all of that has gone somewhere: then nothing is under way.
    def settle(self):
        wait(lambda: self.gained("worker.0.rx_packets") == self.n_sent, "the dataplane to take all packets")
        n_out = self.gained("worker.0.tx_packets") - len(self.pcap["out"])
        frames = self.lab.receive(n_out)
        self.pcap["out"] += [frame for _, frame in frames]
        for port, expected in self.expected.items():
            self.compare(expected, [frame for where, frame in frames if where == port], port)
        self.expected = {0: [], 1: []}

    def compare(self, expected, frames, port):
        for packet, actual in zip(expected, frames):
            wanted = packet.frame(actual)
            self.pcap["expected"].append(wanted)
            if wanted != actual:
                raise Failure(f"{packet.line}\n{difference(wanted, actual)}")
        if len(expected) != len(frames):
            more = frames[len(expected)].hex() if len(frames) > len(expected) else expected[len(frames)].line
            raise Failure(f"{len(frames)} packets came out of port {port}, not {len(expected)}: {more}")

    def check_drops(self):
        before = drops(self.before)
        found = {name: value - before[name] for name, value in drops(self.lab.counters()).items()
                 if value != before[name]}
        if found != self.drops:
            raise Failure(f"dropped: {found}, expected {self.drops}")


def main():
    parser = argparse.ArgumentParser(usage=__doc__.splitlines()[-1].partition("usage: ")[2])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("pcaps", type=pathlib.Path, nargs="?")
    parser.add_argument("--case", action="append")
    arguments = parser.parse_args()
    paths = [path for path in sorted((HERE / "cases").glob("*.txt"))
             if not arguments.case or path.stem in arguments.case]
    failed = []
    with tempfile.TemporaryDirectory(prefix="sluice-pcap-") as folder, Lab(arguments.build, folder) as lab:
        for number, path in enumerate(paths, 1):
            case = Case(lab, path, number)
            try:
                case.play()
                print(f"ok      {path.stem}", flush=True)
            except Failure as failure:
                failed.append(path.stem)
                print(f"FAILED  {path.stem}: {failure}", flush=True)
            if arguments.pcaps:
                arguments.pcaps.mkdir(parents=True, exist_ok=True)
                for name, frames in case.pcap.items():
                    write_pcap(arguments.pcaps / f"{path.stem}.{name}.pcap", frames)
    print(f"{len(paths) - len(failed)} of {len(paths)} cases")
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
