"""What the SDK says, in the words of the matrix."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import Any

from engram_stream import (
    Clause,
    EngramError,
    Filter,
    RejectedError,
    Rejection,
    Result,
    Space,
    Stored,
    above,
    below,
    between,
    eq,
    exists,
    one_of,
)

Json = dict[str, Any]


def error_of(err: BaseException) -> Json:
    """Put an exception into the words of the format."""
    if isinstance(err, RejectedError):
        return {"kind": "rejected", "rejections": rejections_of(err.rejections)}
    if isinstance(err, EngramError):
        return {
            "kind": "error",
            "code": err.code,
            "reason": err.reason,
            "field": err.field,
            "retryable": err.retryable,
        }
    if isinstance(err, asyncio.CancelledError):
        return {"kind": "cancelled"}
    return {"kind": "error", "code": "unknown", "reason": "NOT_OF_THE_SDK", "field": repr(err), "retryable": False}


def rejections_of(rejections: Iterable[Rejection]) -> list[Json]:
    """List rejections by their numbers."""
    ordered = sorted(rejections, key=lambda r: r.sequence)
    return [{"sequence": r.sequence, "id": r.id, "reason": r.reason} for r in ordered]


def space_of(space: Space) -> Json:
    """Tell what a space is like."""
    return {"dimension": space.dimension, "metric": space.metric.name.lower(), "embedder": space.embedder}


def results_of(results: Iterable[Result]) -> Json:
    """Tell what a recall found."""
    found = list(results)
    return {
        "ids": [r.id for r in found],
        "similarities": [rounded(r.similarity) for r in found],
        "generations": [r.generation for r in found],
    }


def rounded(x: float) -> float:
    """Round to four decimals, halves away from zero."""
    return math.copysign(math.floor(abs(x) * 1e4 + 0.5) / 1e4, x)


def components_of(vector: Any) -> list[float]:
    """Write a vector out."""
    return [] if vector is None else [float(x) for x in vector]


def stored_of(o: Stored) -> Json:
    """Tell all of an observation that was read."""
    c = o.context
    return {
        "id": o.id,
        "content": o.content,
        "vector": components_of(o.vector),
        "metadata": o.metadata,
        "observed_at": round(o.observed_at.timestamp() * 1000) if o.observed_at else 0,
        "confidence": o.confidence,
        "importance": o.importance,
        "emotional_valence": o.emotional_valence,
        "decay_rate": o.decay_rate,
        "location": c.location if c else "",
        "participants": list(c.participants) if c else [],
        "reason": c.reason if c else "",
        "method": c.method if c else "",
        "generation": o.generation,
    }


def filter_of(f: Json) -> Filter:
    """Make the SDK's filter of a script's."""
    return Filter(
        all=[_clause_of(c) for c in f.get("all", ())],
        any=[_clause_of(c) for c in f.get("any", ())],
        none=[_clause_of(c) for c in f.get("none", ())],
    )


def _clause_of(c: Json) -> Clause:
    key = c["key"]
    if "in" in c:
        return one_of(key, c["in"])
    if "exists" in c:
        return exists(key, c["exists"])
    if "range" in c:
        r = c["range"]
        if r.get("min_exclusive"):
            return above(key, r["min"])
        if r.get("max_exclusive"):
            return below(key, r["max"])
        return between(key, r.get("min"), r.get("max"))
    return eq(key, c["equals"])
