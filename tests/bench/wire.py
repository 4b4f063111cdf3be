"""AF_XDP beside the kernel, against Debian's rtpengine in user space, and against dpdk-testpmd.

    sluice-bench-g: generator, AF_XDP ── veth ── sluice-bench-d: the device under test, 192.0.2.1

All share two CPUs. The generator has one, and on it the kernel does what receiving at the other end
costs it in softirq; the device has the other, and on it the kernel receives for the generator. So both
ends of the wire pay for each packet, and where the generator is the limit the report says so.

The rate of a device is the highest that is sustained: at most one packet in 10,000 lost over more than
a second, what comes back keeping pace, for 500 calls that are set up once and whose streams go on from
one rate to the next (streams that began anew each time would be taken for a jump, RFC 3550 A.1, and
cost a packet each). A rate that fails by little is tried again, as the machine is shared. After a failure
the device is started anew.
"""
import contextlib
import subprocess
import sys

from devices import ROOT, Bench, Failure, Load, device_under_test, laid_out, median, pinned, result

TURNS = 3
FIRST_RATE = 100000
RESOLUTION = 0.05
COARSE, FINE = 2, 1.25  # steps of a search that knows nothing, and of one that has a clue
LOSS = 1e-4
HOPELESS = 0.01
PACE = 0.98
BEHIND_US = 20000  # the generator, when it cannot keep its own pace
ATTEMPTS = 3
NG = "127.0.0.1:2223"
PHONES = ("198.18.0.1", "198.19.0.1")
AIM = 2.5


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def in_namespace(end):
    return ["ip", "netns", "exec", f"sluice-bench-{end}"]


def unload(end):
    """The XDP program of the run before."""
    ip("-n", f"sluice-bench-{end}", "link", "set", f"bench-{end}", "xdp", "off")


def lay_wire():
    for end in "gd":
        ip("netns", "add", f"sluice-bench-{end}")
    ip("link", "add", "bench-g", "netns", "sluice-bench-g", "address", "02:00:00:00:00:02", "type", "veth",
       "peer", "name", "bench-d", "netns", "sluice-bench-d", "address", "02:00:00:00:00:01")
    for end in "gd":
        subprocess.run([*in_namespace(end), "ethtool", "-K", f"bench-{end}", "tx", "off"], check=True,
                       capture_output=True)
        ip("-n", f"sluice-bench-{end}", "link", "set", f"bench-{end}", "up")
        ip("-n", f"sluice-bench-{end}", "link", "set", "lo", "up")
    ip("-n", "sluice-bench-d", "address", "add", "192.0.2.1/24", "dev", "bench-d")
    for phone in PHONES:
        ip("-n", "sluice-bench-d", "neighbour", "add", phone, "lladdr", "02:00:00:00:00:02", "dev", "bench-d")
        ip("-n", "sluice-bench-d", "route", "add", f"{phone}/32", "dev", "bench-d")


@contextlib.contextmanager
def wire_laid():
    try:
        lay_wire()
        yield
    finally:
        for end in "gd":
            subprocess.run(["ip", "netns", "delete", f"sluice-bench-{end}"], check=False, capture_output=True)


class Wire(Bench):
    GENERATOR, DEVICE = in_namespace("g"), in_namespace("d")

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.generator_vdev = "net_af_xdp0,iface=bench-g,start_queue=0,queue_count=1"
        self.device_vdev = "net_af_xdp1,iface=bench-d,start_queue=0,queue_count=1"
        self.next_packet = 0  # of each flow
        for end in "gd":
            unload(end)

    def port(self):
        return "  - {name: bench, interface: bench-d}"

    @contextlib.contextmanager
    def rtpengine(self, load):
        command = [*self.DEVICE, *pinned(self.device_cpu), "rtpengine", "--foreground",
                   "--interface=192.0.2.1", f"--listen-ng={NG}", "--table=-1", "--num-threads=1",
                   "--port-min=16384", "--port-max=65535", "--log-stderr", "--log-level=4"]
        with device_under_test(command, self.directory, lambda _: True):
            path = self.directory / "flows"
            path.write_text(self.run([*self.DEVICE, ROOT / "tests/bench/rtpengine_flows", NG,
                                      str(load.sessions)], "rtpengine"))
            yield path

    def send(self, load, flows, rate):
        unload("g")
        report = self.generate(load, flows, "--rate", str(round(rate)), "--first", str(self.next_packet))
        self.next_packet = report["next"]
        report["asked"] = rate
        report["passes"] = (report["lost"] <= LOSS * report["sent"] and report["rate"] >= PACE * rate
                            and report["behind_us"] <= BEHIND_US)
        return report


class Search:
    """For the highest rate that passes: large steps until it is between two, then halve what is open."""

    def __init__(self, clue):
        self.good, self.bad, self.attempts = None, None, 0
        self.rate, self.step = (clue, FINE) if clue else (FIRST_RATE, COARSE)

    def take(self, report):
        """A run at self.rate, which says what comes next."""
        self.attempts += 1
        if report["passes"]:
            self.good = report
        elif self.attempts < ATTEMPTS and is_near(report):
            return
        else:
            self.bad = report
        self.attempts = 0
        if self.good and self.bad:
            self.rate = (self.good["asked"] + self.bad["asked"]) / 2
        else:
            self.rate *= self.step if self.good else 1 / self.step
        if self.rate < FIRST_RATE / 10:
            raise Failure("packets are lost at any rate: the machine is too busy")

    def ends(self):
        return self.good and self.bad and self.bad["asked"] <= (1 + RESOLUTION) * self.good["asked"]

    def found(self):
        return {"rate": round(self.good["asked"]), "p99_us": self.good["p99_us"], "lost": self.good["lost"],
                "limit": limit_of(self.bad)}


def is_near(report):
    """What others on the machine may have spoilt. They cost some packets, not the pace."""
    return report["lost"] <= HOPELESS * report["sent"] and report["rate"] >= PACE * report["asked"]


def limit_of(report):
    """Who failed: the generator, when it lags behind its own pace or loses what comes back."""
    if report["behind_us"] > BEHIND_US or report["missed"] > report["lost"] / 2:
        return "generator"
    return "device"


@contextlib.contextmanager
def rtpengine(wire, load):
    with wire.rtpengine(load) as flows:
        yield load, flows


@contextlib.contextmanager
def dataplane(wire, load):
    with wire.dataplane(load) as api:
        yield load, wire.flows(load, api)


@contextlib.contextmanager
def testpmd(wire, load):
    swapped = Load(load.sessions)
    swapped.set, swapped.generator = load.set, ["--swap"]
    with wire.testpmd(load):
        yield swapped, wire.flows(load)


CONTESTANTS = {"rtpengine": rtpengine, "sluice": dataplane, "testpmd 5tswap": testpmd}


def fastest(measure, device, load, clue):
    """What the search finds. Each failure is the last of a device: rtpengine does not recover from some."""
    search = Search(clue)

    def until_it_fails(wire, load):
        with device(wire, load) as (device_load, flows):
            while not search.ends():
                report = wire.send(device_load, flows, search.rate)
                search.take(report)
                if not report["passes"]:
                    return

    while not search.ends():
        measure(until_it_fails, load)
    return search.found()


def compare(name, runs, reference, **more):
    """The middle run of each; all of them are in the row."""
    value, other = (median([run["rate"] for run in runs[who]]) for who in ("sluice", reference))
    limit, other_limit = (next(run["limit"] for run in runs[who] if run["rate"] == rate)
                          for who, rate in (("sluice", value), (reference, other)))
    return result(name, "packets/s", value, other, reference, limit=limit, reference_limit=other_limit,
                  runs=runs["sluice"], reference_runs=runs[reference], **more)


def run_wire(name):
    load = Load(500)
    load.set += ["--phones", ",".join(PHONES)]
    runs = {who: [] for who in CONTESTANTS}
    with wire_laid(), laid_out(load.megabytes, Wire) as measure:
        for turn in range(TURNS):
            for who, device in CONTESTANTS.items():
                print(f"\r{name}: {turn + 1} of {TURNS}, {who} {'':16}", end="", file=sys.stderr, flush=True)
                clue = runs[who][-1]["rate"] if runs[who] else None
                runs[who].append(fastest(measure, device, load, clue))
    print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    row = compare(name, runs, "rtpengine", aim=AIM)
    row["met"] = row["ratio"] >= AIM
    return [row, compare("afxdp-testpmd", runs, "testpmd 5tswap")]
