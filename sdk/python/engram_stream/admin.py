"""What an operator sees: the server's status and its sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ._gen.engram.v1 import admin_service_pb2 as pb
from ._gen.engram.v1 import session_pb2 as sp
from .observation import Priority, moment, priority_of


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

    def __repr__(self) -> str:
        return (
            f"ServerStatus({self.state}, {self.version}: {self.observations} observations in {self.spaces} spaces, "
            f"{self.active_sessions} sessions, pressure {self.pressure:.2f})"
        )


def status_of(m: pb.ServerStatus) -> ServerStatus:
    """Read a status."""
    return ServerStatus(
        state=_name(pb.ServerState, m.state, "SERVER_STATE_"),
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
        state=_name(sp.SessionState, m.state, "SESSION_STATE_"),
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


def _name(enum: Any, value: int, prefix: str) -> str:
    return str(enum.Name(value)).removeprefix(prefix) if value in enum.values() else str(value)
