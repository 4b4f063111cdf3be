#!/usr/bin/python3
"""Print a SIPp scenario of tests/smoke/sipp with its parts put in.

usage: sipp.py SCENARIO [NAME=VALUE...]

SIPp has no include. A scenario here is the list of what happens in order: a line @part@, or
@part NAME=VALUE...@, stands for parts/part.xml, and @NAME@ within a line for a value given there
or on the command line.
"""
import pathlib
import re
import sys

FOLDER = pathlib.Path(__file__).parent / "sipp"
PART = re.compile(r"\s*@([a-z0-9_]+)((?: [A-Z_]+=\S+)*)@")


def assignments(words):
    return dict(word.split("=", 1) for word in words)


def expand(path, values):
    for line in path.read_text().splitlines():
        part = PART.fullmatch(line)
        if part:
            own = {**values, **assignments(part[2].split())}
            yield from expand(FOLDER / "parts" / (part[1] + ".xml"), own)
        else:
            yield re.sub(r"@([A-Z_]+)@", lambda name: values[name[1]], line)


def main():
    values = {"DIRECTION": "sendrecv", "VERSION": "1", **assignments(sys.argv[2:])}
    print('<?xml version="1.0" encoding="UTF-8"?>')
    try:
        print("\n".join(expand(FOLDER / (sys.argv[1] + ".xml"), values)))
    except KeyError as missing:
        sys.exit(f"sipp.py: {sys.argv[1]} wants a value for {missing}")


if __name__ == "__main__":
    main()
