"""Spaces: what they are, and how they are created and changed."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta

from ._gen.engram.v1 import space_pb2 as pb
from ._gen.engram.v1 import space_service_pb2 as ss
from ._names import name_of
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
class IndexStatus:
    """How a space is searched."""

    scanned_by: str = "UNSPECIFIED"
    """ONE_BIT or SEVEN_BIT codes, or NONE: the vectors themselves. UNSPECIFIED while the space is asleep, and of an
    older server; a number of a newer one."""
    code_recall: float = 0.0
    """The recall@10 that these codes had in their last trial, 0..1; 0 without codes."""
    code_candidates: int = 0
    """How many of the nearest by code are compared anew by their vectors."""
    code_trial_rows: int = 0
    """How many rows the space had at that trial."""
    codes_withheld: bool = False
    """Memory is short: codes were dropped, or none are made. Recalls are slower, and lose nothing."""
    policy: str = "UNSPECIFIED"
    """How rows that wait for the graph are dealt with: inserted as configured (FULL), inserted with a NARROW search
    since too many wait, or PAUSED since what comes in needs the processors. They are scanned meanwhile."""


@dataclass(frozen=True, slots=True)
class SpaceMemory:
    """The memory a space takes that the system cannot drop and read again from a file, in bytes."""

    used: int = 0
    """The sum of what follows."""
    rows: int = 0
    """Not in files yet, with their vectors."""
    ids: int = 0
    codes: int = 0
    """What rows are compared by in place of their vectors."""
    graph: int = 0
    filters: int = 0
    rest: int = 0
    """Marks of sessions, and the space itself."""
    limit: int = 0
    """What `used` may come to; 0 is no bound of its own."""


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
    dead_rows: int = 0
    """Deleted, replaced or quarantined: no recall finds them."""
    resident_rows: int = 0
    """Those with their vectors in memory, dead ones included."""
    mapped_rows: int = 0
    """Those with their vectors in files that are mapped, dead ones included."""
    index: IndexStatus = IndexStatus()
    memory: SpaceMemory = SpaceMemory()
    max_bytes: int = 0
    """Retention; 0 is no limit."""

    def __repr__(self) -> str:
        return (
            f"Space({self.id!r}: {self.observations} observations, dimension {self.dimension}, "
            f"{self.metric.name.lower()}, embedder {self.embedder or 'none'}, generation {self.generation})"
        )


_METRICS = frozenset(int(x) for x in Metric)


def space_of(m: pb.Space) -> Space:
    """Read a space."""
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
        state=name_of(pb.SpaceState, m.state, "SPACE_STATE_"),
        asleep=m.asleep,
        dead_rows=m.dead_rows,
        resident_rows=m.resident_rows,
        mapped_rows=m.mapped_rows,
        index=_index_of(m.index),
        memory=_memory_of(m.memory),
        max_bytes=m.retention.max_bytes,
    )


def _index_of(m: pb.IndexStatus) -> IndexStatus:
    return IndexStatus(
        scanned_by=name_of(pb.ScanCodes, m.scanned_by, "SCAN_CODES_"),
        code_recall=m.code_recall,
        code_candidates=m.code_candidates,
        code_trial_rows=m.code_trial_rows,
        codes_withheld=m.codes_withheld,
        policy=name_of(pb.IndexPolicy, m.policy, "INDEX_POLICY_"),
    )


def _memory_of(m: pb.SpaceMemory) -> SpaceMemory:
    return SpaceMemory(m.used, m.rows, m.ids, m.codes, m.graph, m.filters, m.rest, m.limit)


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
    max_bytes: int,
) -> ss.CreateSpaceRequest:
    """Make the message that creates a space."""
    r = ss.CreateSpaceRequest(
        space=space,
        dimension=dimension,
        metric=int(metric),  # type: ignore[arg-type]
        embedder=embedder,
        index_threshold=index_threshold,
    )
    if max_age or max_count or max_bytes:
        r.retention.CopyFrom(_retention(max_age, max_count, max_bytes))
    if quotas is not None:
        r.quotas.CopyFrom(_quotas(quotas))
    if history_window is not None:
        r.history_window.FromTimedelta(history_window)
    return r


def update_request(
    space: str, index_threshold: int | None, retention: tuple[timedelta, int, int] | None, quotas: Quotas | None
) -> ss.UpdateSpaceRequest:
    """Make the message that changes a space."""
    r = ss.UpdateSpaceRequest(space=space, index_threshold=index_threshold)
    if retention is not None:
        r.retention.CopyFrom(_retention(*retention))
    if quotas is not None:
        r.quotas.CopyFrom(_quotas(quotas))
    return r


def retention_with(
    now: Space, age: timedelta | None, count: int | None, size: int | None
) -> tuple[timedelta, int, int]:
    """Return the retention of a space with what is to be changed of it; the server takes it as a whole."""
    return (
        now.max_age if age is None else age,
        now.max_count if count is None else count,
        now.max_bytes if size is None else size,
    )


def _retention(age: timedelta | None, count: int, size: int) -> pb.Retention:
    out = pb.Retention(max_observations=count, max_bytes=size)
    if age is not None:
        out.max_age.FromTimedelta(age)
    return out


def _quotas(q: Quotas) -> pb.Quotas:
    return pb.Quotas(max_observations=q.observations, max_bytes=q.bytes)
