#!/usr/bin/python3
"""A soak of sluice-dataplane: sessions come, change and go at some hundred a second, at load.

    soak (far ends, and client of the API) --memif-- sluice-dataplane

The dataplane is that of BUILD-FOLDER, best one with sanitizers; afterwards it must end by itself, without
a word from them. No root, no hugepages.

usage: run.py BUILD-FOLDER SECONDS [STABLE CHURNING SETS-PER-SECOND PACKETS-PER-SECOND]
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

START_S = 30
STOP_S = 60
CONFIG = """\
socket: {folder}/api.sock
cpus: {{main: 0, workers: [1]}}
idle: true
memory: {{hugepages: no, megabytes: 256}}
sessions_max: 2000
rtp_ports: {{min: 20000, max: 27999}}
ports:
  - {{name: soak, vdev: "net_memif0,role=server,socket={folder}/memif,socket-abstract=no",
      mac: "02:00:00:00:00:01", next_hop: "02:00:00:00:00:02"}}
realms: [{{name: soak, port: soak, addresses: [192.0.2.1]}}]
log: {{all: warn}}
"""
# Freed memory is kept for a while by ASan, which would look like growth.
SANITIZERS = {"ASAN_OPTIONS": "quarantine_size_mb=8:detect_leaks=1",
              "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}


def soak(build, folder, numbers):
    """Returns what is wrong, or None."""
    (folder / "dataplane.yaml").write_text(CONFIG.format(folder=folder))
    environment = {**os.environ, **SANITIZERS, "RUNTIME_DIRECTORY": str(folder)}
    with open(folder / "dataplane.log", "wb") as log:
        dataplane = subprocess.Popen([build / "dataplane/sluice-dataplane", "--config",
                                      folder / "dataplane.yaml"], stdout=log, stderr=log, env=environment)
    try:
        end = time.monotonic() + START_S
        while not (folder / "api.sock").exists():
            if dataplane.poll() is not None or time.monotonic() > end:
                return "the dataplane does not start"
            time.sleep(0.05)
        done = subprocess.run([build / "tests/soak/soak", folder / "api.sock", folder / "memif",
                               str(dataplane.pid), *numbers], env=environment, check=False)
        if done.returncode:
            return "the soak failed"
    finally:
        dataplane.terminate()
        try:
            dataplane.wait(STOP_S)
        except subprocess.TimeoutExpired:
            dataplane.kill()
            dataplane.wait()
    return None if dataplane.returncode == 0 else f"the dataplane ended with {dataplane.returncode}"


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory(prefix="sluice-soak-") as folder:
        wrong = soak(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(folder), sys.argv[2:])
        if wrong:
            print((pathlib.Path(folder) / "dataplane.log").read_text(errors="replace")[-6000:])
            print(f"FAILED: {wrong}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
