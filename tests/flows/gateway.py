"""sluice-dataplane and sluice-control on loopback, in a folder of their own, for one run of flows.

Media does not move here (the dataplane's port is DPDK's null device); signalling, sessions,
recovery and CDRs do. Addresses are in 127/8 by process id, so that runs do not meet.
"""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import capture

LAST_WORDS = 15  # lines of a log that are shown when something fails


class Gateway:
    """`number` tells several of one run apart; `timers` are those of the configuration."""

    def __init__(self, build, number=0, **timers):
        self.build = build
        net = f"127.{64 + os.getpid() // 250 % 150}.{1 + os.getpid() % 250}.{number or ''}"
        self.ip, self.caller_ip, self.callee_ip = f"{net}1", f"{net}2", f"{net}3"
        self.stranger_ip = f"{net}9"
        self.timers = {"no_answer_s": 6, "media_start_s": 0, "media_s": 0, "media_hold_s": 0,
                       **timers}
        self.address = (self.ip, 5060)
        self.media_ips = [self.ip]
        self.realms = self.trunks = self.routes = ""  # more of the configuration
        self.dataplane = self.cdr = self.more = ""
        self.node = "flows"
        self.sessions_max, self.call_log = 500, "debug"
        self.folder = tempfile.mkdtemp(prefix="sluice-flows-")
        self.processes = {}

    def path(self, name):
        return os.path.join(self.folder, name)

    def write_configurations(self):
        with open(self.path("dataplane.yaml"), "w") as file:
            file.write(f"""\
socket: {self.path('dataplane.sock')}
cpus: {{main: 0, workers: [0]}}
idle: true
memory: {{hugepages: no, megabytes: 128}}
sessions_max: {self.sessions_max}
rtp_ports: {{min: 20000, max: {20000 + 4 * max(self.sessions_max, 500) - 1}}}
ports:
  - {{name: nowhere, vdev: "net_null0,no-rx=1", next_hop: "02:00:00:00:00:02"}}
realms:
  - {{name: lo, port: nowhere, addresses: [{", ".join(self.media_ips)}]}}
{self.dataplane}""")
        with open(self.path("control.yaml"), "w") as file:
            file.write(f"""\
node: {self.node}
dataplane: {self.path('dataplane.sock')}
admin: {self.path('control.sock')}
realms:
  - name: lo
    sip: [{{address: {self.ip}}}, {{transport: tcp, address: {self.ip}}}]
    media_address: {self.ip}
{self.realms}trunks:
  - name: caller
    realm: lo
    peers: [{{address: {self.caller_ip}}}]
    codecs: [PCMU]
    trusted: yes
  - name: callee
    realm: lo
    peers: [{{address: {self.callee_ip}}}]
    codecs: [PCMU]
    trusted: yes
  - name: opus
    realm: lo
    peers: [{{address: {self.callee_ip}, port: 5061}}]
    codecs: [opus]
  - name: pair
    realm: lo
    peers: [{{address: {self.callee_ip}, port: 5062}}, {{address: {self.callee_ip}, port: 5063}}]
    codecs: [PCMU]
    failover: {{backoff_s: 0}}
  - name: foreign
    realm: lo
    peers: [{{address: {self.callee_ip}, port: 5064}}]
    codecs: [iLBC/8000]
  - name: slow
    realm: lo
    peers: [{{address: {self.callee_ip}, port: 5065}}]
    codecs: [PCMU]
  - name: stream
    realm: lo
    peers: [{{transport: tcp, address: {self.callee_ip}, port: 5066}}]
    codecs: [PCMU]
{self.trunks}routes:
  - {{prefix: "2", trunk: callee}}
  - {{prefix: "1", trunk: caller}}
  - {{prefix: "3", trunk: opus}}
  - {{prefix: "4", trunk: pair}}
  - {{prefix: "5", trunk: foreign}}
  - {{prefix: "6", trunk: slow}}
  - {{prefix: "7", trunk: stream}}
{self.routes}timers: {{{", ".join(f"{name}: {value}" for name, value in self.timers.items())}}}
cdr: {{file: {self.path('cdr.json')}{self.cdr}}}
log: {{call: {self.call_log}}}
{self.more}""")

    def start(self):
        self.write_configurations()
        self.start_dataplane()
        self.start_control()

    def spawn(self, name, *command):
        log = open(self.path(name + ".log"), "ab")
        self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log,
                                                stdin=subprocess.DEVNULL)

    def start_dataplane(self):
        before = self.log("control").count("event=dataplane_up")
        self.spawn("dataplane", os.path.join(self.build, "dataplane/sluice-dataplane"),
                   "--config", self.path("dataplane.yaml"))
        self.wait(lambda: os.path.exists(self.path("dataplane.sock")), "the dataplane's socket", 20)
        if "control" in self.processes:
            self.wait(lambda: self.log("control").count("event=dataplane_up") > before,
                      "control to find the dataplane")

    def start_control(self):
        before = self.log("control").count("event=dataplane_up")
        capture.restarted(self.ip)
        self.spawn("control", os.path.join(self.build, "control/sluice-control"),
                   "--config", self.path("control.yaml"))
        if self.processes["dataplane"].poll() is None:
            self.wait(lambda: self.log("control").count("event=dataplane_up") > before,
                      "control to find the dataplane")

    def kill(self, name, how=signal.SIGKILL):
        process = self.processes.pop(name)
        process.send_signal(how)
        process.wait(10)
        if name == "dataplane" and os.path.exists(self.path("dataplane.sock")):
            os.unlink(self.path("dataplane.sock"))
        return process.returncode

    @contextlib.contextmanager
    def dataplane_paused(self):
        process = self.processes["dataplane"]
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def crash_control(self):
        """After the turn of its loop in which it did what a test has seen: who has got an answer to a
        question after that can be sure of it."""
        self.ctl("calls")
        self.kill("control")

    def stop(self, keep):
        for name in list(self.processes):
            if self.processes[name].poll() is None:
                self.processes[name].terminate()
                try:
                    self.processes[name].wait(5)
                except subprocess.TimeoutExpired:
                    self.processes[name].kill()
                    self.processes[name].wait()
        if keep:
            for name in ("dataplane", "control"):
                print(f"--- end of {self.path(name + '.log')}")
                print("\n".join(self.log(name).splitlines()[-LAST_WORDS:]))
        else:
            shutil.rmtree(self.folder)

    def ctl(self, *arguments):
        """What sluicectl answers, as JSON."""
        done = subprocess.run([os.path.join(self.build, "control/cli/sluicectl"), "--json", "--socket",
                               self.path("control.sock"), *arguments], check=True,
                              capture_output=True, text=True)
        return json.loads(done.stdout)

    def alive(self):
        return all(process.poll() is None for process in self.processes.values())

    def log(self, name):
        try:
            with open(self.path(name + ".log")) as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def cdrs(self):
        try:
            with open(self.path("cdr.json")) as file:
                return [json.loads(line) for line in file]
        except FileNotFoundError:
            return []

    def cdr_of(self, number):
        """The CDR of the only call to that number; waits for it."""
        self.wait(lambda: any(cdr["to"] == number for cdr in self.cdrs()), f"the CDR of {number}")
        found = [cdr for cdr in self.cdrs() if cdr["to"] == number]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} CDRs for {number}")
        return found[0]

    def wait(self, condition, what, seconds=5):
        end = time.time() + seconds
        while not condition():
            if time.time() > end or not self.alive():
                raise AssertionError(f"waited {seconds} s for {what}")
            time.sleep(0.01)
