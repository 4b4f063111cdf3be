"""What the forward benches run: the generator on one CPU, and on another what it sends to.

    generator (CPU A) --memif--> sluice-dataplane, or dpdk-testpmd --forward-mode=5tswap (CPU B)
              ^-------------------------------'

Each program is pinned with all its threads. The dataplane's main lcore, which has a CPU of its own in
production, is on the generator's: that one can say how long others kept it waiting, and leaves it out.
"""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / os.environ.get("SLUICE_BUILD", "build-release")
SECONDS = 1
WARMUP_SECONDS = 0.3
START_TIMEOUT = 20
GENERATOR_MEGABYTES = 256
SLACK_MEGABYTES = 128
PRIORITY = -20
SRTP_FRAMES = 3000
HUGEPAGES = pathlib.Path("/proc/sys/vm/nr_hugepages")
ADDRESS = "192.0.2.1"

CONFIG = """\
socket: {api}
cpus: {{main: {main_cpu}, workers: {workers}}}
memory: {{hugepages: {hugepages}, megabytes: {megabytes}}}
sessions_max: {sessions_max}
limits: {{leg_packets_per_second: 4000000000, leg_bytes_per_second: 4000000000}}
rtp_ports: {{min: 16384, max: 65535}}
ports:
{ports}
realms:
{realms}
log: {{all: warn, eal: error}}
"""

PORT = """\
  - name: bench
    vdev: "{vdev}"
    mac: "02:00:00:00:00:01"
    next_hop: "02:00:00:00:00:02"
"""


class Failure(Exception):
    """Something to tell the user; the measurement is over."""


class Load:
    """Sessions, and what the generator sends to them."""

    def __init__(self, sessions=1000, addresses=(ADDRESS,), megabytes=512, suite=None, mux=False,
                 generator=(), workers=()):
        self.sessions = sessions
        self.workers = list(workers)  # CPUs; none: the one of the device under test
        self.addresses = list(addresses)
        self.megabytes = megabytes
        self.set = ["--count", str(sessions), "--address", ",".join(addresses)]
        if suite:
            self.set += ["--suite", suite]
        if mux:
            self.set += ["--mux"]
        self.generator = list(generator)
        if suite:
            self.generator += ["--frames", str(SRTP_FRAMES)]

    def paced(self, rate):
        load = Load(self.sessions, self.addresses, self.megabytes)
        load.generator = ["--rate", str(round(rate))]
        return load


def realms(addresses):
    """The lines of the configuration: one realm for each VLAN."""
    vlans = {}
    for address in addresses:
        host, _, vlan = address.partition("@")
        vlans.setdefault(vlan or "0", []).append(f'"{host}"')
    return "\n".join(f"  - {{name: vlan{vlan}, port: bench, vlan: {vlan}, addresses: [{', '.join(hosts)}]}}"
                     for vlan, hosts in vlans.items())


def memif(directory, role):
    return f"net_memif0,role={role},socket={directory}/memif.sock,socket-abstract=no"


def eal_options(cpus, megabytes, huge):
    """The same for generator and reference: `cpus` are the lcores' CPUs, in order."""
    memory = ["--in-memory", "--single-file-segments"] if huge else ["--no-huge", "--no-shconf"]
    lcores = ",".join(f"{lcore}@{cpu}" for lcore, cpu in enumerate(cpus))
    return [f"--lcores={lcores}", *memory, f"-m{megabytes}", "--no-pci", "--no-telemetry",
            f"--file-prefix=bench-{megabytes}-{os.getpid()}", "--log-level=lib.eal:error"]


def pinned(cpu):
    """EAL puts threads that are no lcores on a CPU that it has no lcore on, which is the other program's."""
    return ["taskset", "-c", str(cpu)]


def hugepages_free():
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("HugePages_Free:"):
            return int(line.split()[1])
    return 0


@contextlib.contextmanager
def hugepages(megabytes):
    """Enough of them for both processes, given back afterwards; yields False where there are none."""
    needed = (megabytes + GENERATOR_MEGABYTES + SLACK_MEGABYTES) // 2
    before = None
    try:
        if hugepages_free() < needed:
            before = HUGEPAGES.read_text()
            HUGEPAGES.write_text(str(int(before) + needed))
        yield hugepages_free() >= needed
    finally:
        if before is not None:
            HUGEPAGES.write_text(before)


def raise_priority():
    """Of a new session, as the scheduler shares CPUs between sessions first, then within them."""
    with contextlib.suppress(OSError):
        os.setsid()
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
        pathlib.Path("/proc/self/autogroup").write_text(str(PRIORITY))


def options(directory):
    """For the programs that we run. RUNTIME_DIRECTORY is for EAL's files."""
    return {"env": {**os.environ, "RUNTIME_DIRECTORY": str(directory)}, "preexec_fn": raise_priority}


@contextlib.contextmanager
def device_under_test(command, directory, ready):
    """Run `command` until the block ends; it is up when `ready` says so of what it has printed."""
    log_path = directory / "dut.log"
    with open(log_path, "w", encoding="utf-8") as log:
        # testpmd forwards until its standard input says otherwise.
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log,
                                   **options(directory))
    try:
        end = time.monotonic() + START_TIMEOUT
        while not ready(log_path.read_text(errors="replace")):
            if process.poll() is not None or time.monotonic() > end:
                raise Failure("the other end does not start")
            time.sleep(0.05)
        yield
    except Failure as failure:
        raise Failure(f"{failure}\n{' '.join(map(str, command))}:\n{log_path.read_text()[-2000:]}") from None
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Bench:
    """Where the processes run, and with which memory."""

    GENERATOR, DEVICE = [], []  # to begin their commands with

    def __init__(self, directory, cpus, huge):
        self.directory = pathlib.Path(directory)
        self.generator_cpu, self.device_cpu = cpus
        self.huge = huge
        self.generator_vdev = memif(directory, "client")
        self.device_vdev = memif(directory, "server")

    def run(self, command, what, ok=(0,)):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False,
                              **options(self.directory))
        if done.returncode not in ok or done.returncode and not done.stdout:
            raise Failure(f"{what}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def flows(self, load, api=None):
        """The flow file of a load; with `api` its sessions are set there."""
        path = self.directory / "flows"
        command = [*self.DEVICE, BUILD / "tests/bench/sessions", *load.set]
        if api:
            command += ["--socket", str(api)]
        path.write_text(self.run(command, "sessions"))
        return path

    def generate(self, load, flows, *more):
        """One run of the generator: its report."""
        command = [*self.GENERATOR, *pinned(self.generator_cpu), BUILD / "tests/bench/generator",
                   *eal_options([self.generator_cpu], GENERATOR_MEGABYTES, self.huge),
                   "--log-level=pmd:critical", "--", "--vdev", self.generator_vdev,
                   "--flows", flows, "--seconds", str(SECONDS), "--warmup", str(WARMUP_SECONDS),
                   *load.generator, *more]
        # It fails where nothing comes back, too; that is a report like others.
        report = json.loads(self.run(command, "generator", ok=(0, 1)).splitlines()[-1])
        if report["bad"]:
            raise Failure(f"generator: {report['bad']} packets came back that are not as they must be")
        return report

    @contextlib.contextmanager
    def testpmd(self, load):
        command = [*self.DEVICE, *pinned(self.device_cpu), "stdbuf", "-oL", "dpdk-testpmd",
                   *eal_options([self.device_cpu] * 2, load.megabytes, self.huge),
                   "--vdev", self.device_vdev, "--", "--forward-mode=5tswap", "--auto-start",
                   "--disable-link-check", "--total-num-mbufs=16384"]
        with device_under_test(command, self.directory, lambda log: "Press enter" in log):
            yield

    def port(self):
        """The line of the configuration."""
        return PORT.format(vdev=self.device_vdev)

    @contextlib.contextmanager
    def dataplane(self, load):
        api = self.directory / "api.sock"
        config = self.directory / "dataplane.yaml"
        config.write_text(CONFIG.format(
            api=api, workers=load.workers or [self.device_cpu], main_cpu=self.generator_cpu,
            hugepages="yes" if self.huge else "no", megabytes=load.megabytes,
            sessions_max=load.sessions + 2000, ports=self.port(), realms=realms(load.addresses)))
        command = [*self.DEVICE, BUILD / "dataplane/sluice-dataplane", "--config", config]
        with device_under_test(command, self.directory, lambda _: api.exists()):
            yield api


@contextlib.contextmanager
def laid_out(megabytes, kind=Bench):
    """Two CPUs, memory, and a directory: yields what makes a bench of `kind`."""
    cpus = sorted(os.sched_getaffinity(0))[-2:]
    if len(cpus) < 2:
        raise Failure("two CPUs are needed, one for each process")
    with hugepages(megabytes) as huge:
        if not huge:
            print("no hugepages to be had: both run without, and slower", file=sys.stderr)

        def measure(how, load):
            with tempfile.TemporaryDirectory(prefix="sluice-bench-") as directory:
                return how(kind(directory, cpus, huge), load)
        yield measure


def result(name, unit, value, reference, reference_name, **more):
    """One row. `value` and `reference` are numbers."""
    return {"bench": "forward", "case": name, "value": value, "unit": unit, "reference": reference_name,
            "reference_value": reference, "ratio": round(value / reference, 3) if reference else None, **more}


def median(values):
    return sorted(values)[len(values) // 2]
