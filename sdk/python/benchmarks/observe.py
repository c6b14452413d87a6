"""Measure what streaming takes: observations a second, and the client's own CPU time for each.

Usage: python benchmarks/observe.py [--count N] [--dimension D] [--no-graph] [--server HOST:PORT]

Without --server it starts one (see engram_stream.testing). Everything is acked
VISIBLE before the clock stops. The server works on the same processors, and
builds its graph meanwhile, unless --no-graph says that the space has none.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy

sys.path.insert(0, str(Path(__file__).parent.parent))

from engram_stream import Client, Observation
from engram_stream.aio import AsyncClient
from engram_stream.testing import Server

Work = Callable[[str, Any, list[str]], Awaitable[None]]


async def columns(address: str, vectors: Any, ids: list[str]) -> None:
    with Client(address) as c:
        c.observe_many("bench", vectors=vectors, ids=ids)


async def objects(address: str, vectors: Any, ids: list[str]) -> None:
    with Client(address) as c:
        c.observe_many("bench", (Observation("", v, id=i) for v, i in zip(vectors, ids, strict=True)))


async def one_by_one(address: str, vectors: Any, ids: list[str]) -> None:
    with Client(address) as c, c.open_session("bench") as s:
        for v, i in zip(vectors, ids, strict=True):
            s.observe("", vector=v, id=i)


async def columns_async(address: str, vectors: Any, ids: list[str]) -> None:
    async with AsyncClient(address) as c:
        await c.observe_many("bench", vectors=vectors, ids=ids)


async def one_by_one_async(address: str, vectors: Any, ids: list[str]) -> None:
    async with AsyncClient(address) as c, c.open_session("bench") as s:
        for v, i in zip(vectors, ids, strict=True):
            await s.observe("", vector=v, id=i)


WAYS: dict[str, Work] = {
    "observe_many, columns": columns,
    "observe_many, objects": objects,
    "observe": one_by_one,
    "asyncio observe_many, columns": columns_async,
    "asyncio observe": one_by_one_async,
}


def main() -> None:
    """Measure each way and print a table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=50_000)
    options.add_argument("--dimension", type=int, default=384)
    options.add_argument("--no-graph", action="store_true")
    options.add_argument("--server", default="")
    o = options.parse_args()
    vectors = numpy.random.default_rng(1).random((o.count, o.dimension), dtype="f4")
    ids = [f"observation-{i}" for i in range(o.count)]
    with ExitStack() as stack:
        address = o.server or stack.enter_context(Server(near=Path(__file__))).address
        print(f"{o.count:,} observations of {o.dimension}-d, Python {sys.version.split()[0]}")
        print("| way | observations/s | client CPU µs each |\n|---|---|---|")
        for name, way in WAYS.items():
            with Client(address) as c:
                c.create_space("bench", dimension=o.dimension, index_threshold=2**31 if o.no_graph else None)
            began, used = time.perf_counter(), time.process_time()
            asyncio.run(way(address, vectors, ids))  # type: ignore[arg-type]
            took, used = time.perf_counter() - began, time.process_time() - used
            print(f"| {name} | {o.count / took:,.0f} | {used / o.count * 1e6:.1f} |", flush=True)
            with Client(address) as c:
                c.delete_space("bench", timeout=120)


if __name__ == "__main__":
    main()
