"""What is particular to asyncio; the rest is as in the other tests."""

from __future__ import annotations

import asyncio
import inspect
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy
import pytest

from engram_stream import (
    Ack,
    Client,
    ClosedError,
    DeadlineError,
    EngramError,
    FullError,
    Level,
    LossWarning,
    Memory,
    NotFoundError,
    Observation,
    Pressure,
    RejectedError,
    Session,
    UnavailableError,
    eq,
)
from engram_stream._batches import STRETCH
from engram_stream.aio import AsyncClient, AsyncMemory, AsyncSession
from engram_stream.testing import Server

from .proxy import Proxy


@pytest.fixture
async def client(engram_server: Server) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(engram_server.address) as c:
        yield c


def test_both_clients_offer_the_same() -> None:
    for sync, other in ((Client, AsyncClient), (Session, AsyncSession), (Memory, AsyncMemory)):
        names = {n for n in dir(sync) if not n.startswith("_")}
        assert names == {n for n in dir(other) if not n.startswith("_")}
        for name in names:
            a, b = getattr(sync, name), getattr(other, name)
            if inspect.isfunction(a):
                mine, its = inspect.signature(a).parameters, inspect.signature(b).parameters
                assert [(p.name, p.kind, p.default) for p in mine.values()] == [
                    (p.name, p.kind, p.default) for p in its.values()
                ], name


async def test_the_calls(client: AsyncClient, engram_space: str) -> None:
    c = client
    done = await c.observe(
        engram_space, Observation("", [1, 2], id="a", metadata={"n": 1}), Observation("", [2, 1], id="b")
    )
    assert done.ids == ["a", "b"]
    with pytest.raises(RejectedError):
        await c.observe(engram_space, Observation("", [1], id="c"))
    assert (await c.get(engram_space, "a", "x")).missing == ["x"]
    assert [o.id async for o in c.list(engram_space)] == ["a", "b"]
    assert [o.id async for o in c.list(engram_space, filter=eq("metadata.n", 1))] == ["a"]
    assert (await c.recall(engram_space, vector=[1, 2], limit=1))[0].id == "a"
    assert [r.id async for r in c.recall_stream(engram_space, vector=[1, 2])] == ["a", "b"]
    watching = c.watch_space(engram_space, since=0)
    assert [(await anext_of(watching)).id for _ in range(2)] == ["a", "b"]
    await watching.aclose()
    assert (await c.forget(engram_space, "a")).count == 1
    assert (await c.forget_where(engram_space, eq("id", "b"))).count == 1
    assert (await c.update_space(engram_space, max_bytes=1 << 20)).max_bytes == 1 << 20
    changed = await c.update_space(engram_space, max_count=9)
    assert (changed.max_count, changed.max_bytes) == (9, 1 << 20)
    assert [s.id async for s in c.list_spaces(engram_space)] == [engram_space]
    assert (await c.get_space(engram_space)).dimension == 2
    assert await c.delete_space(engram_space) == 0
    with pytest.raises(NotFoundError):
        await c.get_space(engram_space)
    assert (await c.create_space(engram_space, dimension=3)).dimension == 3
    assert (await c.status()).state == "SERVING"
    states = c.watch_status(0.1)
    assert (await anext_of(states)).state == "SERVING"
    await states.aclose()
    assert (await c.checkpoint()).catalog > 0


async def anext_of(source: AsyncIterator[object]) -> object:
    return await asyncio.wait_for(source.__anext__(), 20)


async def test_a_session(client: AsyncClient, engram_space: str) -> None:
    s = await client.open_session(engram_space)
    assert [i.session_id async for i in client.list_sessions(engram_space)] == [s.id]
    events = s.acks()
    for i in range(1000):
        assert await s.observe("", vector=[1.0, i], id=str(i)) == i + 1
    await s.flush(timeout=20)
    assert s.acked(Level.VISIBLE) == 1000
    first = await anext_of(events)
    assert isinstance(first, Ack)
    await s.observe("", vector=[5, 5, 5])
    with pytest.raises(RejectedError):
        await s.flush(timeout=20)
    closed = await s.close(timeout=20)
    assert (closed.accepted, closed.rejected) == (1000, 1)
    assert await s.close() == closed
    rest = [a async for a in events]
    assert max(a.through for a in rest) == 1001
    with pytest.raises(ClosedError):
        await s.observe("x")


async def test_many_from_anywhere(client: AsyncClient, engram_space: str) -> None:
    async def slowly() -> AsyncIterator[Observation]:
        for i in range(50):
            await asyncio.sleep(0)
            yield Observation("", [1.0, i], id=f"a{i}")

    told: list[int] = []
    done = await client.observe_many(engram_space, slowly(), progress=lambda n, _: told.append(n))
    assert (done.count, told[-1]) == (50, 50)
    done = await client.observe_many(engram_space, vectors=numpy.random.default_rng(1).random((3000, 2)))
    assert done.count == 3000
    done = await client.observe_many(engram_space, [Observation("", [1, 2])] * 3)
    assert done.count == 3
    with pytest.raises(TypeError):
        await client.observe_many(engram_space, slowly(), ids=["a"])


async def test_the_loop_goes_on_meanwhile(client: AsyncClient, engram_space: str) -> None:
    turns, over = 0, False

    async def beat() -> None:
        nonlocal turns
        while not over:
            await asyncio.sleep(0)
            turns += 1

    beating = asyncio.create_task(beat())
    await client.observe_many(engram_space, vectors=numpy.random.default_rng(1).random((20_000, 16), dtype="f4"))
    over = True
    await beating
    assert turns >= 20_000 / STRETCH  # others had their turn after each stretch


async def test_cancelling_a_wait_leaves_the_session_alone(proxy: Proxy, engram_space: str) -> None:
    async with AsyncClient(proxy.address) as c:
        s = await c.open_session(engram_space, buffer=5)
        proxy.hold(True)
        for i in range(5):
            await s.observe("", vector=[1, 2], id=str(i))
        for wait in (s.flush(), s.observe("", vector=[1, 2], id="never")):
            task = asyncio.create_task(wait)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        with pytest.raises(DeadlineError):
            await s.flush(timeout=0.05)
        with pytest.raises(DeadlineError):
            await s.observe("x", timeout=0.05)
        proxy.hold(False)
        await s.observe("", vector=[1, 2], id="5", timeout=20)
        assert (await s.close(timeout=20)).accepted == 6


async def test_cancelling_the_opening(proxy: Proxy, engram_space: str) -> None:
    proxy.hold(True)
    async with AsyncClient(proxy.address) as c:

        async def opening() -> None:
            await c.open_session(engram_space)

        task = asyncio.create_task(opening())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(DeadlineError):
            await c.open_session(engram_space, timeout=0.1)
        with pytest.raises(UnavailableError, match="did not answer"):
            await c.open_session(engram_space, connect_timeout=0.1)
        with pytest.raises(DeadlineError):
            await c.status(timeout=0.1)


async def test_cancelled_inside_a_with(client: AsyncClient, engram_space: str) -> None:
    inside = asyncio.Event()

    async def work() -> None:
        async with client.open_session(engram_space):
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 20)
    with pytest.raises(KeyError):
        async with client.open_session(engram_space) as s:
            await s.observe("x", id="x")
            raise KeyError
    assert (await client.get(engram_space, "x")).missing == []


async def test_taken_over_detached_and_resumed(client: AsyncClient, engram_space: str) -> None:
    s = await client.open_session(engram_space)
    await s.observe("", vector=[1, 2])
    await s.detach(timeout=20)
    again = await client.open_session(engram_space, resume=s.id)
    assert again.next_sequence == 2
    events = again.rejections()
    third = await client.open_session(engram_space, resume=s.id)
    with pytest.raises(EngramError, match="SESSION_TAKEN_OVER"):
        await anext_of(events)
    with pytest.raises(EngramError, match="SESSION_TAKEN_OVER"):
        await again.close()
    assert (await third.close(timeout=20)).accepted == 1


async def test_a_full_buffer_that_does_not_wait(proxy: Proxy, engram_space: str) -> None:
    async with AsyncClient(proxy.address) as c:
        s = await c.open_session(engram_space, buffer=2, blocking=False)
        proxy.hold(True)
        await s.observe("x")
        await s.observe("y")
        with pytest.raises(FullError):
            await s.observe("z")
        proxy.hold(False)
        await s.close(timeout=20)


async def test_small_queues_press_back(engram_server_factory: Callable[..., Server], engram_space: str) -> None:
    server = engram_server_factory("--queue-normal", "200", "--session-window", "100", "--worker-count", "1")
    seen: list[Pressure] = []
    async with AsyncClient(server.address) as c:
        matrix = numpy.random.default_rng(1).random((5000, 64), dtype="f4")

        async def feed(k: int) -> int:
            async with c.open_session(engram_space, on_pressure=seen.append) as s:
                s.pause()
                s.resume()
                s.limit(0)
                await s.observe_many(vectors=matrix, ids=[f"{k}-{i}" for i in range(len(matrix))], timeout=50)
                return (await s.close(timeout=20)).accepted

        assert await asyncio.gather(*(feed(k) for k in range(3))) == [5000] * 3
    assert {p.state for p in seen} & {"WARNING", "BACKPRESSURE", "OVERLOADED"}


async def test_failing_callbacks_are_raised(client: AsyncClient, engram_space: str) -> None:
    def fail(_: Ack) -> None:
        raise ZeroDivisionError

    s = await client.open_session(engram_space, on_ack=fail)
    await s.observe("x")
    with pytest.raises(ZeroDivisionError):
        await s.flush(timeout=20)
    await s.abandon()


async def test_a_session_left_open_is_told(proxy: Proxy, engram_space: str) -> None:
    c = AsyncClient(proxy.address)
    s = await c.open_session(engram_space)
    proxy.hold(True)
    await s.observe("x")
    with pytest.warns(LossWarning, match="1 observations"):
        await c.close()
    with pytest.raises(ClosedError):
        await s.observe("y")
    with pytest.raises(ClosedError):
        await c.status()


def test_a_loop_that_ends_under_a_session(engram_server: Server, proxy: Proxy, engram_space: str) -> None:
    async def forgetful() -> AsyncSession:
        s = await AsyncClient(proxy.address).open_session(engram_space)
        proxy.hold(True)
        await s.observe("x")
        return s

    with pytest.warns(LossWarning, match="1 observations"):
        s = asyncio.run(forgetful())
    assert isinstance(s.error, ClosedError)

    async def elsewhere(c: AsyncClient) -> None:
        await c.status()

    c = AsyncClient(engram_server.address)
    asyncio.run(elsewhere(c))
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(elsewhere(c))


LOOPS = """
import asyncio, sys
from engram_stream.aio import AsyncClient

async def once(end, count):
    async with AsyncClient(sys.argv[1]) as c:
        s = await c.open_session(sys.argv[2])
        if count:
            await s.observe_many(vectors=[[1, 2]] * count)
        await getattr(s, end)()

for end in ("close", "detach"):
    for count in (0, 1, 500):
        for _ in range(8):
            asyncio.run(once(end, count))
"""


def test_loops_one_after_another(engram_server: Server, engram_space: str) -> None:
    command = [sys.executable, "-c", LOOPS, engram_server.address, engram_space]
    root = Path(__file__).parent.parent
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=60, check=False)
    # What a loop leaves under way in gRPC fails, in the log, in the next one.
    assert (done.returncode, done.stderr) == (0, "")


async def test_reprs(client: AsyncClient, engram_space: str) -> None:
    async with client.open_session(engram_space) as s:
        assert re.fullmatch(r"<AsyncSession \w+ into '.*', open, 0 observed, 0 durable, 0 reconnects>", repr(s))
    assert "closed" in repr(s)
    assert repr(client).startswith("<AsyncClient of 127.0.0.1:")
