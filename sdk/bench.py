"""Measure the SDKs one after the other, in one run, and write a page of it.

Usage: python sdk/bench.py [--out FOLDER] [--quick]

Run it by `make bench-sdks`, which builds what it needs. Each SDK's own
benchmark starts a real server for itself, on the same processors. It judges
nothing; tests never time anything.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WHAT = """\
Everything is acked VISIBLE before the clock stops. CPU is the client's own. The \
data are random vectors, which graphs like least."""


def table(command: list[str], folder: Path, **env: str) -> str:
    """What a benchmark prints: a line that says what, then a table."""
    done = subprocess.run(command, cwd=folder, env=os.environ | env, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def processor() -> str:
    """The name of the machine's processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "processor unknown"


def main() -> None:
    """Measure each, print, and write the page."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path)
    options.add_argument("--quick", action="store_true", help="a tenth of the work, to see that it runs")
    o = options.parse_args()
    count = "5000" if o.quick else "50000"
    page = [
        f"# The SDKs, {date.today()}",
        f"Command: `make bench-sdks`. Server and client are two processes on one machine: {os.cpu_count()} cores "
        f"({processor()}). {WHAT}",
    ]

    def part(title: str, text: str) -> None:
        page.extend([f"## {title}", text])
        print(f"\n## {title}\n\n{text}", flush=True)

    python = [sys.executable, str(ROOT / "sdk/python/benchmarks/observe.py"), "--count", count]
    binary = {"TEST_ENGRAM_BINARY": str(ROOT / "bin/engram")}
    part("Python, the server building a graph", table(python, ROOT, **binary))
    part("Python, a space without a graph", table([*python, "--no-graph"], ROOT, **binary))
    node = ["node", "bench/session.mjs"]
    part("Node, the server building a graph", table(node, ROOT / "sdk/typescript", COUNT=count))
    part("Node, a space without a graph", table(node, ROOT / "sdk/typescript", COUNT=count, NO_GRAPH="1"))
    go = ["go", "run", "./service/prove", "-only", "streaming", *(["-quick"] if o.quick else [])]
    lines = table(go, ROOT).splitlines()
    part("Go, the server building a graph", "\n".join(line for line in lines if line.startswith("|")))

    if o.out is not None and not o.quick:
        o.out.mkdir(parents=True, exist_ok=True)
        (o.out / f"{date.today()}-sdks.md").write_text("\n\n".join(page) + "\n")


if __name__ == "__main__":
    main()
