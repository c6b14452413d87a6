"""What is encoded by hand is what the generated messages read, and vectors keep their values."""

from __future__ import annotations

import array
import math
import random
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import numpy
import pytest
from google.protobuf import json_format, struct_pb2

from engram_stream import Context, InvalidError, Observation, Priority, vectors
from engram_stream import _wire as wire
from engram_stream._encode import Columns, entry, observation_bytes
from engram_stream._gen.engram.v1 import memory_service_pb2 as ms
from engram_stream._gen.engram.v1 import observation_pb2 as op
from engram_stream._gen.engram.v1 import session_pb2 as sp
from engram_stream._status import _details
from engram_stream.observation import observation_of

MOMENT = datetime(2026, 11, 24, 10, 20, 30, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
FULL = Observation(
    "the kettle is in the red box — 赤い箱",
    [1.0, -2.5, 3.25],
    id="k",
    observed_at=MOMENT,
    expires_at=datetime(1969, 7, 20, tzinfo=timezone.utc),
    confidence=0.0,
    importance=0.5,
    emotional_valence=-1.0,
    decay_rate=2.0,
    context=Context("kitchen", ("ann", "bo"), "asked", "seen"),
    metadata={"a": [1, None, True, {"b": "x"}], "n": -1.5, "e": {}, "l": [], "when": MOMENT},
    priority=Priority.LOW,
    replace=True,
)


def test_every_field_is_read_back() -> None:
    m = op.Observation.FromString(observation_bytes(FULL, ("00-01-02-01", "a=b")))
    assert not m.ListFields()[-1][0].name.startswith("unknown")
    assert (m.traceparent, m.tracestate) == ("00-01-02-01", "a=b")
    back = observation_of(m)
    assert back.observed_at == MOMENT
    assert back.observed_at.tzinfo is timezone.utc
    assert back.expires_at == FULL.expires_at
    assert back.metadata == {
        "a": [1, None, True, {"b": "x"}],
        "n": -1.5,
        "e": {},
        "l": [],
        "when": "2026-11-24T04:50:30.123456Z",
    }
    assert list(back.vector) == [1.0, -2.5, 3.25]
    for name in (
        "content",
        "id",
        "confidence",
        "importance",
        "emotional_valence",
        "decay_rate",
        "context",
        "priority",
        "replace",
    ):
        assert getattr(back, name) == getattr(FULL, name), name


def test_json_goes_both_ways() -> None:
    back = Observation.from_json(FULL.to_json())
    assert back.content == FULL.content
    assert list(back.vector) == [1.0, -2.5, 3.25]
    assert back.metadata == observation_of(op.Observation.FromString(observation_bytes(FULL))).metadata
    with pytest.raises(InvalidError):
        Observation.from_json('{"nothing": 1}')


def test_varints() -> None:
    for n in (0, 1, 127, 128, 300, 16383, 16384, 2**32, 2**63, 2**64 - 1):
        [(number, value)] = wire.fields(b"\x08" + wire.varint(n))
        assert (number, value) == (1, n)
    for bad in (b"\x08", b"\x0a\x05ab", b"\x08" + b"\xff" * 11, b"\x0b", b"\x09\x01"):
        with pytest.raises(ValueError, match=r"."):
            list(wire.fields(bad))


def test_random_metadata_is_what_json_makes_of_it() -> None:
    rng = random.Random(3)

    def value(depth: int) -> object:
        kind = rng.randrange(7 if depth < 4 else 5)
        if kind == 5:
            return {f"k{i}": value(depth + 1) for i in range(rng.randrange(4))}
        if kind == 6:
            return [value(depth + 1) for _ in range(rng.randrange(4))]
        return [None, True, False, rng.random() * 10**6, "ü" * rng.randrange(200)][kind]

    for _ in range(200):
        made = {f"key{i}": value(0) for i in range(rng.randrange(6))}
        read = struct_pb2.Struct.FromString(wire.json_object(made, "metadata"))
        want = json_format.ParseDict(made, struct_pb2.Struct())
        assert read == want


@pytest.mark.parametrize(
    ("o", "field"),
    [
        (Observation("\ud800"), "content"),
        (Observation("x", id="\udfff"), "id"),
        (Observation("x", context=Context(participants=["\ud800"])), "context.participants"),
        (Observation("x", metadata={"a": "\ud800"}), "metadata.a"),
        (Observation("x", metadata={"a": {1: 2}}), "metadata.a"),
        (Observation("x", metadata={"a": object()}), "metadata.a"),
        (Observation("x", metadata={"a": 2**60}), "metadata.a"),
        (Observation("x", observed_at=datetime(2026, 1, 1)), "observed_at"),
        (Observation("x", importance="much"), "importance"),  # type: ignore[arg-type]
        (Observation("x", ["a"]), "vector"),
        (Observation("x", [[1.0], [2.0]]), "vector"),
        (Observation("x", numpy.zeros((2, 2))), "vector"),
        (Observation("x", b"123"), "vector"),
        (Observation("x", 5), "vector"),
        (Observation(b"x"), "content"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_sent_is_named(o: Observation, field: str) -> None:
    with pytest.raises(InvalidError) as err:
        entry(o)
    assert err.value.field == field


def test_metadata_that_never_ends() -> None:
    loop: dict[str, object] = {}
    loop["again"] = loop
    with pytest.raises(InvalidError, match="deeper"):
        entry(Observation("x", metadata=loop))
    rings: list[object] = []
    rings.append(rings)
    with pytest.raises(InvalidError, match="deeper"):
        entry(Observation("x", metadata={"a": rings}))
    with pytest.raises(InvalidError, match="limit is 15728640"):
        entry(Observation("x" * (16 << 20)))


VALUES = [0.0, 1.5, -3.25, 1e-30, 65504.0]


@pytest.mark.parametrize(
    "vector",
    [
        VALUES,
        tuple(VALUES),
        array.array("f", VALUES),
        array.array("d", VALUES),
        memoryview(array.array("f", VALUES)),
        numpy.array(VALUES, "f4"),
        numpy.array(VALUES, ">f4"),
        numpy.array(VALUES, "f8"),
        numpy.array([0, *VALUES, 0], "f4")[1:-1],
        numpy.array(VALUES * 2, "f4").reshape(2, 5).T[:, 0],
        array.array("f", VALUES).tobytes(),
        bytearray(array.array("f", VALUES).tobytes()),
    ],
)
def test_vectors_of_all_kinds(vector: object) -> None:
    want = numpy.array(VALUES, "<f4")
    assert vectors.pack(vector) == want.tobytes()
    assert numpy.array_equal(vectors.unpack(vectors.pack(vector)), want)
    half = vectors.unpack(vectors.pack(vector, half=True), half=True)
    assert numpy.array_equal(half, want.astype("<f2").astype("f4"))


def test_a_matrix_is_its_rows() -> None:
    matrix = numpy.random.default_rng(1).random((10, 7))
    for half in (False, True):
        cut = vectors.rows(matrix, 2, 5, half)
        assert [bytes(r) for r in cut] == [vectors.pack(r, half) for r in matrix[2:5]]
    assert [bytes(r) for r in vectors.rows(matrix.tolist(), 2, 5)] == [vectors.pack(r) for r in matrix[2:5]]
    assert vectors.rows(matrix, 3, 3) == []


def test_columns_are_the_same_as_one_by_one() -> None:
    matrix = numpy.random.default_rng(1).random((50, 3), dtype="f4")
    rng = random.Random(2)
    ids = [f"{'i' * rng.randrange(1, 200)}{n}" for n in range(50)]
    contents = ["" if n % 7 == 0 else f"text {n}" * rng.randrange(40) for n in range(50)]
    metadata = [None if n % 5 == 0 else {"n": n} for n in range(50)]
    table = Columns(vectors=matrix, contents=contents, ids=ids, metadata=metadata, replace=True)
    entries = table.entries(0, 30) + table.entries(30, 60)
    batch = sp.ObservationBatch.FromString(b"".join(entries))
    assert len(batch.observations) == 50
    for i, m in enumerate(batch.observations):
        o = Observation(contents[i], matrix[i], id=ids[i], metadata=metadata[i], replace=True)
        assert m == op.Observation.FromString(observation_bytes(o))
    only_text = sp.ObservationBatch.FromString(b"".join(Columns(contents=contents).entries(0, 50)))
    assert [m.content for m in only_text.observations] == contents
    tagged = Columns(vectors=[[1.0], [1.0, 2.0]]).entries(0, 2, b"\x72\x01x")
    assert [m.traceparent for m in sp.ObservationBatch.FromString(b"".join(tagged)).observations] == ["x", "x"]


def test_columns_that_do_not_fit() -> None:
    with pytest.raises(InvalidError, match="vectors has 2, ids has 3"):
        Columns(vectors=[[1], [2]], ids=["a", "b", "c"])
    with pytest.raises(InvalidError, match="neither"):
        Columns(ids=["a"])
    with pytest.raises(InvalidError, match=r"ids\[1\]"):
        Columns(contents=["x", "y"], ids=["a", "\ud800"]).entries(0, 2)


def test_details_of_errors() -> None:
    info = b"\x0a\x0aQUEUE_FULL" + wire.block(b"\x1a", wire.block(b"\x0a", b"field") + wire.block(b"\x12", b"space"))
    retry = wire.block(b"\x0a", b"\x08\x01\x10\x80\xca\xb5\xee\x01")
    status = b"\x08\x08" + b"".join(
        wire.block(b"\x1a", wire.block(b"\x0a", b"type.googleapis.com/google.rpc." + kind) + wire.block(b"\x12", body))
        for kind, body in ((b"ErrorInfo", info), (b"RetryInfo", retry), (b"Newer", b"\xff"))
    )
    reason, field, wait = _details(status)
    assert (reason, field) == ("QUEUE_FULL", "space")
    assert math.isclose(wait or 0, 1.5)
    rng = random.Random(4)
    for _ in range(2000):  # whatever comes, nothing worse than being ignored
        bad = bytearray(status)
        for _ in range(rng.randrange(1, 6)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        _details(bytes(bad[: rng.randrange(len(bad) + 1)]))


def test_unknown_values_of_newer_servers() -> None:
    m = op.Observation(id="x")
    data = m.SerializeToString() + b"\x58\x63" + wire.block(b"\xfa\x3f", b"new field")  # priority 99, field 1023
    assert observation_of(op.Observation.FromString(data)).priority == Priority.UNSET
    newer = op.Embedding(packed=op.PackedVector(data=b"abcd", encoding=17))  # type: ignore[arg-type]
    assert observation_of(op.Observation(embedding=newer)).vector is None
    frame = ms.MemoryStreamResponse.FromString(wire.block(b"\xfa\x3f", b"a frame of the future"))
    assert frame.WhichOneof("frame") is None


def test_reprs_are_short() -> None:
    o = Observation("x" * 500, numpy.zeros(1536, "f4"), id="a")
    assert len(repr(o)) < 130
    assert "1536" in repr(o)
    assert repr(Observation("hi")) == "Observation('hi')"


def test_without_numpy_and_opentelemetry() -> None:
    script = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("numpy", "opentelemetry", "pandas", "pyarrow", "tqdm"):
            raise ImportError(name)
sys.meta_path.insert(0, Missing())
import array
from engram_stream import Observation, vectors
from engram_stream._channel import trace_context
from engram_stream._encode import Columns
assert vectors.numpy is None and trace_context() == ("", "")
values = [0.5, -1.0, 2.0]
for v in (values, tuple(values), array.array("f", values), array.array("d", values), memoryview(array.array("f", values))):
    data = vectors.pack(v)
    assert vectors.unpack(data) == array.array("f", values), v
    assert vectors.unpack(vectors.pack(v, half=True), half=True) == array.array("f", values)
assert vectors.pack(vectors.pack(values)) == vectors.pack(values)
assert len(Columns(vectors=[values, values]).entries(0, 2)) == 2
print("ok", Observation("x", values))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("ok"), done.stderr
