"""What an operator sees: the server's status and its sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ._gen.engram.v1 import admin_service_pb2 as pb
from ._gen.engram.v1 import session_pb2 as sp
from ._gen.engram.v1 import space_pb2 as spp
from ._names import name_of
from .observation import Priority, moment, priority_of


@dataclass(frozen=True, slots=True)
class MemoryStatus:
    """The memory of spaces and of the queue that the system cannot drop and read again from a file, in bytes."""

    level: str = "UNSPECIFIED"
    """OK, WARNING, or REFUSING: new observations are refused. UNSPECIFIED of an older server, a number of a newer."""
    used: int = 0
    """The sum of the parts below."""
    budget: int = 0
    """What that may come to; 0 is no bound."""
    limit: int = 0
    """What the process may take; 0 is no bound."""
    rows: int = 0
    """Not in files yet, with their vectors."""
    ids: int = 0
    codes: int = 0
    """What rows are compared by in place of their vectors."""
    graphs: int = 0
    filters: int = 0
    rest: int = 0
    """Marks of sessions, and the spaces themselves."""
    queue: int = 0


def _memory_of(m: pb.MemoryStatus) -> MemoryStatus:
    return MemoryStatus(
        level=name_of(pb.ResourceLevel, m.level, "RESOURCE_LEVEL_"),
        used=m.used,
        budget=m.budget,
        limit=m.limit,
        rows=m.rows,
        ids=m.ids,
        codes=m.codes,
        graphs=m.graphs,
        filters=m.filters,
        rest=m.rest,
        queue=m.queue,
    )


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """How a server is doing. `message` has everything the contract tells: lanes, workers, journal, checkpoints."""

    state: str
    """REPLAYING, SERVING, DRAINING or FAILED."""
    version: str
    started_at: datetime | None
    spaces: int
    active_sessions: int
    observations: int
    """Live, in all spaces."""
    pressure: float
    """0 is idle, 1 is full."""
    observations_total: int
    """Made visible since the start."""
    rejections_total: int
    refusals_total: int
    recalls_total: int
    unindexed: int
    memory_bytes: int
    message: Any
    """engram.v1.ServerStatus."""
    memory: MemoryStatus = MemoryStatus()
    """What memory is taken, by what takes it, and how that stands to its bounds."""
    dead_rows: int = 0
    """In all spaces: deleted, replaced or quarantined, so that no recall finds them."""
    disk_level: str = "UNSPECIFIED"
    """How the journal's file system stands to its watermarks; as the level of `memory`."""
    index_policies: Mapping[str, int] = field(default_factory=dict)
    """How many spaces are indexed how: FULL, NARROW or PAUSED; see `IndexStatus`."""

    def __repr__(self) -> str:
        return (
            f"ServerStatus({self.state}, {self.version}: {self.observations} observations in {self.spaces} spaces, "
            f"{self.active_sessions} sessions, pressure {self.pressure:.2f})"
        )


def status_of(m: pb.ServerStatus) -> ServerStatus:
    """Read a status."""
    return ServerStatus(
        state=name_of(pb.ServerState, m.state, "SERVER_STATE_"),
        version=m.version,
        started_at=moment(m.started_at) if m.HasField("started_at") else None,
        spaces=m.spaces,
        active_sessions=m.active_sessions,
        observations=m.observations,
        pressure=m.pressure,
        observations_total=m.observations_total,
        rejections_total=m.rejections_total,
        refusals_total=m.refusals_total,
        recalls_total=m.recalls_total,
        unindexed=m.unindexed,
        memory_bytes=m.memory_bytes,
        message=m,
        memory=_memory_of(m.memory),
        dead_rows=m.dead_rows,
        disk_level=name_of(pb.ResourceLevel, m.journal.disk_level, "RESOURCE_LEVEL_"),
        index_policies={name_of(spp.IndexPolicy, p.policy, "INDEX_POLICY_"): p.spaces for p in m.index_policies},
    )


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What an operator sees of a session."""

    session_id: str
    space: str
    state: str
    attached: bool
    """A stream is attached to it."""
    priority: Priority
    next_sequence: int
    durable_sequence: int
    visible_sequence: int
    last_used_at: datetime | None
    accepted: int
    rejected: int
    refused: int
    duplicates: int


def session_info_of(m: pb.SessionInfo) -> SessionInfo:
    """Read what is told of a session."""
    return SessionInfo(
        session_id=m.session_id,
        space=m.space,
        state=name_of(sp.SessionState, m.state, "SESSION_STATE_"),
        attached=m.attached,
        priority=priority_of(m.priority),
        next_sequence=m.next_sequence,
        durable_sequence=m.durable_sequence,
        visible_sequence=m.visible_sequence,
        last_used_at=moment(m.last_used_at) if m.HasField("last_used_at") else None,
        accepted=m.accepted,
        rejected=m.rejected,
        refused=m.refused,
        duplicates=m.duplicates,
    )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint has written."""

    catalog: int
    position: int
    spaces: int
    bytes: int
    took: float
    """Seconds."""


def checkpoint_of(m: pb.CheckpointResponse) -> Checkpoint:
    """Read what a checkpoint has written."""
    return Checkpoint(m.catalog, m.position, m.spaces, m.bytes, m.took.seconds + m.took.nanos / 1e9)
