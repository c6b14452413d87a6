"""Tables to observations, and back."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy
import pandas
import pyarrow
import pytest

from engram_stream import Client, InvalidError, frames

NOW = datetime(2026, 11, 24, tzinfo=timezone.utc)
MATRIX = numpy.random.default_rng(1).random((4, 3), dtype="f4")
TABLE = {
    "key": [1, 2, 3, 4],
    "text": ["a", "b", None, "d"],
    "country": ["Italy", None, "Chile", "Italy"],
    "score": [1.5, float("nan"), 3.0, 4.0],
    "when": [NOW] * 4,
}
METADATA = [
    {"country": "Italy", "score": 1.5, "when": "2026-11-24T00:00:00Z"},
    {"when": "2026-11-24T00:00:00Z"},
    {"country": "Chile", "score": 3.0, "when": "2026-11-24T00:00:00Z"},
    {"country": "Italy", "score": 4.0, "when": "2026-11-24T00:00:00Z"},
]


def check(c: Client, space: str, columns: dict[str, object]) -> None:
    c.observe_many(space, **columns)  # type: ignore[arg-type]
    stored = c.get(space, "1", "2", "3", "4").observations
    assert [o.content for o in stored] == ["a", "b", "", "d"]
    assert numpy.array_equal([o.vector for o in stored], MATRIX)
    assert [o.metadata for o in stored] == METADATA


def test_from_pandas(engram_client: Client, engram_space: str) -> None:
    df = pandas.DataFrame(TABLE)
    df["embedding"] = list(MATRIX)
    wanted = {"content": "text", "id": "key", "metadata": ["country", "score", "when"]}
    check(engram_client, engram_space, frames.columns(df, vector="embedding", **wanted))  # type: ignore[arg-type]
    for i in range(3):
        df[f"v{i}"] = MATRIX[:, i]
    check(engram_client, f"{engram_space}-2", frames.columns(df, vector=["v0", "v1", "v2"], **wanted))  # type: ignore[arg-type]
    df["ragged"] = [[1.0], [1.0, 2.0], [1.0], [1.0]]
    with pytest.raises(InvalidError, match="ragged"):
        frames.columns(df, vector="ragged")
    with pytest.raises(InvalidError, match="a table is"):
        frames.columns([1, 2])


def test_from_arrow(engram_client: Client, engram_space: str) -> None:
    fixed = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(MATRIX.ravel()), 3)
    table = pyarrow.table({**TABLE, "score": [1.5, None, 3.0, 4.0], "embedding": fixed})
    wanted = {"content": "text", "id": "key", "metadata": ["country", "score", "when"], "vector": "embedding"}
    check(engram_client, engram_space, frames.columns(table, **wanted))  # type: ignore[arg-type]
    chunked = pyarrow.concat_tables([table.slice(0, 1), table.slice(1)])
    check(engram_client, f"{engram_space}-2", frames.columns(chunked, **wanted))  # type: ignore[arg-type]
    lists = table.set_column(
        table.column_names.index("embedding"),
        "embedding",
        pyarrow.array(MATRIX.tolist(), pyarrow.list_(pyarrow.float32())),
    )
    check(engram_client, f"{engram_space}-3", frames.columns(lists, **wanted))  # type: ignore[arg-type]
    for bad in ([[1.0], [1.0, 2.0]], [[1.0], None]):
        with pytest.raises(InvalidError):
            frames.columns(pyarrow.table({"v": bad}), vector="v")


def test_results_as_tables(engram_client: Client, engram_space: str) -> None:
    engram_client.observe_many(
        engram_space, vectors=MATRIX, ids=list("abcd"), contents=["x"] * 4, metadata=[{"n": 1}] * 4
    )
    found = engram_client.recall(engram_space, vector=MATRIX[2], with_vectors=True)
    df = frames.to_pandas(found)
    assert df["id"][0] == "c"
    assert df["similarity"].is_monotonic_decreasing
    assert df["metadata"][0] == {"n": 1}
    assert numpy.array_equal(df["vector"][0], MATRIX[2])
    table = frames.to_arrow(engram_client.list(engram_space))
    assert table.column("id").to_pylist() == list("abcd")
    assert table.column("metadata")[0].as_py() == '{"n": 1.0}'
    assert frames.to_arrow(found).num_rows == 4
