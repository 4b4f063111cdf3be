#!/usr/bin/python3
"""Is what /metrics says valid, by Prometheus' own parser, and does it say what is expected?

usage: metrics.py NAME[{LABEL=VALUE}]OPERATOR NUMBER...     as 'sluice_call_answered_total=1'
"""
import operator
import re
import sys
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

OPERATORS = {"=": operator.eq, ">=": operator.ge, "<=": operator.le}


def main():
    text = urllib.request.urlopen("http://127.0.0.1:9090/metrics", timeout=5).read().decode()
    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names)), "a family appears twice"
    assert all(family.type in ("counter", "gauge") for family in families), "a family has no type"
    samples = {(sample.name, *sorted(sample.labels.items())): sample.value
               for family in families for sample in family.samples}
    failed = False
    for statement in sys.argv[1:]:
        name, label, value, what, number = re.fullmatch(
            r"(\w+)(?:\{(\w+)=([^}]*)\})?(=|>=|<=)(\d+)", statement).groups()
        found = samples.get((name, (label, value)) if label else (name,))
        if found is None or not OPERATORS[what](found, int(number)):
            failed = True
            print(f"{statement}: it is {found}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
