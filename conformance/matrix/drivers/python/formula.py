"""Observations by formula: the README two folders up says how they are made."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from engram_stream import Context, Observation

Json = dict[str, Any]

_FIRST = datetime(2026, 1, 1, tzinfo=timezone.utc)


def vector_of(n: int, make: Json) -> list[float] | None:
    """Return the formula's vector of observation n; None where there is to be none."""
    s = make.get("seed", 0)
    components = [
        ((31 * n + 17 * j + 7 * s + n % 89 * (j % 13)) % 101 - 50) / 64 for j in range(make.get("dimension", 8))
    ]
    return components or None


def observation_of(n: int, make: Json) -> Observation:
    """Make observation number n."""
    o = Observation(vector=vector_of(n, make), metadata={"n": n, "odd": n % 2 == 1, "tag": f"t{n % 3}"})
    if ids := make.get("ids", "o-"):
        o.id = f"{ids}{n}"
    if content := make.get("content", "note "):
        o.content = f"{content}{n}"
    if make.get("full"):
        o.observed_at = _FIRST + timedelta(seconds=n)
        o.confidence = n % 9 / 8
        o.importance = n % 5 / 4
        o.emotional_valence = n % 5 / 2 - 1
        o.decay_rate = n % 3 / 4
        o.context = Context(f"room {n % 4}", ("ann", f"p{n}"), f"why {n}", "said")
    _change(o, make.get("set", {}))
    return o


def _change(o: Observation, changes: Json) -> None:
    for name, value in changes.items():
        if name == "content_bytes":
            o.content = "x" * value
        elif name == "vector" and value in ("nan", "inf"):
            o.vector = [float(value), *(o.vector or ())[1:]]
        elif name in ("id", "content", "vector", "half_precision", "replace", "confidence"):
            setattr(o, name, value)
