"""Tables: pandas data frames and Arrow tables to observations, and back.

    client.observe_many("notes", **frames.columns(df, content="text", vector="embedding", id="key"))
    frames.to_pandas(client.recall("notes", text="kettle"))

pandas and pyarrow are extras: `pip install "engram-stream[pandas,arrow]"`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .errors import InvalidError
from .observation import Observation, Stored
from .recall import Result


def columns(
    table: Any,
    *,
    content: str | None = None,
    vector: str | Sequence[str] | None = None,
    id: str | None = None,
    metadata: Sequence[str] = (),
) -> dict[str, Any]:
    """Return a table's columns as observe_many() takes them.

    `table` is a data frame of pandas, or a table or record batch of Arrow.
    `vector` names one column of vectors or, of a data frame, as many columns
    as there are components. The `metadata` columns become fields of each
    observation's metadata; missing values are left out.
    """
    if hasattr(table, "schema") and hasattr(table, "column"):
        return _of_arrow(table, content, vector, id, metadata)
    if hasattr(table, "iloc"):
        return _of_pandas(table, content, vector, id, metadata)
    raise InvalidError(f"a table is a data frame of pandas or a table of Arrow, not {type(table).__name__}")


def _of_pandas(
    df: Any, content: str | None, vector: str | Sequence[str] | None, id: str | None, metadata: Sequence[str]
) -> dict[str, Any]:
    import numpy

    out: dict[str, Any] = {}
    if content is not None:
        out["contents"] = df[content].fillna("").tolist()
    if id is not None:
        out["ids"] = [str(x) for x in df[id].tolist()]
    if isinstance(vector, str):
        values = df[vector].tolist()
        try:
            out["vectors"] = numpy.stack([numpy.asarray(v, dtype="f4") for v in values]) if values else values
        except (TypeError, ValueError) as err:
            raise InvalidError(f"column {vector!r} is not one of vectors of the same length: {err}") from None
    elif vector is not None:
        out["vectors"] = df[list(vector)].to_numpy(dtype="f4")
    if metadata:
        named = df[list(metadata)]
        present = named.notna().to_numpy()
        rows = named.to_dict("records")
        out["metadata"] = [
            {k: _plain(v) for (k, v), there in zip(row.items(), seen, strict=True) if there}
            for row, seen in zip(rows, present, strict=True)
        ]
    return out


def _of_arrow(
    table: Any, content: str | None, vector: str | Sequence[str] | None, id: str | None, metadata: Sequence[str]
) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if content is not None:
        out["contents"] = [x or "" for x in table.column(content).to_pylist()]
    if id is not None:
        out["ids"] = [str(x) for x in table.column(id).to_pylist()]
    if vector is not None:
        if not isinstance(vector, str):
            raise InvalidError("of an Arrow table, vector names one column")
        out["vectors"] = _arrow_vectors(table.column(vector), vector)
    if metadata:
        rows = table.select(list(metadata)).to_pylist()
        out["metadata"] = [{k: v for k, v in row.items() if v is not None} for row in rows]
    return out


def _arrow_vectors(column: Any, name: str) -> Any:
    """Return a list column as a matrix, without going through Python's lists."""
    if hasattr(column, "combine_chunks"):
        column = column.combine_chunks()
    if getattr(column, "num_chunks", 1) != 1:  # an empty ChunkedArray
        return []
    if column.null_count:
        raise InvalidError(f"column {name!r} has {column.null_count} rows without a vector")
    flat = column.flatten().to_numpy(zero_copy_only=False)
    if len(column) == 0 or len(flat) % len(column):
        raise InvalidError(f"column {name!r} is not one of vectors of the same length")
    return flat.reshape(len(column), -1)


def _plain(value: Any) -> Any:
    """Turn pandas' moments into Python's."""
    return value.to_pydatetime() if hasattr(value, "to_pydatetime") else value


def records(items: Iterable[Result | Observation]) -> list[dict[str, Any]]:
    """Return results, or stored observations, as flat records."""
    out = []
    for item in items:
        row: dict[str, Any] = {}
        o = item.observation if isinstance(item, Result) else item
        row["id"], row["content"] = o.id, o.content
        if isinstance(item, Result):
            row["similarity"], row["generation"] = item.similarity, item.generation
        elif isinstance(item, Stored):
            row["generation"], row["committed_at"] = item.generation, item.committed_at
        row["observed_at"], row["confidence"], row["importance"] = o.observed_at, o.confidence, o.importance
        row["metadata"] = dict(o.metadata) if o.metadata is not None else None
        if o.vector is not None:
            row["vector"] = o.vector
        out.append(row)
    return out


def to_pandas(items: Iterable[Result | Observation]) -> Any:
    """Return results, or stored observations, as a data frame."""
    import pandas

    return pandas.DataFrame(records(items))


def to_arrow(items: Iterable[Result | Observation]) -> Any:
    """Return results, or stored observations, as an Arrow table; metadata is JSON text."""
    import json

    import pyarrow

    rows = records(items)
    for row in rows:
        row["metadata"] = json.dumps(row["metadata"]) if row["metadata"] is not None else None
        if "vector" in row:
            row["vector"] = [float(x) for x in row["vector"]]
    return pyarrow.Table.from_pylist(rows)
