#!/usr/bin/python3
"""Judge the CDRs of a load test: usage: check_load.py CDR.json CALLS PACKETS

Every call was answered, lost nothing in either direction, and had PACKETS each way, but for those
that were on their way when it ended (a stream that is echoed ends with its call).
"""
import json
import sys

ON_THE_WAY = 5


def fault(cdr, packets):
    """What is wrong with a call, or None."""
    if not cdr.get("answered"):
        return "not answered"
    for leg in cdr["legs"]:
        if leg["lost"] or leg["dropped_source"] or leg["dropped_other"]:
            return f"leg lost or dropped packets: {leg}"
        if not packets - ON_THE_WAY <= leg["rx_packets"] <= packets:
            return f"{leg['rx_packets']} packets instead of {packets}"
    return None


def main():
    path, calls, packets = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with open(path) as file:
        cdrs = [json.loads(line) for line in file]
    faults = [(cdr.get("call"), fault(cdr, packets)) for cdr in cdrs]
    faults = [(call, what) for call, what in faults if what]
    for call, what in faults[:5]:
        print(f"call {call}: {what}")
    print(f"{len(cdrs)} calls, {len(faults)} of them not clean")
    return 0 if len(cdrs) == calls and not faults else 1


if __name__ == "__main__":
    sys.exit(main())
