"""Stream observations into Engram at a steady rate, and prove that they arrived.

    python python_client.py --server-addr localhost:50051 --rate 1000 --count 10000 --space-id my_space \
        [--enable-backpressure --buffer-size 1000]

The session of the SDK keeps to the server's credits, sends again what was
refused, and resumes after cuts, with growing pauses. With --enable-backpressure
the client also slows its own rate down while the server tells of pressure, and
holds no more than --buffer-size observations that are not yet on the server's
stable storage.

Needs: engram-stream and numpy (from the checkout, it finds the SDK beside it).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import numpy

try:
    import engram_stream  # noqa: F401
except ImportError:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "sdk" / "python"))

from engram_stream import EngramError, Level, Observation, Pressure, RejectedError
from engram_stream.aio import AsyncClient, AsyncSession

TICK = 0.01
"""Seconds between two turns of sending."""

PROBES = 20
"""Observations that are recalled at the end."""


def options() -> argparse.Namespace:
    """Read the command line."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--server-addr", default="localhost:50051", help="host:port of the server (%(default)s)")
    p.add_argument(
        "--rate", type=float, default=1000, help="observations a second; 0: as fast as it goes (%(default)s)"
    )
    p.add_argument("--count", type=int, default=10_000, help="observations in all (%(default)s)")
    p.add_argument("--space-id", default="my_space", help="the space (%(default)s)")
    p.add_argument("--dimension", type=int, default=384, help="of the vectors, in a new space (%(default)s)")
    p.add_argument("--enable-backpressure", action="store_true", help="slow down while the server tells of pressure")
    p.add_argument(
        "--buffer-size", type=int, default=1000, help="with it: observations held, at the most (%(default)s)"
    )
    p.add_argument(
        "--progress-every", type=int, default=1000, help="acked observations between two lines (%(default)s)"
    )
    return p.parse_args()


class Governor:
    """The rate of now: what was asked for, less what pressure takes away."""

    def __init__(self, rate: float, heeding: bool) -> None:
        self._rate, self._heeding = rate, heeding
        self.factor = 1.0

    def hear(self, p: Pressure) -> None:
        """Take the server's word."""
        if not self._heeding:
            return
        calm = p.state in ("ACTIVE", "PAUSED")
        self.factor = 1.0 if calm else max(0.05, 1.0 - p.pressure)
        print(
            f"pressure {p.pressure:.2f} ({p.state}, {p.cause or 'no cause'}): at {self.factor:.0%} of the rate",
            flush=True,
        )

    def due(self, seconds: float) -> float:
        """Return how many observations fall due in a stretch of time."""
        rate = self._rate if self._rate > 0 else 1e6
        return rate * self.factor * seconds


class Latencies:
    """From handing over to VISIBLE, by number."""

    def __init__(self, count: int, every: int) -> None:
        self._handed = numpy.zeros(count + 1)
        self.seconds = numpy.zeros(count + 1)
        self.acked, self._every, self._began = 0, every, time.perf_counter()

    def handed(self, number: int) -> None:
        """Note when an observation was handed over."""
        self._handed[number] = time.perf_counter()

    async def follow(self, s: AsyncSession, count: int) -> None:
        """Take acks until everything is visible, and tell the progress."""
        async for ack in s.acks():
            if ack.level != Level.VISIBLE or ack.through <= self.acked:
                continue
            now = time.perf_counter()
            self.seconds[self.acked + 1 : ack.through + 1] = now - self._handed[self.acked + 1 : ack.through + 1]
            if ack.through // self._every > self.acked // self._every or ack.through == count:
                told = f"{ack.through:>8,} acked, {s.stats.sent:,} sent, {s.stats.resent:,} resent"
                print(f"{told}, {ack.through / (now - self._began):,.0f} a second", flush=True)
            self.acked = ack.through
            if ack.through >= count:
                return


async def stream(s: AsyncSession, vectors: Any, governor: Governor, latencies: Latencies) -> None:
    """Hand everything over, at the rate."""
    owed, last, at = 0.0, time.perf_counter(), 0
    while at < len(vectors):
        now = time.perf_counter()
        owed = min(owed + governor.due(now - last), governor.due(1.0) + 1)  # a stall is not made up for in a burst
        last = now
        while owed >= 1 and at < len(vectors):
            latencies.handed(at + 1)
            await s.observe(Observation(f"observation {at}", vectors[at], id=f"{s.id}-{at}"))
            at, owed = at + 1, owed - 1
        await asyncio.sleep(TICK)


async def prove(c: AsyncClient, s: AsyncSession, space: str, vectors: Any, generation: int) -> int:
    """Recall some of what was sent; returns how many were found first by their own vectors."""
    chosen = numpy.random.default_rng().choice(len(vectors), min(PROBES, len(vectors)), replace=False)
    found = 0
    for i in chosen:
        r = await c.recall(space, vector=vectors[i], limit=1, exact=True, at_least=generation)
        found += bool(r) and r[0].id == f"{s.id}-{i}"
    print(f"recall finds {found} of {len(chosen)}, each first by its own vector; space at generation {generation:,}")
    return len(chosen) - found


def table(rows: list[tuple[str, str]]) -> None:
    """Print the final table."""
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value:>12}")


async def run(o: argparse.Namespace) -> int:
    """Stream, prove, and report; returns the exit code."""
    governor = Governor(o.rate, o.enable_backpressure)
    settings = {"buffer": o.buffer_size} if o.enable_backpressure else {}
    vectors = numpy.random.default_rng().standard_normal((o.count, o.dimension), dtype="f4")
    rejected = 0
    async with AsyncClient(o.server_addr) as c:
        s = await c.open_session(o.space_id, on_pressure=governor.hear, **settings)
        rate = f"{o.rate:g} a second" if o.rate else "any rate"
        print(f"session {s.id} into {o.space_id}: {o.count:,} observations of {o.dimension}-d at {rate}", flush=True)
        latencies = Latencies(o.count, o.progress_every)
        began = time.perf_counter()
        following = asyncio.create_task(latencies.follow(s, o.count))
        try:
            await stream(s, vectors, governor, latencies)
            await s.flush()
            await following
        except RejectedError as err:
            rejected = len(err.rejections) + err.more
            print(err, file=sys.stderr)
        finally:
            following.cancel()
        took, generation = time.perf_counter() - began, s.generation
        closed = await s.close()
        missing = await prove(c, s, o.space_id, vectors, generation) if not rejected and o.count else rejected
    st, ms = s.stats, latencies.seconds[1 : latencies.acked + 1] * 1e3
    table(
        [
            ("sent", f"{st.sent:,}"),
            ("acked", f"{closed.accepted:,}"),
            ("rejected", f"{closed.rejected:,}"),
            ("refused", f"{st.refused:,}"),
            ("resent", f"{st.resent:,}"),
            ("reconnects", f"{st.reconnects:,}"),
            ("average", f"{ms.mean():.2f} ms" if len(ms) else "–"),
            ("p50", f"{numpy.percentile(ms, 50):.2f} ms" if len(ms) else "–"),
            ("p99", f"{numpy.percentile(ms, 99):.2f} ms" if len(ms) else "–"),
            ("throughput", f"{o.count / took:,.0f}/s"),
        ]
    )
    lost = o.count - closed.accepted
    if lost or missing:
        print(f"{lost} lost, {missing} not found", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    """Run the client."""
    try:
        return asyncio.run(run(options()))
    except EngramError as err:
        print(f"python_client: {err}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
