"""Sessions against a real server."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable

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
    NotFoundError,
    Observation,
    Pressure,
    RejectedError,
    Rejection,
)
from engram_stream.testing import Server

from .proxy import Proxy


def test_flush_and_close_say_when_it_is_so(engram_client: Client, engram_space: str) -> None:
    c = engram_client
    with c.open_session(engram_space) as s:
        for i in range(100):
            assert s.observe(Observation("", [1.0, i + 1.0], id=str(i))) == i + 1
        s.flush(timeout=20)
        assert s.acked(Level.VISIBLE) == 100
        assert len(c.recall(engram_space, vector=[1, 2], limit=200, at=s.generation)) == 100
        s.observe("", vector=[0.5, 0.5], id="last")
        closed = s.close(timeout=20)
        assert (closed.final_sequence, closed.accepted, closed.inferred) == (101, 101, False)
        assert s.close() == closed
    assert "closed" in repr(s)
    s.flush()  # nothing is left to wait for


def test_observing_after_the_end(engram_client: Client, engram_space: str) -> None:
    s = engram_client.open_session(engram_space)
    s.close(timeout=20)
    with pytest.raises(ClosedError):
        s.observe("x")
    with pytest.raises(ClosedError):
        s.observe_many(["x"])
    with pytest.raises(ClosedError):
        s.limit(1)


@pytest.mark.parametrize("level", [Level.ACCEPTED, Level.DURABLE, Level.INDEXED])
def test_levels(engram_client: Client, engram_space: str, level: Level) -> None:
    with engram_client.open_session(engram_space, flush_to=level) as s:
        s.observe("", vector=[1, 2])
        s.flush(timeout=20)
        assert s.acked(level) == 1


def test_rejections_are_told_raised_and_the_rest_kept(engram_client: Client, engram_space: str) -> None:
    heard: list[Rejection] = []
    s = engram_client.open_session(engram_space, on_rejection=heard.append)
    told = s.rejections()
    s.observe("", vector=[1, 2], id="a")
    s.observe("", vector=[9, 9], id="a")  # taken, with other content
    s.observe("", vector=[1, 2, 3], id="b")
    s.observe("", vector=[1, 2], id="c")
    with pytest.raises(RejectedError, match="2 observations") as err:
        s.flush(timeout=20)
    assert [(r.sequence, r.reason) for r in err.value.rejections] == [(2, "ID_CONFLICT"), (3, "INVALID_DIMENSION")]
    assert sorted(heard, key=lambda r: r.sequence) == err.value.rejections
    assert [next(told), next(told)] == heard
    s.flush(timeout=20)
    closed = s.close(timeout=20)
    assert (closed.accepted, closed.rejected) == (2, 2)
    assert list(told) == []


def test_duplicates_change_nothing(engram_client: Client, engram_space: str) -> None:
    for _ in range(2):
        done = engram_client.observe_many(engram_space, vectors=[[1, 2], [3, 4]], ids=["a", "b"])
        assert done.count == 2
    assert [o.id for o in engram_client.list(engram_space)] == ["a", "b"]


def test_acks_and_pressure_can_be_iterated(engram_client: Client, engram_space: str) -> None:
    s = engram_client.open_session(engram_space)
    acks = s.acks()
    got: list[Ack] = []
    reader = threading.Thread(target=lambda: got.extend(acks), daemon=True)
    reader.start()
    s.observe_many(vectors=numpy.random.default_rng(1).random((1000, 4)), timeout=20)
    s.close(timeout=20)
    reader.join(10)
    assert not reader.is_alive()
    last = {a.level: a.through for a in got}
    assert last[Level.DURABLE] == last[Level.VISIBLE] == 1000
    for level in (Level.DURABLE, Level.VISIBLE):
        through = [a.through for a in got if a.level == level]
        assert through == sorted(through)


def test_detach_and_resume(engram_client: Client, engram_space: str) -> None:
    c = engram_client
    s = c.open_session(engram_space)
    s.observe("", vector=[1, 2], id="a")
    s.detach(timeout=20)
    with pytest.raises(ClosedError):
        s.observe("x")
    again = c.open_session(engram_space, resume=s.id)
    assert again.id == s.id
    assert again.next_sequence == 2
    again.observe("", vector=[3, 4], id="b")
    assert again.close(timeout=20).accepted == 2
    with pytest.raises(NotFoundError) as closed:
        c.open_session(engram_space, resume=s.id)
    assert closed.value.reason == "SESSION_CLOSED"
    with pytest.raises(NotFoundError):
        c.open_session(engram_space, resume="never-was-there")
    with pytest.raises(NotFoundError):
        c.open_session(f"{engram_space}x", must_exist=True)


def test_taken_over(engram_client: Client, engram_space: str) -> None:
    s = engram_client.open_session(engram_space)
    s.observe("", vector=[1, 2])
    s.flush(timeout=20)
    acks = s.acks()
    other = engram_client.open_session(engram_space, resume=s.id)
    with pytest.raises(EngramError) as err:
        list(acks)
    assert err.value.reason == "SESSION_TAKEN_OVER"
    for call in (lambda: s.observe("x"), s.close):
        with pytest.raises(EngramError, match="SESSION_TAKEN_OVER"):
            call()
    other.close(timeout=20)


def test_closed_by_an_operator(engram_client: Client, engram_space: str) -> None:
    s = engram_client.open_session(engram_space)
    engram_client.close_session(s.id, "test")
    with pytest.raises(EngramError) as err:
        s.close(timeout=20)
    assert err.value.reason == "SESSION_CLOSED"


def test_a_full_buffer(engram_client: Client, proxy: Proxy, engram_space: str) -> None:
    with Client(proxy.address) as c:
        s = c.open_session(engram_space, buffer=5, blocking=False)
        waiting = c.open_session(engram_space, buffer=5)
        proxy.hold(True)
        for x in (s, waiting):
            for _ in range(5):
                x.observe("", vector=[1, 2])
        with pytest.raises(FullError):
            s.observe("", vector=[1, 2])
        with pytest.raises(DeadlineError):
            waiting.observe("", vector=[1, 2], timeout=0.05)
        with pytest.raises(DeadlineError):
            waiting.observe_many(vectors=[[1, 2]] * 9, timeout=0.05)
        with pytest.raises(DeadlineError):
            waiting.flush(timeout=0.05)
        proxy.hold(False)
        waiting.observe("", vector=[1, 2], timeout=20)
        s.close(timeout=20)
        assert waiting.close(timeout=20).accepted == 6


def test_threads_may_share_a_session(engram_client: Client, engram_space: str) -> None:
    s = engram_client.open_session(engram_space)

    def work(k: int) -> None:
        for i in range(500):
            s.observe("", vector=[k, i], id=f"{k}-{i}")

    threads = [threading.Thread(target=work, args=(k + 1,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert s.close(timeout=20).accepted == 2000
    listed = [o.id for o in engram_client.list(engram_space)]
    for k in range(1, 5):
        assert [x for x in listed if x.startswith(f"{k}-")] == [f"{k}-{i}" for i in range(500)]


def test_progress_reaches_the_end(engram_client: Client, engram_space: str) -> None:
    told: list[tuple[int, int | None]] = []
    matrix = numpy.random.default_rng(1).random((2000, 4))
    done = engram_client.observe_many(engram_space, vectors=matrix, progress=lambda n, of: told.append((n, of)))
    assert done.count == 2000
    assert told[-1] == (2000, 2000)
    assert [n for n, _ in told] == sorted({n for n, _ in told})
    told.clear()
    engram_client.observe_many(engram_space, [], progress=lambda n, of: told.append((n, of)))
    assert told == []

    class Bar:
        n = 0

        def update(self, n: int) -> None:
            self.n += n

    bar = Bar()
    with engram_client.open_session(f"{engram_space}-b") as s:
        s.observe("before")
        s.observe_many((f"text {i}" for i in range(300)), progress=bar, timeout=20)
    assert bar.n == 300


def test_a_bar_of_its_own(engram_client: Client, engram_space: str, capsys: pytest.CaptureFixture[str]) -> None:
    engram_client.observe_many(engram_space, ["a", "b"], progress=True)
    assert "2" in capsys.readouterr().err


def test_failing_callbacks_are_raised(engram_client: Client, engram_space: str) -> None:
    def fail(_: Ack) -> None:
        raise ZeroDivisionError("of the callback")

    s = engram_client.open_session(engram_space, on_ack=fail)
    s.observe("x")
    with pytest.raises(ZeroDivisionError):
        s.flush(timeout=20)

    def again(_: Ack) -> None:
        s.flush()

    other = engram_client.open_session(engram_space, on_ack=again)
    s, mine = other, s
    s.observe("y")
    with pytest.raises(RuntimeError, match="while a callback runs"):
        s.flush(timeout=20)
    for x in (mine, other):
        with pytest.raises((ZeroDivisionError, RuntimeError)):
            x.observe("z")
            x.close(timeout=20)


def test_leaving_by_an_exception_keeps_what_was_observed(engram_client: Client, engram_space: str) -> None:
    with pytest.raises(KeyError), engram_client.open_session(engram_space) as s:
        s.observe("x", id="x")
        raise KeyError("oops")
    assert engram_client.get(engram_space, "x").missing == []
    with pytest.raises(KeyboardInterrupt), engram_client.open_session(engram_space) as s:
        raise KeyboardInterrupt
    assert isinstance(s.error, ClosedError)


def test_a_session_left_open_is_told(proxy: Proxy, engram_space: str) -> None:
    c = Client(proxy.address)
    s = c.open_session(engram_space)
    proxy.hold(True)
    s.observe("x")
    with pytest.warns(LossWarning, match="1 observations are not known to be kept"):
        c.close()
    with pytest.raises(ClosedError):
        s.observe("y")


def test_small_queues_press_back(engram_server_factory: Callable[..., Server], engram_space: str) -> None:
    server = engram_server_factory("--queue-normal", "200", "--session-window", "100", "--worker-count", "1")
    seen: list[Pressure] = []
    count = 5000
    matrix = numpy.random.default_rng(1).random((count, 64), dtype="f4")
    with Client(server.address) as c:
        sessions = [c.open_session(engram_space, on_pressure=seen.append) for _ in range(3)]
        feeds = [s.pressures() for s in sessions]

        def feed(k: int) -> None:
            sessions[k].observe_many(vectors=matrix, ids=[f"{k}-{i}" for i in range(count)], timeout=50)

        threads = [threading.Thread(target=feed, args=(k,), daemon=True) for k in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(60)
        for s in sessions:
            closed = s.close(timeout=20)
            assert (closed.accepted, closed.refused) == (count, 0)  # inside its grant nobody is refused
        assert {p.state for p in seen} & {"WARNING", "BACKPRESSURE", "OVERLOADED"}, seen
        assert any(next(f, None) is not None for f in feeds)
        assert len(list(c.list(engram_space))) == 3 * count


def test_pause_and_limit(engram_client: Client, engram_space: str) -> None:
    with engram_client.open_session(engram_space) as s:
        s.limit(100_000)
        s.pause()
        s.observe("x")
        s.resume()
        s.flush(timeout=20)


def test_linger_waits_for_company(engram_client: Client, engram_space: str) -> None:
    with engram_client.open_session(engram_space, linger=30.0, batch=4) as s:
        began = time.monotonic()
        for _ in range(3):
            s.observe("x")
        assert s.stats.sent == 0
        s.flush(timeout=20)  # hurries
        assert time.monotonic() - began < 20
        assert s.stats.sent == 3


def test_nothing_warns_when_all_goes_well(engram_server: Server, engram_space: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Client(engram_server.address) as c, c.open_session(engram_space) as s:
            s.observe("x")
