"""Count what `go test -json` ran.

Usage: summary.py [--failures] FILE…

Prints the output of what failed and, for every test that was skipped, what was
missing; then, in the form of a closing line, how many passed, failed and were
skipped. Exits with 1 when something failed or nothing ran. With --failures the
count is of one run on the way, and skips are left to the last call.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict


def read(path: str):
    """Yield the events of a file; lines that are none belong to the build."""
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                yield {"Action": "output", "Package": path, "Output": line}


def main(arguments: list[str]) -> int:
    """Print the summary and return the exit code."""
    on_the_way = "--failures" in arguments
    count = {"pass": 0, "fail": 0, "skip": 0}
    output: dict[tuple, list[str]] = defaultdict(list)
    skipped: list[str] = []
    for path in [a for a in arguments if not a.startswith("--")]:
        seen_failure, broken = False, []
        for event in read(path):
            action, test = event.get("Action"), event.get("Test")
            key = (path, event.get("Package") or event.get("ImportPath"), test)
            if action in ("output", "build-output"):
                output[key].append(event.get("Output", ""))
            elif action in count and test:
                count[action] += 1
                if action == "fail":
                    seen_failure = True
                    print(f"--- FAIL: {key[1]} {test}\n{''.join(output[key])}")
                elif action == "skip":
                    reason = [line.strip() for line in output[key] if not line.startswith(("===", "---"))]
                    skipped.append(f"skipped: {key[1].rsplit('/', 1)[-1]}.{test}: {' '.join(r for r in reason if r)[-300:]}")
            elif action in ("fail", "build-fail"):
                broken.append(key)
        if broken and not seen_failure:
            count["fail"] += 1
            for key in output:
                if key[0] == path and key[2] is None:
                    print("".join(output[key]))
    if not on_the_way:
        for line in sorted(set(skipped)):
            print(line)
    print(f"{count['pass']} passed, {count['fail']} failed, {count['skip']} skipped")
    return 1 if count["fail"] or not count["pass"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
