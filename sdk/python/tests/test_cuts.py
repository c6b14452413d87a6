"""Cuts, restarts and crashes lose nothing and double nothing."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import numpy
import pytest

from engram_stream import Ack, Client, DeadlineError, EngramError, Level, Session, UnavailableError
from engram_stream.aio import AsyncClient
from engram_stream.testing import Server

from .proxy import Proxy

COUNT = 10_000
IDS = [f"o-{i:05}" for i in range(COUNT)]


def matrix(count: int = COUNT, dimension: int = 16) -> numpy.ndarray:
    return numpy.random.default_rng(7).random((count, dimension), dtype="f4")


def kept(server: Server, space: str) -> list[str]:
    """The ids of a space, in the order in which they became visible."""
    with Client(server.address) as direct:
        return [o.id for o in direct.list(space)]


def test_ten_thousand_through_cuts(engram_server: Server, proxy: Proxy, engram_space: str) -> None:
    rng = random.Random(5)

    def cut_on(ack: Ack) -> None:
        if ack.level == Level.DURABLE and proxy.cuts < 8 and rng.random() < 0.3:
            proxy.cut_after(rng.randrange(200_000))

    with Client(proxy.address) as c, c.open_session(engram_space, on_ack=cut_on) as s:
        proxy.cut_after(100_000)
        s.observe_many(vectors=matrix(), ids=IDS, timeout=60)
        assert s.stats.reconnects >= 3, proxy.cuts
        assert s.stats.resent > 0
        closed = s.close(timeout=30)
    assert closed.accepted == COUNT
    assert kept(engram_server, engram_space) == IDS


async def test_ten_thousand_through_cuts_async(engram_server: Server, proxy: Proxy, engram_space: str) -> None:
    rng = random.Random(6)

    def cut_on(ack: Ack) -> None:
        if ack.level == Level.DURABLE and proxy.cuts < 8 and rng.random() < 0.3:
            proxy.cut_after(rng.randrange(200_000))

    async with AsyncClient(proxy.address) as c, c.open_session(engram_space, on_ack=cut_on) as s:
        proxy.cut_after(100_000)
        await s.observe_many(vectors=matrix(), ids=IDS, timeout=60)
        assert s.stats.reconnects >= 3, proxy.cuts
        closed = await s.close(timeout=30)
    assert closed.accepted == COUNT
    assert kept(engram_server, engram_space) == IDS


def test_the_answer_to_close_is_lost(engram_server: Server, proxy: Proxy, engram_space: str) -> None:
    with Client(proxy.address) as c:
        s = c.open_session(engram_space)
        s.observe("one", id="one")
        s.flush(timeout=20)
        proxy.hold(True)
        closing = threading.Thread(target=lambda: answers.append(s.close(timeout=20)), daemon=True)
        answers: list[object] = []
        closing.start()
        while not s._core.closing:  # until it has asked
            closing.join(0.01)
        proxy.cut()
        proxy.hold(False)
        closing.join()
    assert len(answers) == 1
    assert answers[0].final_sequence == 1  # type: ignore[attr-defined]
    assert kept(engram_server, engram_space) == ["one"]


@pytest.mark.parametrize("way", ["drain", "kill"])
def test_restart_of_the_server(engram_server_factory: Callable[..., Server], engram_space: str, way: str) -> None:
    server = engram_server_factory()
    again = threading.Event()

    def restart() -> None:
        again.wait()
        if way == "drain":
            assert server.stop() == 0
        else:
            server.kill()
        server.start(ready=False)

    restarter = threading.Thread(target=restart, daemon=True)
    restarter.start()
    states: list[str] = []

    def on_ack(a: Ack) -> None:
        if a.through > COUNT // 5:
            again.set()

    with Client(server.address) as c:
        s = c.open_session(engram_space, on_ack=on_ack, on_pressure=lambda p: states.append(p.state))
        for i in range(0, COUNT, 500):
            s.observe_many(vectors=matrix()[i : i + 500], ids=IDS[i : i + 500], timeout=60)
        restarter.join()
        assert s.close(timeout=30).final_sequence == COUNT
        assert s.stats.reconnects >= 1
    assert kept(server, engram_space) == IDS


def test_a_server_that_is_away_is_given_up(proxy: Proxy, engram_space: str) -> None:
    with Client(proxy.address) as c:
        s = c.open_session(engram_space, reconnect_for=0.3)
        s.observe("one")
        s.flush(timeout=20)
        proxy.refuse(True)
        proxy.cut()
        s.observe("two")
        with pytest.raises(UnavailableError):
            s.flush(timeout=20)
        with pytest.raises(EngramError):
            s.observe("three")
        assert isinstance(s.error, UnavailableError)
        with pytest.raises(UnavailableError):
            s.close()


def test_nobody_answers(proxy: Proxy, engram_space: str) -> None:
    proxy.hold(True)
    with Client(proxy.address) as c:
        with pytest.raises(DeadlineError):
            c.open_session(engram_space, timeout=0.2)
        with pytest.raises(UnavailableError, match="did not answer within"):
            c.open_session(engram_space, connect_timeout=0.2)
        with pytest.raises(DeadlineError):
            c.status(timeout=0.2)
    with Client("127.0.0.1:1") as c, pytest.raises(UnavailableError):
        c.open_session(engram_space)


def test_closing_while_the_server_is_away(proxy: Proxy, engram_space: str) -> None:
    with Client(proxy.address) as c:
        s: Session = c.open_session(engram_space)
        proxy.refuse(True)
        proxy.cut()
        s.observe("one")
        with pytest.raises(DeadlineError):
            s.close(timeout=0.1)
        with pytest.raises(EngramError):
            s.observe("two")
        assert s.stats.durable == 0
