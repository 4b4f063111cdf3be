#!/usr/bin/python3
"""Read meson's test logs, and count.

usage: test_results.py list TITLE LOG.json LOG.txt   one line a test: RESULT, name, log
       test_results.py sum FILE                      what failed, and the count; 1 where any failed
"""
import json
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP"}


def list_tests(title, log, text):
    with open(log) as file:
        for line in file:
            test = json.loads(line)
            print(test["result"], f"{title}: {test['name']}", text, sep="\t")


def sum_up(path):
    with open(path) as file:
        tests = [line.rstrip("\n").split("\t") for line in file]
    failed = [test for test in tests if test[0] not in PASSED | SKIPPED]
    skipped = [test for test in tests if test[0] in SKIPPED]
    for result, name, log in skipped:
        print(f"skipped: {name}")
    for result, name, log in failed:
        print(f"FAILED: {name} ({result.lower()}), log: {log}")
    n_passed = len(tests) - len(failed) - len(skipped)
    print(f"{n_passed} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed or not n_passed else 0


if __name__ == "__main__":
    if sys.argv[1] == "list":
        list_tests(*sys.argv[2:5])
    else:
        sys.exit(sum_up(sys.argv[2]))
