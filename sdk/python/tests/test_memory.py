"""Recalls on a session's own stream see what was observed on it before."""

from __future__ import annotations

from collections.abc import Callable

import numpy
import pytest

from engram_stream import Client, ClosedError, DeadlineError, EngramError, InvalidError, UnavailableError
from engram_stream.aio import AsyncClient
from engram_stream.testing import Server

from .proxy import Proxy


def test_a_recall_sees_what_was_observed(engram_client: Client, engram_space: str) -> None:
    rng = numpy.random.default_rng(1)
    with engram_client.open_memory(engram_space) as m:
        for i in range(200):
            v = rng.random(16, dtype="f4")
            m.observe("", vector=v, id=str(i))
            if i % 10 == 0:
                found = m.recall(vector=v, limit=1, timeout=20)
                assert found[0].id == str(i)
        with pytest.raises(InvalidError):
            m.recall(vector=[1, 2], timeout=20)
        assert len(m.recall(vector=v, limit=500, at_least=m.generation)) == 200
    with pytest.raises(ClosedError):
        m.recall(vector=v)


async def test_a_recall_sees_what_was_observed_async(engram_server: Server, engram_space: str) -> None:
    rng = numpy.random.default_rng(1)
    async with AsyncClient(engram_server.address) as c, c.open_memory(engram_space) as m:
        for i in range(200):
            v = rng.random(16, dtype="f4")
            await m.observe("", vector=v, id=str(i))
            if i % 10 == 0:
                found = await m.recall(vector=v, limit=1, timeout=20)
                assert found[0].id == str(i)
        with pytest.raises(InvalidError):
            await m.recall(vector=[1, 2], timeout=20)
    with pytest.raises(ClosedError):
        await m.recall(vector=v)


def test_an_empty_space_and_a_silent_server(proxy: Proxy, engram_space: str) -> None:
    with Client(proxy.address) as c:
        m = c.open_memory(engram_space)
        assert len(m.recall(vector=[1, 2], timeout=20)) == 0
        m.observe("", vector=[1, 2], id="a")
        assert m.recall(vector=[1, 2], timeout=20)[0].id == "a"
        proxy.hold(True)
        with pytest.raises(DeadlineError):
            m.recall(vector=[1, 2], timeout=0.05)
        proxy.hold(False)
        assert m.recall(vector=[1, 2], timeout=20)[0].id == "a"
        m.close(timeout=20)


def test_a_cut_under_a_recall(proxy: Proxy, engram_space: str) -> None:
    with Client(proxy.address) as c:
        m = c.open_memory(engram_space)
        m.observe("", vector=[1, 2], id="a")
        m.flush(timeout=20)
        for _ in range(5):
            proxy.cut_after(1)
            # It fails, to be asked again, or went on the next stream.
            try:
                m.recall(vector=[1, 2], timeout=20)
            except UnavailableError as err:
                assert err.retryable
            assert m.recall(vector=[1, 2], timeout=20)[0].id == "a"
        assert m.stats.reconnects >= 1
        m.close(timeout=20)


def test_recalls_under_pressure(engram_server_factory: Callable[..., Server], engram_space: str) -> None:
    server = engram_server_factory("--queue-normal", "100", "--session-window", "50")
    with Client(server.address) as c, c.open_memory(engram_space) as m:
        for i in range(1000):
            m.observe("", vector=[1.0, i + 1.0], id=str(i))
            if i % 100 == 99:
                assert len(m.recall(vector=[1, 1], limit=2000, timeout=20)) == i + 1


def test_a_session_that_ended_fails_its_recalls(engram_client: Client, engram_space: str) -> None:
    m = engram_client.open_memory(engram_space)
    m.observe("", vector=[1, 2])
    m.flush(timeout=20)
    engram_client.close_session(m.id)
    with pytest.raises(EngramError):
        for _ in range(100):
            m.recall(vector=[1, 2], timeout=20)
    m.abandon()
