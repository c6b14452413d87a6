"""The session's rules, without I/O: the core is given frames and asked for frames."""

from __future__ import annotations

import random
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from engram_stream import ClosedError, EngramError, Level, RejectedError, SessionOptions
from engram_stream._core import FOREVER, MAX_KEPT, Core, comes_back, is_final
from engram_stream._encode import entry
from engram_stream._gen.engram.v1 import memory_service_pb2 as ms
from engram_stream._gen.engram.v1 import session_pb2 as sp
from engram_stream._pace import INITIAL, MAXIMUM, Pace
from engram_stream._window import Window
from engram_stream.errors import error_of
from engram_stream.observation import Observation

ROOMY = sp.Credits(through_sequence=1 << 40, bytes=1 << 40)
DURABLE, VISIBLE = sp.ACK_LEVEL_DURABLE, sp.ACK_LEVEL_VISIBLE


def welcome(
    credits: sp.Credits = ROOMY, next: int = 1, durable: int = 0, max_batch: int = 0
) -> ms.MemoryStreamResponse:
    ack = sp.InitAck(
        session_id="modelled", next_sequence=next, durable_sequence=durable, credits=credits, max_batch_size=max_batch
    )
    return ms.MemoryStreamResponse(init_ack=ack)


def ack(through: int, level: Any = DURABLE, credits: sp.Credits | None = None) -> ms.MemoryStreamResponse:
    return ms.MemoryStreamResponse(
        ack=sp.Ack(status=level, through_sequence=through, generation=through, credits=credits)
    )


def make(credits: sp.Credits = ROOMY, max_batch: int = 0, **options: Any) -> Core:
    core = Core("notes", SessionOptions(**{"linger": 0.0, **options}))
    core.init_frame()
    core.welcomed(welcome(credits, max_batch=max_batch))
    return core


def observe(core: Core, n: int, size: int = 1) -> None:
    core.push([entry(Observation("x" * size, id=str(core.window.next + i))) for i in range(n)])


def sent(core: Core, now: float = 0.0) -> list[tuple[int, list[str]]]:
    """All batches that may be sent now: first number, and the ids."""
    out = []
    while True:
        frame, wait = core.next_frame(now)
        if frame is None:
            assert wait > 0
            return out
        m = ms.ObserveStreamRequest.FromString(frame)
        if m.WhichOneof("frame") == "observations":
            out.append((m.observations.first_sequence, [o.id for o in m.observations.observations]))
        else:
            out.append((0, [str(m.WhichOneof("frame"))]))


def test_batches_by_count_bytes_and_time() -> None:
    core = make(batch=10, batch_bytes=500, linger=1.0)
    observe(core, 25)
    assert [(f, len(ids)) for f, ids in sent(core)] == [(1, 10), (11, 10)]
    assert core.next_frame(0.5)[1] == pytest.approx(0.5)
    assert [(f, len(ids)) for f, ids in sent(core, 1.0)] == [(21, 5)]
    observe(core, 4, 200)
    assert [len(ids) for _, ids in sent(core, 1.0)] == [2]  # two fit into 500 bytes; the rest may not be alone
    core.hurry()
    assert [len(ids) for _, ids in sent(core, 1.0)] == [2]
    observe(core, 1, 5000)  # more than a frame alone has to go nevertheless
    core.hurry()
    assert [len(ids) for _, ids in sent(core, 1.0)] == [1]


def test_credits_by_number_and_bytes() -> None:
    size = len(entry(Observation("x", id="10")))
    core = make(sp.Credits(through_sequence=5, bytes=1 << 20))
    observe(core, 9)
    assert sent(core) == [(1, ["1", "2", "3", "4", "5"])]
    core.take(ack(2, credits=sp.Credits(through_sequence=9, bytes=1 << 20)), 0)
    assert sent(core) == [(6, ["6", "7", "8", "9"])]
    core.take(ack(1, credits=sp.Credits(through_sequence=3, bytes=0)), 0)  # late: a grant is never taken back
    observe(core, 90)
    core.take(ack(9, credits=sp.Credits(through_sequence=1000, bytes=3 * size)), 0)
    assert core.acked[Level.DURABLE] == 9
    assert sent(core) == [(10, ["10", "11", "12"])]
    core.take(ack(11, credits=sp.Credits(through_sequence=1000, bytes=3 * size)), 0)
    assert sent(core) == [(13, ["13", "14"])]
    core.take(ack(14, credits=sp.Credits(through_sequence=1000, bytes=1)), 0)
    assert sent(core) == [(15, ["15"])]  # one may always be outstanding


def test_random_credits_are_obeyed() -> None:
    for seed in range(50):
        rng = random.Random(seed)
        core = make(
            sp.Credits(through_sequence=10, bytes=150),
            batch=rng.choice([1, 7, 64]),
            batch_bytes=rng.choice([1, 90, 1 << 20]),
        )
        granted, allowed, durable, got, sizes = 10, 150, 0, 0, [0]
        total = 300
        while durable < total:
            left = total - core.last
            if left and rng.random() < 0.5:
                core.push(
                    new := [entry(Observation("y" * rng.randrange(100))) for _ in range(min(left, rng.randrange(1, 9)))]
                )
                sizes += [len(e) for e in new]
            frame, _ = core.next_frame(0)
            if frame is not None:
                b = ms.ObserveStreamRequest.FromString(frame).observations
                assert b.first_sequence == got + 1
                got += len(b.observations)
                assert got <= granted
                outstanding = sizes[durable + 1 : got + 1]
                assert sum(outstanding) <= allowed or len(outstanding) == 1
            elif got > durable:
                durable = rng.randrange(durable + 1, got + 1)
                granted, allowed = max(granted, durable + rng.randrange(1, 20)), rng.randrange(1, 300)
                core.take(ack(durable, credits=sp.Credits(through_sequence=granted, bytes=allowed)), 0)
        assert core.stats.durable == total
        assert not core.window.entries


def test_refusal_goes_back_and_waits() -> None:
    core = make(batch=10)
    observe(core, 30)
    assert len(sent(core)) == 3
    core.take(ack(10), 0)
    refusal = sp.Refusal(expected_sequence=15, reason="QUEUE_FULL", retry_after=Duration(seconds=2), credits=ROOMY)
    core.take(ms.MemoryStreamResponse(refusal=refusal), 100.0)
    assert core.next_frame(100.0) == (None, 2.0)
    assert [(f, len(ids)) for f, ids in sent(core, 102.0)] == [(15, 10), (25, 6)]
    assert (core.stats.sent, core.stats.resent, core.stats.refused) == (30, 16, 1)
    core.take(ms.MemoryStreamResponse(refusal=sp.Refusal(expected_sequence=28, reason="SEQUENCE_GAP")), 102.0)
    assert sent(core, 102.0) == [(28, ["28", "29", "30"])]  # a gap is filled at once
    core.take(ms.MemoryStreamResponse(refusal=sp.Refusal(expected_sequence=3)), 102.0)  # late: below the window
    assert sent(core, 102.0) == []


def test_resuming_goes_on_where_the_server_is() -> None:
    core = make()
    observe(core, 100)
    sent(core)
    core.take(ack(30), 0)
    core.welcomed(welcome(next=51, durable=40))  # cut: 41–50 were taken, 51–100 were not
    assert core.window.first == 41
    assert [f for f, _ in sent(core)] == [51]
    core.welcomed(welcome(next=41, durable=40))  # crash: what was not durable is gone
    assert [f for f, _ in sent(core)] == [41]
    with pytest.raises(EngramError) as gone:
        core.welcomed(welcome(next=40, durable=39))
    assert gone.value.reason == "PAYLOADS_GONE"
    with pytest.raises(EngramError) as taken:
        core.welcomed(welcome(next=102, durable=101))
    assert taken.value.reason == "SESSION_TAKEN_OVER"


def test_what_another_process_sent_is_not_taken_for_ones_own() -> None:
    core = make()
    observe(core, 10)
    sent(core)
    core.take(ack(10), 0)
    with pytest.raises(EngramError) as away:
        core.welcomed(welcome(next=13, durable=12))  # nothing is held, and two came from elsewhere
    assert away.value.reason == "SESSION_TAKEN_OVER"
    observe(core, 5)  # not sent
    with pytest.raises(EngramError) as waiting:
        core.welcomed(welcome(next=14, durable=13))  # 11–13 are held under the same numbers
    assert waiting.value.reason == "SESSION_TAKEN_OVER"
    assert len(core.window) == 5
    core.welcomed(welcome(next=11, durable=10))
    sent(core)
    core.take(ms.MemoryStreamResponse(refusal=sp.Refusal(expected_sequence=12, reason="QUEUE_FULL")), 0.0)
    with pytest.raises(EngramError) as refused:
        core.welcomed(welcome(next=14, durable=10))  # 12 and 13 were refused
    assert refused.value.reason == "SESSION_TAKEN_OVER"
    core.welcomed(welcome(next=12, durable=11))
    assert sent(core) == [(12, ["12", "13", "14", "15"])]


def test_what_was_acked_meanwhile_is_told() -> None:
    core = make()
    assert core.welcomed(welcome()) is None
    observe(core, 10)
    sent(core)
    missed = core.welcomed(welcome(next=9, durable=8))
    assert missed is not None
    assert (missed.level, missed.through) == (Level.DURABLE, 8)
    assert core.welcomed(welcome(next=9, durable=8)) is None


def test_resuming_of_another_process() -> None:
    core = Core("notes", SessionOptions(resume="earlier"))
    assert ms.ObserveStreamRequest.FromString(core.init_frame()).init.session_id == "earlier"
    core.welcomed(welcome(next=101, durable=90))
    assert core.following == 101
    observe(core, 1)
    core.hurry()
    assert sent(core) == [(101, ["101"])]


def test_acks_never_go_back_and_newer_levels_are_survived() -> None:
    core = make()
    observe(core, 3)
    sent(core)
    for through, level in ((3, DURABLE), (1, DURABLE), (3, 77), (2, VISIBLE), (1, VISIBLE)):
        core.take(ack(through, level), 0)
    assert core.acked == [0, 3, 3, 2, 0]
    assert core.generation == 3
    core.take(ack(3, sp.ACK_LEVEL_INDEXED), 0)
    assert core.acked == [0, 3, 3, 3, 3]
    assert repr(core.take(ack(3, 77), 0)) == "Ack(77 through 3, generation 3)"


def test_rejections_are_told_once() -> None:
    core = make()

    def reject(n: int) -> Any:
        return core.take(
            ms.MemoryStreamResponse(rejection=sp.Rejection(sequence=n, reason="ID_CONFLICT", message="taken")), 0
        )

    assert reject(1) is not None
    assert reject(2) is not None
    assert reject(1) is None
    err = core.take_rejected()
    assert isinstance(err, RejectedError)
    assert [r.sequence for r in err.rejections] == [1, 2]
    assert core.take_rejected() is None
    assert reject(2) is None
    for n in range(3, MAX_KEPT + 13):
        reject(n)
    err = core.take_rejected()
    assert err is not None
    assert (len(err.rejections), err.more) == (MAX_KEPT, 10)
    assert core.stats.rejected == MAX_KEPT + 12


def test_the_server_bounds_batches() -> None:
    core = make(max_batch=10)
    observe(core, 40)
    assert [len(ids) for _, ids in sent(core)] == [10, 10, 10, 10]
    status = sp.SessionStatus(state=sp.SESSION_STATE_WARNING, suggested_batch_size=5, pressure=0.75)
    told = core.take(ms.MemoryStreamResponse(status=status), 0)
    assert told == core.pressure
    assert core.pressure is not None
    assert (core.pressure.state, core.pressure.pressure) == ("WARNING", 0.75)
    observe(core, 10)
    assert [len(ids) for _, ids in sent(core)] == [5, 5]
    core.take(ms.MemoryStreamResponse(status=sp.SessionStatus(state=99)), 0)  # type: ignore[arg-type]
    assert core.pressure.state == "99"
    observe(core, 10)
    assert [len(ids) for _, ids in sent(core)] == [10]


def test_the_buffer_is_bounded() -> None:
    core = make(sp.Credits(through_sequence=2, bytes=1 << 20), buffer=5, buffer_bytes=1 << 20)
    entries = [entry(Observation("x"))] * 8
    assert core.fitting(entries, 0) == 5
    core.push(entries[:5])
    assert core.fitting(entries, 5) == 0
    assert not core.room(1)
    assert len(sent(core)) == 1
    core.take(ack(2), 0)
    assert core.fitting(entries, 5) == 2
    core = make(sp.Credits(), buffer_bytes=10)
    assert core.room(1 << 20)  # one may always be held
    core.push([b"x" * 100])
    assert not core.room(1)


def test_closing() -> None:
    core = make(sp.Credits(through_sequence=2, bytes=1 << 20), linger=10.0)
    observe(core, 3)
    core.draining = True
    core.hurry()
    assert sent(core) == [(1, ["1", "2"])]  # not closed before all is sent
    core.take(ack(2, credits=ROOMY), 0)
    assert sent(core) == [(3, ["3"]), (0, ["close"])]
    assert core.next_frame(0) == (None, FOREVER)
    with pytest.raises(ClosedError):
        core.room(1)
    core.welcomed(welcome(next=4, durable=2))  # cut before the answer
    assert sent(core) == [(0, ["close"])]
    refused = error_of("not_found", "closed", reason="SESSION_CLOSED")
    assert core.lost_answer(refused) is refused  # not everything is known to be durable
    core.take(ack(3), 0)
    assert core.lost_answer(refused) is None
    assert core.closed is not None
    assert core.closed.inferred
    assert core.acked[Level.VISIBLE] == 3


def test_an_expired_session_that_kept_nothing_starts_over() -> None:
    core = make()
    observe(core, 3)
    sent(core)
    assert core.start_over()
    assert core.id == ""
    core = make()
    observe(core, 3)
    sent(core)
    core.take(ack(1), 0)
    assert not core.start_over()


def test_flow_control_is_said_again_on_the_next_stream() -> None:
    core = make()
    core.pause(True)
    core.limit(500)
    assert sent(core) == [(0, ["flow_control"])] * 2
    core.welcomed(welcome())
    frames = [ms.ObserveStreamRequest.FromString(core.next_frame(0)[0] or b"").flow_control for _ in range(2)]
    assert [f.action for f in frames] == [sp.FLOW_ACTION_PAUSE, sp.FLOW_ACTION_SLOW_DOWN]
    assert frames[1].preferred_rate == 500
    core.pause(False)
    core.limit(0)
    sent(core)
    core.welcomed(welcome())
    assert sent(core) == []


def test_which_errors_are_final() -> None:
    for code, reason, retryable, final, back in (
        ("unavailable", "TRANSPORT", True, False, True),
        ("unavailable", "DRAINING", True, False, True),
        ("unavailable", "JOURNAL_FAILED", False, False, True),
        ("not_found", "SESSION_CLOSED", False, True, False),
        ("invalid_argument", "INVALID_NAME", False, True, False),
        ("resource_exhausted", "TOO_MANY_SESSIONS", True, False, True),
        ("internal", "TRANSPORT", False, False, True),
        ("deadline_exceeded", "DEADLINE", False, False, True),
        ("internal", "PROTOCOL_ORDER", False, False, False),
        ("data_loss", "PAYLOADS_GONE", False, True, False),
    ):
        err = error_of(code, "x", reason=reason, retryable=retryable)
        assert (is_final(err), comes_back(err)) == (final, back), err


def test_pace() -> None:
    p = Pace(10)
    p.begin(0.0, useful=False)
    assert p.fresh
    assert p.deadline == 10.0
    waits = [p.next() for _ in range(100)]
    assert all(0 <= w <= 2 * MAXIMUM for w in waits)
    assert waits[0] <= 2 * INITIAL
    assert max(waits[-50:]) > MAXIMUM / 2
    p.begin(5.0, useful=False)
    assert not p.fresh
    assert p.deadline == 10.0
    p.begin(7.0, useful=True)
    assert p.fresh
    assert p.deadline == 17.0


def test_window_totals() -> None:
    for seed in range(20):
        rng = random.Random(seed)
        w, held, first = Window(), [], 1
        for _ in range(200):
            if rng.random() < 0.6:
                new = [b"x" * rng.randrange(20) for _ in range(rng.randrange(5))]
                w.push(new)
                held += new
            else:
                through = first + rng.randrange(-1, len(held) + 2)
                w.drop(through)
                n = max(0, min(through - first + 1, len(held)))
                held, first = held[n:], first + n
            assert (w.first, len(w), w.size) == (first, len(held), sum(map(len, held)))
            for i in range(len(held)):
                assert w.through(first + i) - w.base == sum(map(len, held[: i + 1]))
            limit = rng.randrange(100)
            reached = w.reach(first, w.next - 1, w.base + limit)
            assert sum(map(len, held[: reached - first + 1])) <= limit
            if reached < w.next - 1:
                assert sum(map(len, held[: reached - first + 2])) > limit


def test_options_are_checked() -> None:
    for bad in ({"batch": 0}, {"buffer": 0}, {"linger": -1.0}, {"flush_to": 9}, {"reconnect_for": float("nan")}):
        with pytest.raises(EngramError):
            SessionOptions(**bad)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        SessionOptions(bath=1)  # type: ignore[call-arg]
