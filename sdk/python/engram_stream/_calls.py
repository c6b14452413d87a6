"""The calls of the contract: paths, messages, and what both clients make of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from ._encode import entry, observation_from
from ._gen.engram.v1 import admin_service_pb2 as ad
from ._gen.engram.v1 import memory_service_pb2 as ms
from ._gen.engram.v1 import observation_pb2 as op
from ._gen.engram.v1 import recall_pb2 as rp
from ._gen.engram.v1 import space_service_pb2 as ss
from .errors import Rejection
from .filters import Clause, Filter, to_wire
from .observation import Level, Observation, Stored, stored_of

R = TypeVar("R", bound=Message)


@dataclass(frozen=True, slots=True)
class Method(Generic[R]):
    """One call: its path, and the class of its answer."""

    path: str
    answer: type[R]


def _method(service: str, name: str, answer: type[R]) -> Method[R]:
    return Method(f"/engram.v1.{service}/{name}", answer)


OBSERVE_STREAM = _method("MemoryService", "ObserveStream", ms.MemoryStreamResponse)
"""Read as the frames of MemoryStream, whose fields have the same numbers."""
MEMORY_STREAM = _method("MemoryService", "MemoryStream", ms.MemoryStreamResponse)
OBSERVE = _method("MemoryService", "Observe", ms.ObserveResponse)
WATCH_SESSION = _method("MemoryService", "WatchSession", ms.WatchSessionResponse)
RECALL = _method("MemoryService", "Recall", rp.RecallResponse)
RECALL_STREAM = _method("MemoryService", "RecallStream", rp.RecallStreamResponse)
WATCH_SPACE = _method("MemoryService", "WatchSpace", ms.WatchSpaceResponse)
GET = _method("MemoryService", "GetObservations", ms.GetObservationsResponse)
LIST = _method("MemoryService", "ListObservations", ms.ListObservationsResponse)
FORGET = _method("MemoryService", "Forget", ms.ForgetResponse)
CREATE_SPACE = _method("SpaceService", "CreateSpace", ss.CreateSpaceResponse)
GET_SPACE = _method("SpaceService", "GetSpace", ss.GetSpaceResponse)
LIST_SPACES = _method("SpaceService", "ListSpaces", ss.ListSpacesResponse)
UPDATE_SPACE = _method("SpaceService", "UpdateSpace", ss.UpdateSpaceResponse)
DELETE_SPACE = _method("SpaceService", "DeleteSpace", ss.DeleteSpaceResponse)
STATUS = _method("AdminService", "GetStatus", ad.GetStatusResponse)
WATCH_STATUS = _method("AdminService", "WatchStatus", ad.WatchStatusResponse)
LIST_SESSIONS = _method("AdminService", "ListSessions", ad.ListSessionsResponse)
CLOSE_SESSION = _method("AdminService", "CloseSession", ad.CloseSessionResponse)
CHECKPOINT = _method("AdminService", "Checkpoint", ad.CheckpointResponse)

PAGE = 500
"""Observations a page is asked for."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What became of a batch."""

    ids: list[str]
    """One per observation."""
    generation: int
    """The generation at which everything kept is visible."""
    duplicates: int
    rejections: list[Rejection] = field(default_factory=list)
    """`sequence` is the position, from 1; in a session, the number."""
    session_id: str = ""
    next_sequence: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What was read by id."""

    observations: list[Stored]
    """Those found, in the order asked for."""
    missing: list[str]
    """The ids that the space does not hold."""
    generation: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was deleted: durable, and gone from every recall."""

    count: int
    generation: int


@dataclass(frozen=True, slots=True)
class ManyResult:
    """What became of many observations."""

    count: int
    """How many were handed over; all are kept and visible."""
    session_id: str
    generation: int
    """The generation at which all are visible; pass it to recall() as `at_least`."""
    seconds: float
    resent: int
    reconnects: int

    def __repr__(self) -> str:
        rate = self.count / self.seconds if self.seconds > 0 else 0.0
        told = f"{self.count} observations in {self.seconds:.2f} s, {rate:,.0f} a second"
        return f"ManyResult({told}, generation {self.generation})"


def observe_request(
    space: str,
    batch: Iterable[Observation | str | Mapping[str, Any]],
    wait_for: Level,
    must_exist: bool,
    session_id: str,
    first_sequence: int,
    trace: tuple[str, str],
) -> bytes:
    """Encode an ObserveRequest: its entries have another tag than those of a batch on a stream."""
    head = ms.ObserveRequest(
        space=space,
        session_id=session_id,
        first_sequence=first_sequence,
        wait_for=int(wait_for),  # type: ignore[arg-type]
        must_exist=must_exist,
    )
    entries = [b"\x22" + entry(observation_from(o, {}), trace)[1:] for o in batch]
    return b"".join((head.SerializeToString(), *entries))


def observed_of(m: ms.ObserveResponse) -> Observed:
    """Read what became of a batch."""
    return Observed(
        ids=list(m.observation_ids),
        generation=m.generation,
        duplicates=m.duplicates,
        rejections=[Rejection(r.sequence, r.observation_id, r.reason, r.message) for r in m.rejections],
        session_id=m.session_id,
        next_sequence=m.next_sequence,
    )


def include(with_vectors: bool) -> op.Include:
    """Return which parts to read."""
    return op.Include(content=True, embedding=with_vectors, metadata=True)


def list_request(
    space: str, since: int, at: int, chosen: Filter | Clause | None, with_vectors: bool
) -> ms.ListObservationsRequest:
    """Make the message that asks for the first page."""
    return ms.ListObservationsRequest(
        space=space,
        page_size=PAGE,
        since_generation=since,
        at=at,
        filter=to_wire(chosen),
        include=include(with_vectors),
    )


def watch_request(
    space: str, since: int | None, chosen: Filter | Clause | None, with_vectors: bool
) -> ms.WatchSpaceRequest:
    """Make the message that watches a space."""
    return ms.WatchSpaceRequest(
        space=space, since_generation=since, filter=to_wire(chosen), include=include(with_vectors)
    )


def forget_request(space: str, ids: Iterable[str], chosen: Filter | Clause | None) -> ms.ForgetRequest:
    """Make the message that deletes."""
    return ms.ForgetRequest(space=space, ids=ids, filter=to_wire(chosen))


def found_of(m: ms.GetObservationsResponse) -> Found:
    """Read what was found by id."""
    return Found([stored_of(s) for s in m.observations], list(m.missing_ids), m.generation)
