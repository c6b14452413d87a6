"""Run suites of tests and count what really ran.

Usage:
  tests.py run NAME [-C DIR] ARGUMENTS…   go test -json ARGUMENTS…
  tests.py junit NAME [-C DIR] COMMAND…   any runner that writes JUnit's XML to {xml}
  tests.py cases NAME TITLE LEAST COMMAND…  a runner that ends with 'N passed, N failed'
  tests.py cargo NAME [-C DIR] COMMAND…   cargo test, whose lines tell of each test
  tests.py skip NAME REASON               a suite that cannot run here
  tests.py check NAME TITLE pass|fail     one more outcome of a suite of checks
  tests.py total NAME…                    the closing line over these suites

`run` prints a line per package and the whole output of what failed, and keeps
the events in .cache/tests/NAME.json. `total` names every skip with what was
missing, then prints 'N passed, N failed, N skipped'. A suite that failed
without a failing test (it did not build, it was killed) counts as one failure;
so does a suite that left no record. The exit code is 1 on any failure.

`junit` puts a path for {xml} in the command and turns what the runner writes
there into events of the same form, after the runner has shown its own output.

`cases` adds what a runner counted to a suite, under a title; its lines that
begin with 'FAILED: ' name what failed. That fewer than LEAST cases passed, or
that the runner counted none, is one failure more: a suite must not shrink
unseen.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from pathlib import Path

KEPT = Path(__file__).resolve().parent.parent / ".cache" / "tests"
NOISE = ("=== ", "--- ", "PASS", "ok ", "panic: test timed out")


def record(name: str) -> Path:
    """Return the file that holds a suite's events."""
    return KEPT / f"{name}.json"


def show(event: dict) -> None:
    """Print a line about a package that ended."""
    if event.get("Test") or event.get("Action") not in ("pass", "fail"):
        return
    word = {"pass": "ok", "fail": "FAIL"}[event["Action"]]
    print(f"{word:5}{event.get('Package', '')}  {event.get('Elapsed', 0):.1f} s", flush=True)


def run(name: str, arguments: list[str]) -> int:
    """Run one suite and return 1 when it failed."""
    folder = None
    if arguments[:1] == ["-C"]:
        folder, arguments = arguments[1], arguments[2:]
    command = ["go", "test", "-json", *arguments]
    print("$", " ".join(["go", "test", *arguments]), f"(in {folder})" if folder else "", flush=True)
    KEPT.mkdir(parents=True, exist_ok=True)
    with record(name).open("w", encoding="utf-8") as kept:
        tests = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            text=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
        for line in tests.stdout:
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                event = {"Action": "output", "Package": name, "Output": line}
            kept.write(json.dumps(event) + "\n")
            show(event)
        kept.write(json.dumps({"Action": "exit", "Code": tests.wait()}) + "\n")
    count, _ = read(name, show_failures=True)
    print(closing(count))
    return 1 if count["fail"] else 0


def junit(name: str, arguments: list[str]) -> int:
    """Run a suite whose runner writes JUnit's XML and return 1 when it failed."""
    folder = None
    if arguments[:1] == ["-C"]:
        folder, arguments = arguments[1], arguments[2:]
    KEPT.mkdir(parents=True, exist_ok=True)
    told = KEPT / f"{name}.xml"
    told.unlink(missing_ok=True)
    command = [a.replace("{xml}", str(told)) for a in arguments]
    print("$", " ".join(command), f"(in {folder})" if folder else "", flush=True)
    code = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, check=False).returncode
    events = [e for case in cases(told) for e in events_of(name, case)]
    events.append({"Action": "exit", "Code": code})
    record(name).write_text("".join(json.dumps(e) + "\n" for e in events), encoding="utf-8")
    count, _ = read(name)
    print(closing(count))
    return 1 if count["fail"] else 0


def cargo(name: str, arguments: list[str]) -> int:
    """Run cargo's tests and return 1 when they failed; their output is shown."""
    folder = None
    if arguments[:1] == ["-C"]:
        folder, arguments = arguments[1], arguments[2:]
    KEPT.mkdir(parents=True, exist_ok=True)
    print("$", " ".join(arguments), f"(in {folder})" if folder else "", flush=True)
    tests = subprocess.Popen(
        arguments, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        text=True, encoding="utf-8", errors="replace",
    )  # fmt: skip
    outcomes = {"ok": "pass", "FAILED": "fail", "ignored": "skip"}
    events = []
    for line in tests.stdout:
        told = re.match(r"test (.+?) \.\.\. (ok|FAILED|ignored)(.*)", line)
        if told is None:
            print(line, end="", flush=True)
            continue
        place = {"Package": name, "Test": told[1]}
        events.append({"Action": "output", "Output": told[3].strip(" ,\n"), **place})
        events.append({"Action": outcomes[told[2]], **place})
    events.append({"Action": "exit", "Code": tests.wait()})
    record(name).write_text("".join(json.dumps(e) + "\n" for e in events), encoding="utf-8")
    count, _ = read(name)
    print(closing(count))
    return 1 if count["fail"] else 0


def cases(path: Path) -> list[ElementTree.Element]:
    """Return the tests of a JUnit file; none when it was not written whole."""
    try:
        return list(ElementTree.parse(path).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return []


def events_of(name: str, case: ElementTree.Element) -> list[dict]:
    """Return the events of one JUnit test: what it said, and its outcome."""
    place = {"Package": case.get("classname") or name, "Test": case.get("name") or "(unnamed)"}
    failed = [e for e in case if e.tag in ("failure", "error")]
    skipped = case.find("skipped")
    said = failed[0] if failed else skipped
    outcome = "fail" if failed else "skip" if skipped is not None else "pass"
    text = "" if said is None else "\n".join(filter(None, (said.get("message"), said.text if failed else None)))
    return [{"Action": "output", "Output": text, **place}, {"Action": outcome, **place}]


def cases_of_runner(name: str, title: str, least: int, command: list[str]) -> int:
    """Run a runner that counts its own cases, add them to a suite, return 1 when any failed."""
    KEPT.mkdir(parents=True, exist_ok=True)
    print("$", " ".join(command), flush=True)
    runner = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, encoding="utf-8", errors="replace", check=False,
    )  # fmt: skip
    counted = re.search(r"^(\d+) passed, (\d+) failed", runner.stdout, re.MULTILINE)
    passed, failed = map(int, counted.groups()) if counted else (0, 0)
    failures = re.findall(r"^FAILED: (.*?):?$", runner.stdout, re.MULTILINE)[:failed]
    failures += [f"case {n} without a name" for n in range(len(failures), failed)]
    if passed < least or (runner.returncode != 0 and not failed):
        failures.append(f"the run: {passed} cases passed, at least {least} had to; its runner ended with {runner.returncode}")
    events = [{"Action": "pass", "Package": name, "Test": title, "Count": passed}] if passed else []
    events += [{"Action": "fail", "Package": name, "Test": f"{title}: {what}"} for what in failures]
    events.append({"Action": "exit", "Code": 0 if runner.returncode == 0 else 1})
    with record(name).open("a", encoding="utf-8") as kept:
        kept.writelines(json.dumps(e) + "\n" for e in events)
    if failures:
        print(runner.stdout)
    print(f"{title}: {passed} passed, {len(failures)} failed", flush=True)
    return 1 if failures else 0


def skip(name: str, reason: str) -> int:
    """Keep on record that a whole suite was left out."""
    KEPT.mkdir(parents=True, exist_ok=True)
    events = [
        {"Action": "output", "Package": name, "Test": "(all)", "Output": reason},
        {"Action": "skip", "Package": name, "Test": "(all)"},
        {"Action": "exit", "Code": 0},
    ]
    record(name).write_text("".join(json.dumps(e) + "\n" for e in events), encoding="utf-8")
    print(f"skipped: {name}: {reason}")
    return 0


def check(name: str, title: str, outcome: str) -> int:
    """Add one outcome to a suite that is not of go test."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with record(name).open("a", encoding="utf-8") as kept:
        for event in ({"Action": outcome, "Package": name, "Test": title}, {"Action": "exit", "Code": 0}):
            kept.write(json.dumps(event) + "\n")
    return 0


def read(name: str, show_failures: bool = False) -> tuple[dict[str, int], list[str]]:
    """Count a suite's outcomes and list its skips.

    A test with subtests counts as its subtests do, and itself: the count is of
    what go test reports, as gotestsum's is.
    """
    count = {"pass": 0, "fail": 0, "skip": 0}
    skips: list[str] = []
    output: dict[tuple, list[str]] = defaultdict(list)
    failed_tests: set[str] = set()
    code = None
    path = record(name)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for event in map(json.loads, lines):
        action, test = event["Action"], event.get("Test")
        place = event.get("Package") or event.get("ImportPath") or name
        if action in ("output", "build-output"):
            output[place, test].append(event["Output"])
        elif action == "exit":
            code = event["Code"]
        elif action in count and test:
            count[action] += event.get("Count", 1)
            if action == "fail":
                failed_tests.add(place)
                if show_failures:
                    print(f"\nFAIL {place} {test}\n{''.join(output[place, test])}")
            elif action == "skip":
                said = [line.strip() for line in output[place, test]]
                reason = " ".join(s for s in said if s and not s.startswith(NOISE))
                skips.append(f"skipped: {place.rsplit('/', 1)[-1]}: {test}: {reason[-400:]}")
            output.pop((place, test), None)
        elif action in ("fail", "build-fail") and place not in failed_tests and "FailedBuild" not in event:
            failed_tests.add(place)
            count["fail"] += 1
            if show_failures:
                # The package's own words, and those of tests that never ended.
                said = [line for (p, _), lines in output.items() if p == place for line in lines]
                print(f"\nFAIL {place}\n{''.join(said)}")
    if code is None or (code != 0 and not count["fail"]):
        count["fail"] += 1
        print(f"\nFAIL suite {name}: {'it left no record' if code is None else f'its runner ended with {code}'}")
    return count, skips


def closing(count: dict[str, int]) -> str:
    """Return the line that says how many passed, failed and were skipped."""
    return f"{count['pass']} passed, {count['fail']} failed, {count['skip']} skipped"


def total(names: list[str]) -> int:
    """Print the skips and the closing line of several suites."""
    sum_of = {"pass": 0, "fail": 0, "skip": 0}
    every_skip: list[str] = []
    for name in names:
        count, skips = read(name)
        for outcome, n in count.items():
            sum_of[outcome] += n
        every_skip += [f"[{name}] {line}" for line in skips]
        print(f"{name:12}{closing(count)}")
    print("\n".join(every_skip))
    print(closing(sum_of))
    return 1 if sum_of["fail"] or not sum_of["pass"] else 0


def main(arguments: list[str]) -> int:
    """Do what the first word says."""
    match arguments:
        case ["run", name, *rest]:
            return run(name, rest)
        case ["junit", name, *rest] if rest:
            return junit(name, rest)
        case ["cases", name, title, least, *rest] if rest:
            return cases_of_runner(name, title, int(least), rest)
        case ["cargo", name, *rest] if rest:
            return cargo(name, rest)
        case ["skip", name, reason]:
            return skip(name, reason)
        case ["check", name, title, ("pass" | "fail") as outcome]:
            return check(name, title, outcome)
        case ["total", *names] if names:
            return total(names)
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
