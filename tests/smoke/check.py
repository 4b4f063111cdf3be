#!/usr/bin/python3
"""Check statements about a JSON document (of several lines: the last).

usage: check.py FILE STATEMENT...

A statement is PATH OPERATOR VALUE without blanks: legs.0.lost=0, received>=140, answered!=null.
PATH goes by member name or list index; a last part `#` is the length of a list. Numbers are
compared as numbers, everything else as text. Prints each statement that does not hold.
"""
import json
import operator
import re
import sys

OPERATORS = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
             ">": operator.gt, ">=": operator.ge}


def look_up(document, path):
    if isinstance(document, dict) and path in document:  # a name with dots, as counters have
        return document[path]
    for part in path.split("."):
        if part == "#":
            document = len(document)
        elif isinstance(document, list):
            document = document[int(part)]
        else:
            document = document[part]
    return document


def as_pair(found, wanted):
    """Both as numbers where both are; otherwise both as the text JSON would have."""
    try:
        return float(found), float(wanted)
    except (TypeError, ValueError):
        return found if isinstance(found, str) else json.dumps(found), wanted


def holds(document, statement):
    match = re.fullmatch(r"([\w.#-]+?)(=|!=|<=|>=|<|>)(.*)", statement)
    if not match:
        sys.exit(f"check.py: not a statement: {statement}")
    path, sign, wanted = match.groups()
    try:
        found = look_up(document, path)
    except (KeyError, IndexError, TypeError, ValueError):
        print(f"expected {statement}, but there is no {path}")
        return False
    if OPERATORS[sign](*as_pair(found, wanted)):
        return True
    print(f"expected {statement}, found {json.dumps(found)}")
    return False


def read(path):
    text = sys.stdin.read() if path == "-" else open(path).read()
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(text.strip().splitlines()[-1])


def main():
    try:
        document = read(sys.argv[1])
    except (OSError, ValueError, IndexError) as error:
        sys.exit(f"check.py: {sys.argv[1]}: {error}")
    results = [holds(document, statement) for statement in sys.argv[2:]]
    if not all(results):
        print(f"in {sys.argv[1]}: {json.dumps(document)[:2000]}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
