"""Calls outside of sessions, against a real server: reading, recalling, forgetting, spaces, operating, errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import numpy
import pytest

from engram_stream import (
    Client,
    ClosedError,
    ConflictError,
    DeadlineError,
    Filter,
    InvalidError,
    Level,
    Metric,
    NotFoundError,
    Observation,
    Quotas,
    RejectedError,
    Stored,
    above,
    below,
    between,
    eq,
    exists,
    one_of,
    where,
)
from engram_stream.testing import Server

NOW = datetime.now(timezone.utc)


def wines(c: Client, space: str) -> None:
    rng = numpy.random.default_rng(3)
    for i, country in enumerate(["Italy", "France", "Italy", "Chile"]):
        c.observe(
            space,
            Observation(
                f"wine {i}",
                rng.random(8, dtype="f4"),
                id=f"w{i}",
                confidence=0.25 * i,
                observed_at=NOW - timedelta(days=i),
                metadata={"country": country, "year": 2000 + i, "sold": i % 2 == 0},
            ),
        )


def test_what_was_sent_comes_back(engram_client: Client, engram_space: str) -> None:
    vector = numpy.array([3, -4, 0.5], "f4")
    sent = Observation("hi", vector, id="a", confidence=0.5, metadata={"x": [1, {"y": None}]}, observed_at=NOW)
    done = engram_client.observe(engram_space, sent, {"content": "there", "vector": [1, 2, 3]})
    assert done.ids[0] == "a"
    assert done.ids[1]
    found = engram_client.get(engram_space, "a", "nowhere", done.ids[1])
    assert found.missing == ["nowhere"]
    a, b = found.observations
    assert isinstance(a, Stored)
    assert numpy.array_equal(a.vector, vector)
    assert (a.content, a.confidence, a.metadata, a.observed_at) == ("hi", 0.5, {"x": [1, {"y": None}]}, NOW)
    assert b.content == "there"
    assert b.confidence == pytest.approx(0.7)
    assert a.committed_at is not None
    assert engram_client.observe(engram_space, sent).duplicates == 1
    half = engram_client.observe(engram_space, Observation("", vector, half_precision=True, id="h"))
    assert numpy.array_equal(engram_client.get(engram_space, "h").observations[0].vector, vector)
    assert half.generation > done.generation


def test_rejections_are_raised_with_the_rest_kept(engram_client: Client, engram_space: str) -> None:
    engram_client.observe(engram_space, Observation("", [1, 2], id="a"))
    with pytest.raises(RejectedError) as err:
        engram_client.observe(
            engram_space,
            Observation("", [2, 2], id="a"),
            Observation("", [2, 2], id="b"),
            Observation("", [1, 2, 3], id="c"),
            Observation("", [float("nan"), 2], id="d"),
        )
    assert [(r.sequence, r.id, r.reason) for r in err.value.rejections] == [
        (1, "a", "ID_CONFLICT"),
        (3, "c", "INVALID_DIMENSION"),
        (4, "d", "INVALID_EMBEDDING"),
    ]
    assert err.value.observed.ids[1] == "b"
    assert engram_client.get(engram_space, "b").missing == []
    engram_client.observe(engram_space, Observation("", [2, 2], id="a", replace=True))


def test_observe_in_a_session_is_safe_to_retry(engram_client: Client, engram_space: str) -> None:
    first = engram_client.observe(engram_space, Observation("", [1, 2]), first_sequence=1)
    assert first.session_id
    assert first.next_sequence == 2
    for _ in range(2):
        again = engram_client.observe(
            engram_space, Observation("", [3, 4]), session_id=first.session_id, first_sequence=2
        )
    assert again.next_sequence == 3
    assert len(list(engram_client.list(engram_space))) == 2


def test_recall_by_each_cue(engram_client: Client, engram_space: str) -> None:
    wines(engram_client, engram_space)
    stored = engram_client.get(engram_space, "w1").observations[0]
    by_vector = engram_client.recall(engram_space, vector=stored.vector, limit=2, with_vectors=True)
    assert by_vector[0].id == "w1"
    assert by_vector[0].similarity == pytest.approx(1, abs=1e-5)
    assert numpy.array_equal(by_vector[0].observation.vector, stored.vector)
    assert len(by_vector) == 2
    assert [r.id for r in by_vector] == [r.id for r in by_vector.results]
    near = engram_client.recall(engram_space, observation_id="w1", exact=True)
    assert "w1" not in [r.id for r in near]
    assert near[0].id == by_vector[1].id
    assert engram_client.recall(engram_space, vector=stored.vector, min_similarity=0.9999)[0].id == "w1"
    text = engram_client.observe(f"{engram_space}-t", "the kettle is in the red box", "rain tomorrow")
    assert engram_client.recall(f"{engram_space}-t", text="kettle in a red box", at_least=text.generation)[
        0
    ].content.startswith("the kettle")


@pytest.mark.parametrize(
    ("chosen", "want"),
    [
        (eq("metadata.country", "Italy"), {"w0", "w2"}),
        (where(eq("metadata.country", "Italy"), above("confidence", 0.2)), {"w2"}),
        (Filter(any=[eq("metadata.year", 2001), eq("metadata.sold", True)], none=[eq("id", "w0")]), {"w1", "w2"}),
        (one_of("metadata.country", ["Chile", "France"]), {"w1", "w3"}),
        (between("metadata.year", 2001, 2002), {"w1", "w2"}),
        (below("metadata.year", 2001), {"w0"}),
        (between("observed_at", NOW - timedelta(days=1, hours=1), NOW), {"w0", "w1"}),
        (exists("metadata.nothing"), set()),
        (exists("metadata.nothing", False), {"w0", "w1", "w2", "w3"}),
    ],
)
def test_filters(engram_client: Client, engram_space: str, chosen: Filter, want: set[str]) -> None:
    wines(engram_client, engram_space)
    cue = numpy.ones(8)
    assert {r.id for r in engram_client.recall(engram_space, vector=cue, filter=chosen)} == want
    assert {o.id for o in engram_client.list(engram_space, filter=chosen)} == want


def test_consistency_modes(engram_client: Client, engram_space: str) -> None:
    c, cue = engram_client, [1.0, 1.0]
    first = c.observe(engram_space, Observation("", [1, 1], id="a")).generation
    between_them = c.get(engram_space, "a").observations[0].committed_at
    second = c.observe(engram_space, Observation("", [1, 2], id="b")).generation
    assert between_them is not None

    def ids(**mode: object) -> set[str]:
        return {r.id for r in c.recall(engram_space, vector=cue, **mode)}  # type: ignore[arg-type]

    assert ids() == {"a", "b"}
    assert ids(at=first) == {"a"}
    assert ids(at_least=second) == {"a", "b"}
    assert ids(as_of=between_them) == {"a"}
    assert c.recall(engram_space, vector=cue, at=first).generation == first
    with pytest.raises(InvalidError) as ahead:
        ids(at=second + 100)
    assert (ahead.value.code, ahead.value.reason) == ("out_of_range", "GENERATION_AHEAD")
    with pytest.raises(DeadlineError):
        ids(at_least=second + 100, timeout=0.2)


def test_recall_stream_gives_the_same(engram_client: Client, engram_space: str) -> None:
    m = numpy.random.default_rng(1).random((300, 4), dtype="f4")
    engram_client.observe_many(engram_space, vectors=m)
    whole = engram_client.recall(engram_space, vector=m[0], limit=250)
    stream = engram_client.recall_stream(engram_space, vector=m[0], limit=250)
    assert [r.id for r in stream] == [r.id for r in whole]
    broken_off = engram_client.recall_stream(engram_space, vector=m[0], limit=250)
    next(broken_off)
    broken_off.close()


def test_list_forget_and_watch(engram_client: Client, engram_space: str) -> None:
    c = engram_client
    c.observe_many(
        engram_space, vectors=numpy.ones((1203, 2)) + numpy.arange(1203)[:, None], ids=[str(i) for i in range(1203)]
    )
    listed = list(c.list(engram_space, with_vectors=True))
    assert [o.id for o in listed] == [str(i) for i in range(1203)]
    assert listed[7].vector[0] == 8
    assert [o.id for o in c.list(engram_space, since=listed[1200].generation)] == ["1201", "1202"]
    watching = c.watch_space(engram_space, since=listed[1199].generation)
    assert [next(watching).id for _ in range(3)] == ["1200", "1201", "1202"]
    c.observe(engram_space, Observation("", [1, 2], id="new"))
    assert next(watching).id == "new"
    watching.close()
    gone = c.forget(engram_space, "1", "2", "nowhere")
    assert gone.count == 2
    assert c.forget_where(engram_space, one_of("id", ["3", "4"])).count == 2
    assert c.get(engram_space, "1", "4", "5").missing == ["1", "4"]
    with pytest.raises(InvalidError):
        c.forget_where(engram_space, Filter())


def test_spaces(engram_client: Client, engram_space: str) -> None:
    c = engram_client
    made = c.create_space(
        engram_space,
        dimension=8,
        metric=Metric.DOT,
        max_age=timedelta(days=2),
        quotas=Quotas(observations=5),
        history_window=timedelta(minutes=1),
    )
    assert (made.dimension, made.metric, made.max_age, made.quotas.observations) == (
        8,
        Metric.DOT,
        timedelta(days=2),
        5,
    )
    assert made.history_window == timedelta(minutes=1)
    assert c.create_space(
        engram_space, dimension=8, metric=Metric.DOT, max_age=timedelta(days=2), quotas=Quotas(observations=5)
    ).id
    with pytest.raises(ConflictError):
        c.create_space(engram_space, dimension=9)
    assert c.update_space(engram_space, max_bytes=1 << 20).max_bytes == 1 << 20
    changed = c.update_space(engram_space, max_count=3, quotas=Quotas(bytes=1 << 30))
    assert changed.max_bytes == 1 << 20, "what is not named stays"
    assert (changed.max_age, changed.max_count, changed.quotas.bytes) == (timedelta(days=2), 3, 1 << 30)
    assert [s.id for s in c.list_spaces(engram_space)] == [engram_space]
    assert c.get_space(engram_space).state == "ACTIVE"
    assert "dot" in repr(changed)
    assert c.delete_space(engram_space) == 0
    with pytest.raises(NotFoundError):
        c.get_space(engram_space)
    assert c.create_space(engram_space, dimension=8, max_bytes=1 << 30).max_bytes == 1 << 30


def test_operating(engram_client: Client, engram_space: str) -> None:
    c = engram_client
    with c.open_session(engram_space) as s:
        s.observe("x")
        s.flush(timeout=20)
        [info] = c.list_sessions(engram_space)
        assert (info.session_id, info.attached, info.durable_sequence, info.accepted) == (s.id, True, 1, 1)
    status = c.status()
    assert status.state == "SERVING"
    assert status.observations >= 1
    assert "SERVING" in repr(status)
    states = c.watch_status(0.1)
    assert [next(states).state for _ in range(2)] == ["SERVING", "SERVING"]
    states.close()
    assert c.checkpoint().catalog >= 1


def test_errors_say_what_and_where(engram_client: Client, engram_space: str) -> None:
    c = engram_client
    with pytest.raises(NotFoundError) as missing:
        c.recall(engram_space, text="x")
    assert (missing.value.code, missing.value.reason) == ("not_found", "SPACE_NOT_FOUND")
    with pytest.raises(InvalidError, match="space"):
        c.observe("NO", "x")
    with pytest.raises(InvalidError) as name:
        c.open_session("NO")
    assert (name.value.code, name.value.field) == ("invalid_argument", "space")
    with pytest.raises(NotFoundError):
        c.observe(engram_space, "x", must_exist=True)
    c.observe(engram_space, Observation("", [1, 2]), wait_for=Level.DURABLE)
    with pytest.raises(InvalidError):
        c.recall(engram_space, vector=[1, 2, 3])
    for bad in (
        {},
        {"text": "a", "vector": [1]},
        {"text": "a", "at": 1, "at_least": 2},
        {"text": "a", "limit": -1},
        {"text": 5},
    ):
        with pytest.raises(InvalidError):
            c.recall(engram_space, **bad)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="limits"):
        c.recall(engram_space, text="a", limits=3)  # type: ignore[call-arg]
    with pytest.raises(InvalidError, match=r"metadata\.x.*time zone"):
        c.list(engram_space, filter=eq("metadata.x", datetime(2026, 1, 1))).__next__()


def test_a_closed_client(engram_server: Server) -> None:
    c = Client(engram_server.address)
    c.close()
    with pytest.raises(ClosedError):
        c.status()
    assert "closed" in repr(c)
    for bad in ("", "ftp://x", "http://x/path"):
        with pytest.raises(InvalidError):
            Client(bad)
    with pytest.raises(InvalidError):
        Client("http://localhost:1", tls=True)
    with Client(f"http://{engram_server.address}") as again:
        assert again.status().state == "SERVING"


def test_the_factory_takes_flags(engram_server_factory: Callable[..., Server]) -> None:
    server = engram_server_factory("--embed-kind", "none")
    with Client(server.address) as c, pytest.raises(RejectedError) as err:
        c.observe("notes", "text alone")
    assert err.value.reason == "NO_EMBEDDER"
    assert server.stop() == 0
    assert "stopped" in repr(server)


def test_a_deadline_of_the_call_is_told_as_one() -> None:
    from engram_stream._status import from_status

    assert from_status("deadline_exceeded", "Deadline Exceeded", ()).reason == "DEADLINE"
    assert from_status("unavailable", "Socket closed", ()).reason == "TRANSPORT"
