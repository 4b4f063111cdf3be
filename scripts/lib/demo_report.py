#!/usr/bin/python3
"""Tell a person what happened in the call of scripts/demo. Exit status 1 where it was not well.

usage: demo_report.py LABORATORY_DIRECTORY [--plain] [--srtp]

What is said comes from the gateway (the CDR and the log of sluice-control) but for the last part,
which comes from what the phones recorded (heard-by-*.json, written by audio.py).
"""
import datetime
import json
import pathlib
import re
import sys

NAMES = {"a": "Alice", "b": "Bob"}  # the legs of the call
MILESTONES = {  # event of the log -> what a person knows it by
    "invite": "INVITE   from Alice",
    "invite_sent": "INVITE   to Bob",
    "ringing": "180      Bob's phone rings",
    "progress": "183      early media",
    "answered": "200      Bob answers",
    "ack": "ACK      from Alice",
    "bye": "BYE      {from_or_to}",
    "ended": "         the call is over",
}
LINE = re.compile(r"(\S+) (\w+) (\w+) event=(\w+) ?(.*)")
PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)')


def events_of(log, call):
    """The (time, event, values) of one call, in order."""
    for line in log.read_text(errors="replace").splitlines():
        match = LINE.match(line)
        if not match:
            continue
        values = dict(PAIR.findall(match[5]))
        if values.get("call") == call:
            yield datetime.datetime.fromisoformat(match[1].replace("Z", "+00:00")), match[4], values


def report_signalling(events):
    print("\nSignalling, as the gateway saw it")
    start = events[0][0] if events else None
    for time, event, values in events:
        if event not in MILESTONES:
            continue
        name = NAMES.get(values.get("leg"), "")
        direction = ("from " if "from" in values else "to ") + name
        text = MILESTONES[event].format(from_or_to=direction)
        print(f"  {(time - start).total_seconds():8.3f} s  {text}")


def report_call(cdr):
    print(f"\nCall {cdr['call']}: {cdr['from']} called {cdr['to']}, "
          f"{cdr['duration_ms'] / 1000:.1f} s, "
          f"ended by {NAMES.get(cdr['ended_by'], 'the gateway')} ({cdr['status']})")


def report_media(cdr):
    print("\nMedia, as the gateway counted it")
    print(f"  {'':21}{'codec':>14}{'packets':>9}{'bytes':>9}{'lost':>6}{'reordered':>11}"
          f"{'jitter':>10}")
    for leg in cdr["legs"]:
        name = NAMES[leg["leg"]]
        print(f"  {'from ' + name:21}{leg['codec']:>14}{leg['rx_packets']:9}{leg['rx_bytes']:9}"
              f"{leg['lost']:6}{leg['reordered']:11}{leg['jitter_us'] / 1000:7.2f} ms")
        print(f"  {'to ' + name:21}{leg['codec']:>14}{leg['tx_packets']:9}{leg['tx_bytes']:9}")


def report_srtp(cdr):
    if not any(leg["srtp"] for leg in cdr["legs"]):
        return
    print("\nEncryption")
    for leg in cdr["legs"]:
        said = f"SRTP, {leg['srtp']}" if leg["srtp"] else "none: plain RTP"
        print(f"  {NAMES[leg['leg']]}: {said}")


def both_ways(cdr):
    """(where it comes from, where it goes) of each direction."""
    a, b = cdr["legs"]
    return (a, b), (b, a)


def report_transcoding(cdr):
    print("\nTranscoding")
    for leg, other in both_ways(cdr):
        if leg["transcoded"]:
            print(f"  {leg['codec']} to {other['codec']}: {leg['transcoded']} frames, "
                  f"{leg['transcode_ns_per_frame'] / 1000:.1f} us of CPU each, "
                  f"{leg['concealed']} concealed")
    if not any(leg["transcoded"] for leg in cdr["legs"]):
        print("  none: both sides use the same codec")


def report_audio(laboratory):
    print("\nWhat was heard (300 to 3400 Hz, against what was said)")
    well = True
    for listener, speaker in (("Bob", "Alice"), ("Alice", "Bob")):
        heard = json.loads((laboratory / f"heard-by-{listener.lower()}.json").read_text())
        verdict = "the same" if heard["same"] else "NOT THE SAME"
        well = well and heard["same"]
        print(f"  {listener} heard {speaker}: correlation {heard['correlation']:.3f} "
              f"(at least {heard['min_correlation']}), level {heard['level_db']:+.1f} dB, "
              f"{heard['speech_s']} s of speech: {verdict}")
    return well


def faults_of(cdr, plain, srtp):
    """What the gateway's figures show that should not be."""
    if srtp and not cdr["legs"][0]["srtp"]:
        yield "Alice's side was not encrypted"
    for leg, other in both_ways(cdr):
        name = NAMES[leg["leg"]]
        # A phone opens the way through NAT with one packet that is not even RTP.
        if leg["dropped_auth"] > 1 or leg["dropped_replay"]:
            yield f"SRTP from {name} was refused"
        if leg["lost"]:
            yield f"{leg['lost']} packets from {name} were lost"
        if leg["rx_packets"] < cdr["duration_ms"] / 20 * 0.9:
            yield f"only {leg['rx_packets']} packets came from {name}"
        if other["tx_packets"] < leg["rx_packets"] * 0.95:
            yield f"of {leg['rx_packets']} packets from {name} only {other['tx_packets']} went on"
        if not plain and not leg["transcoded"]:
            yield f"nothing from {name} was transcoded"


def main():
    laboratory, plain = pathlib.Path(sys.argv[1]), "--plain" in sys.argv[2:]
    srtp = "--srtp" in sys.argv[2:]
    cdr = json.loads((laboratory / "cdr.json").read_text().splitlines()[0])
    report_call(cdr)
    report_signalling(list(events_of(laboratory / "control.log", cdr["call"])))
    report_media(cdr)
    report_srtp(cdr)
    report_transcoding(cdr)
    well = report_audio(laboratory)
    faults = list(faults_of(cdr, plain, srtp))
    print()
    for fault in faults:
        print(f"FAULT: {fault}")
    if well and not faults:
        print("All is well.")
    elif not well:
        print("What was heard is not what was said.")
    return 0 if well and not faults else 1


if __name__ == "__main__":
    sys.exit(main())
