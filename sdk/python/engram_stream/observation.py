"""Observations: what is handed to a server, and what comes back."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from . import vectors
from ._gen.engram.v1 import observation_pb2 as pb
from .errors import InvalidError


class Priority(enum.IntEnum):
    """The lane an observation waits in. UNSET leaves the choice to the session, or is NORMAL."""

    UNSET = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3


class Level(enum.IntEnum):
    """How far an observation has come, in the order in which that is reached."""

    ACCEPTED = 1
    """In memory: a crash may lose it."""
    DURABLE = 2
    """On stable storage."""
    VISIBLE = 3
    """Recall finds it."""
    INDEXED = 4
    """In the structure its space aims at."""


@dataclass(slots=True)
class Context:
    """Where, with whom, why and how something was observed."""

    location: str = ""
    participants: Sequence[str] = ()
    reason: str = ""
    method: str = ""


@dataclass(slots=True)
class Observation:
    """One thing to remember: a text, a vector, or both."""

    content: str = ""
    """The text. Without a vector the space's embedder makes one of it."""
    vector: Any = None
    """Components, as many as the space has dimensions: an array, a buffer, a
    sequence of numbers, or bytes of packed binary32. See `vectors`. As read it
    is a float32 array of numpy or, without numpy, an array.array("f")."""
    id: str = field(default="", kw_only=True)
    """Names it within its space: 1–128 bytes. Sending it again with the same
    content changes nothing. Empty: derived by the server."""
    half_precision: bool = field(default=False, kw_only=True)
    """Send the vector as binary16: half the bytes, three decimal digits."""
    observed_at: datetime | None = field(default=None, kw_only=True)
    """When it was observed, with a time zone. None: when it is received."""
    expires_at: datetime | None = field(default=None, kw_only=True)
    """From when on no recall returns it, with a time zone. None: never."""
    confidence: float | None = field(default=None, kw_only=True)
    """How sure the observer is, 0..1. None is the server's default, 0.7."""
    importance: float = field(default=0.0, kw_only=True)
    """How much it matters, 0..1."""
    emotional_valence: float = field(default=0.0, kw_only=True)
    """From unpleasant (−1) to pleasant (1)."""
    decay_rate: float = field(default=0.0, kw_only=True)
    """How fast it should fade, ≥ 0."""
    context: Context | None = field(default=None, kw_only=True)
    """Where, with whom, why and how."""
    metadata: Mapping[str, Any] | None = field(default=None, kw_only=True)
    """Anything else, as JSON has it. Numbers are binary64; moments go as RFC 3339 text."""
    priority: Priority = field(default=Priority.UNSET, kw_only=True)
    """The lane."""
    replace: bool = field(default=False, kw_only=True)
    """Overwrite what the space holds under the id."""

    def __repr__(self) -> str:
        parts = [repr(shortened(self.content))] if self.content else []
        if self.vector is not None:
            parts.append(f"vector={vector_text(self.vector)}")
        for name in _SHOWN:
            value = getattr(self, name)
            if value != _DEFAULTS[name]:
                parts.append(f"{name}={shortened(value) if isinstance(value, str) else value!r}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def to_json(self) -> str:
        """Return the JSON form of the contract; a vector is written as numbers."""
        from ._encode import observation_bytes

        m = pb.Observation.FromString(observation_bytes(self))
        if self.vector is not None:
            values = [float(x) for x in vector_of(m.embedding)]
            m.embedding.Clear()
            m.embedding.values.extend(values)
        return json_format.MessageToJson(m, preserving_proto_field_name=True, indent=None)

    @classmethod
    def from_json(cls, text: str | bytes) -> Observation:
        """Read the JSON form of the contract."""
        m = pb.Observation()
        try:
            json_format.Parse(text, m)
        except (json_format.ParseError, json.JSONDecodeError) as err:
            raise InvalidError(str(err)) from None
        return observation_of(m)


_SHOWN = (
    "id",
    "half_precision",
    "observed_at",
    "expires_at",
    "confidence",
    "importance",
    "emotional_valence",
    "decay_rate",
    "context",
    "metadata",
    "priority",
    "replace",
)
_DEFAULTS: dict[str, Any] = {name: getattr(Observation(), name) for name in _SHOWN}


@dataclass(slots=True, repr=False)
class Stored(Observation):
    """An observation as a space holds it."""

    generation: int = field(default=0, kw_only=True)
    """The generation under which it became visible."""
    committed_at: datetime | None = field(default=None, kw_only=True)
    """When that generation was committed, rounded up: a recall `as_of` it sees the observation."""
    quarantine: str = field(default="", kw_only=True)
    """Why it is kept from recall; empty if it is not."""


def shortened(text: str, limit: int = 60) -> str:
    """Return a text that fits into a line."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def vector_text(vector: Any) -> str:
    """Describe a vector without writing it out."""
    try:
        n = len(vector)
    except TypeError:
        return f"<{type(vector).__name__}>"
    if isinstance(vector, (bytes, bytearray)):
        return f"<{n // 4} × float32, packed>"
    shown = ", ".join(f"{float(x):.3g}" for x in vector[:3])
    return f"<{n}: {shown}{', …' if n > 3 else ''}>"


def moment(value: Timestamp) -> datetime:
    """Return a timestamp of a message, in UTC; nanoseconds are cut off."""
    return value.ToDatetime(tzinfo=timezone.utc)


def moment_after(value: Timestamp) -> datetime:
    """Return a timestamp of a message, in UTC, rounded up: so that a recall `as_of` it sees what was committed then."""
    out = value.ToDatetime(tzinfo=timezone.utc)
    return out + timedelta(microseconds=1) if value.nanos % 1000 else out


def vector_of(m: pb.Embedding) -> Any:
    """Read a vector in any of its forms; None for one of a newer server."""
    if not m.HasField("packed"):
        return vectors.from_values(m.values)
    if m.packed.encoding == pb.VECTOR_ENCODING_F32_LE:
        return vectors.unpack(m.packed.data)
    if m.packed.encoding == pb.VECTOR_ENCODING_F16_LE:
        return vectors.unpack(m.packed.data, half=True)
    return None


def _fields_of(m: pb.Observation) -> dict[str, Any]:
    out: dict[str, Any] = {
        "content": m.content,
        "id": m.id,
        "importance": m.importance,
        "emotional_valence": m.emotional_valence,
        "decay_rate": m.decay_rate,
        "replace": m.replace,
    }
    if m.priority:
        out["priority"] = priority_of(m.priority)
    if m.HasField("embedding"):
        out["vector"] = vector_of(m.embedding)
    if m.HasField("confidence"):
        out["confidence"] = m.confidence
    if m.HasField("observed_at"):
        out["observed_at"] = moment(m.observed_at)
    if m.HasField("expires_at"):
        out["expires_at"] = moment(m.expires_at)
    if m.HasField("context"):
        c = m.context
        out["context"] = Context(c.location, tuple(c.participants), c.reason, c.method)
    if m.HasField("metadata"):
        out["metadata"] = json_format.MessageToDict(m.metadata)
    return out


_PRIORITIES = frozenset(int(p) for p in Priority)


def priority_of(n: int) -> Priority:
    """Read a priority; one of a newer server is UNSET."""
    return Priority(int(n)) if int(n) in _PRIORITIES else Priority.UNSET


def observation_of(m: pb.Observation) -> Observation:
    """Read an observation of a message."""
    return Observation(**_fields_of(m))


def stored_of(m: pb.StoredObservation) -> Stored:
    """Read an observation as a space holds it."""
    return Stored(
        **_fields_of(m.observation),
        generation=m.generation,
        committed_at=moment_after(m.committed_at) if m.HasField("committed_at") else None,
        quarantine=m.quarantine_reason,
    )
