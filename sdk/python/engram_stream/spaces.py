"""Spaces: what they are, and how they are created and changed."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta

from ._gen.engram.v1 import space_pb2 as pb
from ._gen.engram.v1 import space_service_pb2 as ss
from .observation import moment


class Metric(enum.IntEnum):
    """How a space compares vectors. DEFAULT is the server's, COSINE."""

    DEFAULT = 0
    COSINE = 1
    DOT = 2
    EUCLIDEAN = 3


@dataclass(frozen=True, slots=True)
class Quotas:
    """What a space may take; what goes beyond is refused. 0 is the server's limit."""

    observations: int = 0
    bytes: int = 0
    """Vectors included."""


@dataclass(frozen=True, slots=True)
class Space:
    """A memory space."""

    id: str
    dimension: int
    """0 until the first observation fixes it."""
    metric: Metric
    embedder: str
    embedder_model: str
    generation: int
    observations: int
    unindexed: int
    bytes: int
    quarantined: int
    index_threshold: int
    created_at: datetime | None
    max_age: timedelta
    """Retention; zero is for ever."""
    max_count: int
    """Retention; 0 is no limit."""
    quotas: Quotas
    history_window: timedelta
    """How long `at` and `as_of` reach back."""
    state: str
    """ACTIVE, REPLAYING or READ_ONLY."""
    asleep: bool
    """Its rows are on disk alone until something asks for them."""

    def __repr__(self) -> str:
        return (
            f"Space({self.id!r}: {self.observations} observations, dimension {self.dimension}, "
            f"{self.metric.name.lower()}, embedder {self.embedder or 'none'}, generation {self.generation})"
        )


_METRICS = frozenset(int(x) for x in Metric)


def space_of(m: pb.Space) -> Space:
    """Read a space."""
    states = pb.SpaceState
    return Space(
        id=m.id,
        dimension=m.dimension,
        metric=Metric(int(m.metric)) if int(m.metric) in _METRICS else Metric.DEFAULT,
        embedder=m.embedder.kind,
        embedder_model=m.embedder.model,
        generation=m.generation,
        observations=m.observations,
        unindexed=m.unindexed,
        bytes=m.bytes,
        quarantined=m.quarantined,
        index_threshold=m.index_threshold,
        created_at=moment(m.created_at) if m.HasField("created_at") else None,
        max_age=m.retention.max_age.ToTimedelta(),
        max_count=m.retention.max_observations,
        quotas=Quotas(m.quotas.max_observations, m.quotas.max_bytes),
        history_window=m.history_window.ToTimedelta(),
        state=states.Name(m.state).removeprefix("SPACE_STATE_") if m.state in states.values() else str(m.state),
        asleep=m.asleep,
    )


def create_request(
    space: str,
    dimension: int,
    metric: Metric,
    embedder: str,
    index_threshold: int | None,
    max_age: timedelta | None,
    max_count: int,
    quotas: Quotas | None,
    history_window: timedelta | None,
) -> ss.CreateSpaceRequest:
    """Make the message that creates a space."""
    r = ss.CreateSpaceRequest(
        space=space,
        dimension=dimension,
        metric=int(metric),  # type: ignore[arg-type]
        embedder=embedder,
        index_threshold=index_threshold,
    )
    if max_age or max_count:
        r.retention.CopyFrom(_retention(max_age, max_count))
    if quotas is not None:
        r.quotas.CopyFrom(_quotas(quotas))
    if history_window is not None:
        r.history_window.FromTimedelta(history_window)
    return r


def update_request(
    space: str, index_threshold: int | None, retention: tuple[timedelta, int] | None, quotas: Quotas | None
) -> ss.UpdateSpaceRequest:
    """Make the message that changes a space."""
    r = ss.UpdateSpaceRequest(space=space, index_threshold=index_threshold)
    if retention is not None:
        r.retention.CopyFrom(_retention(*retention))
    if quotas is not None:
        r.quotas.CopyFrom(_quotas(quotas))
    return r


def _retention(age: timedelta | None, count: int) -> pb.Retention:
    out = pb.Retention(max_observations=count)
    if age is not None:
        out.max_age.FromTimedelta(age)
    return out


def _quotas(q: Quotas) -> pb.Quotas:
    return pb.Quotas(max_observations=q.observations, max_bytes=q.bytes)
