#!/usr/bin/env python3
"""Turns a file of the SPF test suite (YAML) into lines for tests/filters/test_spf_suite.c.

N cases                              once, first
S                                    a new scenario: the zone is empty
A name type status [data ...]        an answer of the zone
T id host helo mailfrom results explanation

Texts are in hex; "-" is an empty one, "=" none at all. results: words joined by "|".
How the suite means its zones: SPF records stand for TXT records where a name has no TXT of its own
("TXT: NONE" says that it has none); TIMEOUT fails what was not found before it.
"""
import sys

try:
    import yaml
except ImportError:
    sys.exit(77)

TYPES = ("A", "AAAA", "MX", "PTR", "TXT")


def text(value):
    if value is None:
        return "="
    return value.encode("utf-8").hex() or "-"


def rows(entries):
    """The records of a name in order, as (type, value); TIMEOUT has the type None."""
    own_txt = any(isinstance(e, dict) and "TXT" in e for e in entries)
    out = []
    for entry in entries:
        if not isinstance(entry, dict):
            out.append((None, entry))
            continue
        for kind, value in entry.items():
            if kind == "TXT" and value == "NONE":
                continue
            if kind == "SPF":
                kind = "SPF" if own_txt else "TXT"
            if isinstance(value, list) and kind != "MX":
                value = "".join(value)
            out.append((kind, value))
    return out


def lookup(zone, name, kind, depth=0):
    """(status, values) of a question."""
    if depth > 8:
        return "tempfail", []
    if name not in zone:
        return "nxdomain", []
    found = []
    for row_kind, value in zone[name]:
        if row_kind is None:
            return ("ok", found) if found else ("tempfail", [])
        if row_kind == "CNAME" and kind != "CNAME":
            return lookup(zone, value.rstrip(".").lower(), kind, depth + 1)
        if row_kind == kind:
            found.append("%d %s" % tuple(value) if kind == "MX" else value)
    return ("ok", found) if found else ("nodata", [])


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        scenarios = list(yaml.safe_load_all(file))
    print("N", sum(len(s["tests"]) for s in scenarios))
    for scenario in scenarios:
        print("S")
        zone = {str(n).lower(): rows(e) for n, e in scenario["zonedata"].items()}
        for name in sorted(zone):
            for kind in TYPES:
                status, values = lookup(zone, name, kind)
                print("A", text(name), kind, status, *[text(v) for v in values])
        for name, case in scenario["tests"].items():
            results = case["result"]
            if not isinstance(results, list):
                results = [results]
            print("T", text(name), text(str(case["host"])), text(case.get("helo") or ""),
                  text(case.get("mailfrom") or ""), "|".join(results),
                  text(case.get("explanation")))


main()
