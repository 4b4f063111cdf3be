#!/usr/bin/python3
"""A node whose Redis is sick in all the ways there are: calls do not notice.

  caller, callee ── sluice-control ── proxy that delays or swallows ── redis-server

usage: flows_store.py BUILD-FOLDER [PART OF A TEST'S NAME...]

In each case calls are set up, changed and ended before, while and after. The times of SIP messages
while Redis is sick are compared with those of the same run while it was well. What would wait for
Redis would wait for TIMEOUT_MS, far more than the difference that is allowed.
"""
import contextlib
import os
import queue
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import flows
from flows import Flow
from gateway import Gateway
from sip_peer import OutgoingCall

TIMEOUT_MS = 2000
N_CALLS = 15  # that come and go while Redis is sick
PATIENCE = 25


class Proxy:
    """A relay of TCP to a port of loopback; `delay_s` each way, or it swallows all."""

    def __init__(self, port):
        self.port, self.delay_s, self.swallows = port, 0, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                client.close()
                continue
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, sink in ((client, server), (server, client)):
                pieces = queue.Queue()
                threading.Thread(target=self.read, args=(source, pieces), daemon=True).start()
                threading.Thread(target=self.write, args=(sink, pieces), daemon=True).start()

    def read(self, source, pieces):
        data = b"x"
        while data:
            try:
                data = source.recv(65536)
            except OSError:
                data = b""
            if not self.swallows or not data:
                pieces.put((time.monotonic() + self.delay_s, data))

    def write(self, sink, pieces):
        while True:
            due, data = pieces.get()
            time.sleep(max(0, due - time.monotonic()))
            try:
                if not data:
                    sink.shutdown(socket.SHUT_RDWR)
                    return
                sink.sendall(data)
            except OSError:
                return


class Redis:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="sluice-redis-")
        self.socket = os.path.join(self.folder, "socket")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process = self.password = None

    def start(self, *options):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.process = subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket",
             self.socket, "--dir", self.folder, "--save", "", "--enable-debug-command", "yes",
             *options], stdout=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while self.ask("PING") is None:
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError("Redis does not start")
            time.sleep(0.02)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.kill()
        shutil.rmtree(self.folder)

    def ask(self, *words):
        login = ["-a", self.password, "--no-auth-warning"] if self.password else []
        done = subprocess.run(["redis-cli", "-s", self.socket, *login, *words],
                              capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None

    def records(self):
        return int(self.ask("HLEN", "sluice:{s1}:calls") or 0)


redis = proxy = None
measured = []  # one line a case


def setUpModule():
    global redis, proxy
    redis = Redis()
    proxy = Proxy(redis.port)
    gateway = Gateway(flows.build, 4, max_duration_s=0)
    base = gateway.ip[:gateway.ip.rindex(".") + 1]
    gateway.node, gateway.own_ip = "n1", base + "201"
    gateway.call_log = "info"
    key = gateway.path("cluster.key")
    with open(os.open(key, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
        file.write("1 " + "5a" * 32 + "\n")
    gateway.more = f"""\
http: {{address: {gateway.own_ip}, port: 9090}}
cluster:
  key_file: {key}
  nodes: [{{name: n1, address: {gateway.own_ip}}}]
  store:
    servers: ["{proxy.address}"]
    connect_timeout_ms: {TIMEOUT_MS}
    command_timeout_ms: {TIMEOUT_MS}
  shards:
    - {{name: s1, nodes: [n1], addresses: [{{realm: lo, sip: {gateway.ip}}}]}}
"""
    redis.start()
    try:
        flows.start(gateway)
        gateway.wait(lambda: gateway.ctl("cluster")["shards"][0]["ours"], "the shard", PATIENCE)
    except BaseException:
        redis.stop()
        raise


def tearDownModule():
    flows.tearDownModule()
    redis.stop()
    print("ms from message to message, well -> sick: median, most", *measured, sep="\n")


class SickRedis(Flow):
    def setUp(self):
        super().setUp()
        self.lasting = []  # calls: the caller's dialogs
        self.wait(lambda: self.store()["up"], "Redis")

    def wait(self, condition, what):
        flows.gateway.wait(condition, what, PATIENCE)

    def store(self):
        return flows.gateway.ctl("cluster")["store"]

    def metrics(self):
        with urllib.request.urlopen(f"http://{flows.gateway.own_ip}:9090/metrics",
                                    timeout=5) as answer:
            return dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines()
                        if not line.startswith("#"))

    def memory_kb(self):
        with open(f"/proc/{flows.gateway.processes['control'].pid}/status") as file:
            return int(next(line for line in file if line.startswith("VmRSS:")).split()[1])

    def timed(self, times, action):
        begin = time.monotonic()
        result = action()
        times.append(time.monotonic() - begin)
        return result

    def set_up(self, times):
        self.dial_next()
        call = OutgoingCall(self.caller, self.number)
        invite = self.timed(times, lambda: self.callee.expect("INVITE"))
        self.callee.reply(invite, 200, "b1", self.callee.sdp())
        caller = self.timed(times, call.answered)
        self.callee.expect("ACK")
        return caller

    def hang_up(self, times, caller):
        caller.send("BYE")
        self.timed(times, lambda: self.caller.expect(200))
        self.callee.reply(self.timed(times, lambda: self.callee.expect("BYE")), 200)

    def traffic(self, n=N_CALLS):
        """Calls that come and go, and one that stays. Returns how long messages took."""
        times = []
        for _ in range(n):
            self.hang_up(times, self.set_up(times))
        self.lasting.append(self.set_up(times))
        return times

    def protected(self):
        self.wait(lambda: self.store()["up"] and self.store()["unprotected"] == 0
                  and redis.records() == len(self.lasting), f"{len(self.lasting)} records in Redis")

    def compare(self, well, sick):
        """Factors for who shares the machine; nothing near what waiting for Redis would take."""
        measured.append("%-40s %.2f, %.1f -> %.2f, %.1f" % (self._testMethodName, *(
            1000 * value for times in (well, sick) for value in (statistics.median(times), max(times)))))
        self.assertLess(statistics.median(sick), 5 * statistics.median(well) + 0.02)
        self.assertLess(max(sick), max(well) + TIMEOUT_MS / 2000)

    @contextlib.contextmanager
    def sick(self, ill, seen=True):
        """Calls before, while (the body makes Redis sick and waits for nothing) and after."""
        well = self.traffic()
        self.protected()
        memory, claims = self.memory_kb(), flows.gateway.ctl("counters")["cluster.claims"]
        log = len(flows.gateway.log("control"))
        yield
        sick = self.traffic()
        if seen:
            self.wait(lambda: self.store()["ill"] == ill, ill)
        sick += self.traffic()
        if seen:
            self.hang_up(sick, self.lasting.pop(0))  # one of before
            self.assertGreaterEqual(self.store()["unprotected"], 1)
            unprotected = [float(value) for name, value in self.metrics().items()
                           if "unprotected" in name]
            self.assertGreaterEqual(max(unprotected), 1)
            self.wait(lambda: f"why={ill}" in flows.gateway.log("control")[log:], "a line in the log")
        self.assertTrue(flows.gateway.ctl("cluster")["shards"][0]["ours"])
        self.assertEqual(flows.gateway.ctl("counters")["cluster.claims"], claims)
        self.compare(well, sick)
        self.assertLess(self.memory_kb() - memory, 16384)

    def well_again(self):
        self.protected()
        self.lasting.append(self.set_up([]))
        self.protected()
        while self.lasting:
            self.hang_up([], self.lasting.pop())
        self.protected()

    def rewound(self):
        return flows.gateway.ctl("counters")["cluster.store_rewound"]

    def test_killed_and_empty_after_restart(self):
        before = self.rewound()
        with self.sick("connect", seen=False):  # the proxy accepts and hangs up: "closed"
            redis.kill()
        self.wait(lambda: not self.store()["up"], "the store to be away")
        redis.start()
        self.well_again()
        self.assertEqual(self.rewound(), before + 1)

    def test_stopped(self):
        with self.sick("timeout"):
            redis.process.send_signal(signal.SIGSTOP)
        redis.process.send_signal(signal.SIGCONT)
        self.well_again()

    def test_asleep(self):
        with self.sick("timeout"):
            sleeper = subprocess.Popen(["redis-cli", "-s", redis.socket, "DEBUG", "SLEEP", "5"],
                                       stdout=subprocess.DEVNULL)
        sleeper.wait()
        self.well_again()

    def test_blackholed(self):
        with self.sick("timeout"):
            proxy.swallows = True
        proxy.swallows = False
        self.well_again()

    def test_out_of_memory(self):
        with self.sick("memory"):
            redis.ask("CONFIG", "SET", "maxmemory", "1")
        redis.ask("CONFIG", "SET", "maxmemory", "0")
        self.well_again()

    def test_read_only_replica(self):
        with self.sick("readonly"):
            redis.ask("REPLICAOF", "127.0.0.1", "1")
        redis.ask("REPLICAOF", "NO", "ONE")
        self.well_again()

    def test_loading(self):
        redis.ask("DEBUG", "POPULATE", "3000", "x", "100")
        redis.ask("SAVE")
        with self.sick("loading"):
            redis.kill()
            redis.start("--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024")
        self.well_again()
        redis.ask("FLUSHALL")
        os.unlink(os.path.join(redis.folder, "dump.rdb"))
        self.protected()

    def test_wrong_password(self):
        with self.sick("password"):
            redis.ask("CONFIG", "SET", "requirepass", "secret")
            redis.password = "secret"
            redis.ask("CLIENT", "KILL", "TYPE", "normal")
        redis.ask("ACL", "SETUSER", "default", "nopass")
        redis.password = None
        self.well_again()

    def test_emptied_while_connected(self):
        before = self.rewound()
        with self.sick("none", seen=False):
            redis.ask("FLUSHALL")
        self.wait(lambda: self.rewound() == before + 1, "control to notice")
        self.well_again()

    def test_rolled_back_to_an_old_dump(self):
        before = self.rewound()
        old = self.set_up([])
        self.lasting.append(old)
        self.protected()
        redis.ask("SAVE")
        with self.sick("none", seen=False):
            self.lasting.remove(old)
            self.hang_up([], old)
            self.protected()
            redis.kill()
            redis.start()  # with a call that has ended since, and without those of now
        self.wait(lambda: self.rewound() > before, "control to notice")
        os.unlink(os.path.join(redis.folder, "dump.rdb"))
        self.well_again()

    def test_slow_link(self):
        with self.sick("none", seen=False):
            proxy.delay_s = 0.2
        self.protected()
        proxy.delay_s = 0
        self.well_again()


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
