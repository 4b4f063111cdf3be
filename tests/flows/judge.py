#!/usr/bin/python3
"""What all flows have captured is judged: by Wireshark, which knows nothing of us, and by rules.py.

usage: judge.py BUILD-FOLDER [NAME...]

Runs after the flows (capture.py), without NAME over all of them. Captures older than the program
tell nothing of it and are left out; skipped where there are none, or no tshark.
"""
import os
import shutil
import subprocess
import sys
import tempfile

import capture
from rules import Judge

SKIPPED = 77
WARNING = 0x600000  # severities of Wireshark's experts; a note is less
OURS = f"(ip.ttl=={capture.OURS} || ipv6.hlim=={capture.OURS})"
# What is in other bodies is the far ends' own.
OTHERS = [word for name in ("isup", "q931", "xml", "json") for word in ("--disable-protocol", name)]
FIELDS = ("frame.number", "sip.Request-Line", "sip.Status-Line", "_ws.malformed", "_ws.expert.severity",
          "_ws.expert.message")
NO_FAULT = {
    "Illegal checksum value (0)",  # capture.py makes none
    "Trailing stray characters",  # a zero byte anywhere, and so in a body; in headers rules.py has it
}


def captures(build, names):
    """Paths by name."""
    folder = capture.folder(build)
    newer_than = os.path.getmtime(os.path.join(build, "control/sluice-control"))
    found = {}
    for entry in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        name, kind = os.path.splitext(entry)
        path = os.path.join(folder, entry)
        if kind == ".pcap" and (name in names or not names) and os.path.getmtime(path) >= newer_than:
            found[name] = path
    return found


def join(runs, into):
    """One file for one run of tshark, which takes longer to start than to read."""
    with capture.create(into) as out:
        for messages in runs.values():
            for message in messages:
                capture.write(out, *message)


def wireshark(path):
    """{frame number: what its experts say} of what we sent, and the number of our frames."""
    command = ["tshark", "-n", "-r", path, *OTHERS, "-d", "udp.port==1-65535,sip", "-Y", OURS, "-T", "fields",
               "-E", "separator=\t", "-E", "aggregator=|"]
    for field in FIELDS:
        command += ["-e", field]
    done = subprocess.run(command, check=True, capture_output=True, text=True, errors="replace")
    complaints, n = {}, 0
    for line in done.stdout.splitlines():
        frame, request, status, malformed, severities, texts = line.split("\t")
        n += 1
        said = [text for severity, text in zip(severities.split("|"), texts.split("|"))
                if severity and int(severity) >= WARNING and text not in NO_FAULT]
        said += ["malformed"] if malformed else []
        said += [] if request or status else ["no SIP"]
        if said:
            complaints[int(frame)] = said
    return complaints, n


def judge(found):
    """Prints every complaint. Returns (messages of ours, how many are wrong)."""
    runs = {name: list(capture.read(path)) for name, path in found.items()}
    with tempfile.NamedTemporaryFile(suffix=".pcap") as all_of_them:
        join(runs, all_of_them.name)
        by_wireshark, n = wireshark(all_of_them.name)
    frame = wrong = heard = 0
    for name, messages in runs.items():
        rules = Judge({there[0] for _, _, there, whose in messages if whose == capture.OURS})
        for data, source, destination, whose in messages:
            frame += 1
            if whose == capture.RESTART:
                rules.restarted()
                continue
            heard += whose == capture.OURS
            complaints = rules.hear(whose == capture.OURS, source[0], destination[0], data)
            complaints += [f"Wireshark: {text}" for text in by_wireshark.get(frame, [])]
            if complaints:
                wrong += 1
                print(f"--- {name}, to {destination[0]}: " + "; ".join(complaints))
                print(data.decode("utf-8", "replace"))
    if heard != n:
        sys.exit(f"tshark read {n} messages of {heard}")
    return heard, wrong


def main():
    found = captures(sys.argv[1], sys.argv[2:])
    if not found or not shutil.which("tshark"):
        print("skipped: no captures of flows, or no tshark")
        return SKIPPED
    heard, wrong = judge(found)
    print(f"{heard} messages of {len(found)} runs, {wrong} of them wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
