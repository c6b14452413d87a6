"""Observations as bytes: one at a time, or columns of them.

What this makes are entries: observations as they stand in a batch, each with
its tag and length. A batch is their concatenation, so an observation is encoded
once, however often it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from . import vectors
from ._wire import block, json_object, real, text, timestamp, varint
from .errors import InvalidError
from .observation import Observation

ENTRY = b"\x12"
"""Tag of ObservationBatch.observations."""

MAX_OBSERVATION = 15 << 20
"""Bytes of one observation. Servers take far less and say so by a rejection;
one that does not fit into a frame at all (16 MiB unless configured) would end
the whole stream."""


@lru_cache(maxsize=256)
def _around(size: int, half: bool) -> tuple[bytes, bytes]:
    """Return what stands before and after the packed bytes of a vector.

    Embedding (3) { packed (2) { data (1), encoding (2) } }.
    """
    data_head = b"\x0a" + varint(size)
    encoding = b"\x10\x02" if half else b"\x10\x01"
    packed_size = len(data_head) + size + len(encoding)
    packed_head = b"\x12" + varint(packed_size)
    return b"\x1a" + varint(len(packed_head) + packed_size) + packed_head + data_head, encoding


def observation_bytes(o: Observation, trace: tuple[str, str] = ("", "")) -> bytes:
    """Encode an observation; `trace` are the W3C traceparent and tracestate."""
    parts: list[bytes] = []
    if o.id:
        parts.append(text(b"\x0a", o.id, "id"))
    if o.content:
        parts.append(text(b"\x12", o.content, "content"))
    if o.vector is not None:
        data = vectors.pack(o.vector, o.half_precision)
        before, after = _around(len(data), o.half_precision)
        parts += (before, data, after)
    if o.observed_at is not None:
        parts.append(timestamp(b"\x22", o.observed_at, "observed_at"))
    if o.confidence is not None:
        parts.append(real(b"\x2d", o.confidence, "confidence"))
    if o.importance:
        parts.append(real(b"\x35", o.importance, "importance"))
    if o.context is not None:
        parts.append(_context(o.context))
    if o.emotional_valence:
        parts.append(real(b"\x45", o.emotional_valence, "emotional_valence"))
    if o.decay_rate:
        parts.append(real(b"\x4d", o.decay_rate, "decay_rate"))
    if o.metadata is not None:
        parts.append(block(b"\x52", json_object(o.metadata, "metadata")))
    if o.priority:
        parts.append(b"\x58" + varint(int(o.priority)))
    if o.expires_at is not None:
        parts.append(timestamp(b"\x62", o.expires_at, "expires_at"))
    if o.replace:
        parts.append(b"\x68\x01")
    if trace[0]:
        parts.append(text(b"\x72", trace[0], "traceparent"))
        if trace[1]:
            parts.append(text(b"\x7a", trace[1], "tracestate"))
    return b"".join(parts)


def _context(c: Any) -> bytes:
    parts: list[bytes] = []
    if c.location:
        parts.append(text(b"\x0a", c.location, "context.location"))
    parts += [text(b"\x12", p, "context.participants") for p in c.participants]
    if c.reason:
        parts.append(text(b"\x1a", c.reason, "context.reason"))
    if c.method:
        parts.append(text(b"\x22", c.method, "context.method"))
    return block(b"\x3a", b"".join(parts))


def entry(o: Observation, trace: tuple[str, str] = ("", "")) -> bytes:
    """Encode an observation as it stands in a batch."""
    data = observation_bytes(o, trace)
    return ENTRY + varint(_checked(len(data))) + data


def _checked(size: int) -> int:
    if size > MAX_OBSERVATION:
        raise InvalidError(f"the observation has {size} bytes; the limit is {MAX_OBSERVATION}", reason="TOO_LARGE")
    return size


def observation_from(what: Observation | str | Mapping[str, Any], more: Mapping[str, Any]) -> Observation:
    """Make an observation of what observe() takes."""
    if isinstance(what, Observation):
        if more:
            raise TypeError(f"{', '.join(more)}: an Observation has its fields already; use dataclasses.replace")
        return what
    if isinstance(what, str):
        return Observation(what, **more)
    if isinstance(what, Mapping):
        return Observation(**{**what, **more})
    raise TypeError(f"an observation is str, Observation or a mapping of its fields, not {type(what).__name__}")


class Columns:
    """Observations given as columns of the same length, encoded in stretches."""

    def __init__(
        self,
        *,
        vectors: Any = None,
        contents: Sequence[str] | None = None,
        ids: Sequence[str] | None = None,
        metadata: Sequence[Mapping[str, Any] | None] | None = None,
        half_precision: bool = False,
        replace: bool = False,
    ) -> None:
        self.vectors, self.contents, self.ids, self.metadata = vectors, contents, ids, metadata
        self.half, self.replace = half_precision, replace
        named = {"vectors": vectors, "contents": contents, "ids": ids, "metadata": metadata}
        sizes = {name: len(column) for name, column in named.items() if column is not None}
        if vectors is None and contents is None:
            raise InvalidError("neither vectors nor contents are given", reason="EMPTY_OBSERVATION")
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{name} has {n}" for name, n in sizes.items())
            raise InvalidError(f"the columns differ in length: {told}")
        self.count = next(iter(sizes.values()))

    def entries(self, start: int, stop: int, trace: bytes = b"") -> list[bytes]:
        """Encode the observations start..stop−1; `trace` is appended to each."""
        stop = min(stop, self.count)
        tail = (b"\x68\x01" if self.replace else b"") + trace
        columns: list[Sequence[Any]] = []
        if self.ids is not None:
            columns.append(_strings(b"\x0a", self.ids[start:stop], "ids"))
        if self.contents is not None:
            columns.append(_strings(b"\x12", self.contents[start:stop], "contents"))
        if self.metadata is not None:
            part = self.metadata[start:stop]
            columns.append([block(b"\x52", json_object(m, "metadata")) if m is not None else b"" for m in part])
        heads: list[bytes]
        if not columns:
            heads = [tail] * (stop - start)
        elif len(columns) == 1 and not tail:
            heads = list(columns[0])
        else:
            heads = [b"".join(parts) + tail for parts in zip(*columns, strict=True)]
        if self.vectors is None:
            return [ENTRY + varint(_checked(len(h))) + h for h in heads]
        return _with_vectors(heads, vectors.rows(self.vectors, start, stop, self.half), self.half)


def _with_vectors(heads: list[bytes], packed: list[Any], half: bool) -> list[bytes]:
    """Put vectors behind the other fields. The order of fields is free."""
    out: list[bytes] = []
    join, known = b"".join, -1
    before = after = b""
    lengths: dict[int, bytes] = {}
    for head, data in zip(heads, packed, strict=True):
        size = len(data)
        if size != known:
            known = size
            before, after = _around(size, half)
            fixed = len(before) + size + len(after)
            lengths = {}
        n = len(head)
        prefix = lengths.get(n)
        if prefix is None:
            lengths[n] = prefix = ENTRY + varint(_checked(n + fixed))
        out.append(join((prefix, head, before, data, after)))
    return out


def _strings(tag: bytes, column: Sequence[str], field: str) -> list[bytes]:
    """Encode a column of strings; empty ones are left out."""
    try:
        encoded = [s.encode() for s in column]
    except (UnicodeEncodeError, AttributeError):
        # Slowly, to name the one at fault.
        return [text(tag, s, f"{field}[{i}]") for i, s in enumerate(column)]
    return [tag + varint(len(b)) + b if b else b"" for b in encoded]
