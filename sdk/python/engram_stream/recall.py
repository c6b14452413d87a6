"""Recalls: what is asked, and what is found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from google.protobuf.timestamp_pb2 import Timestamp

from . import _wire, vectors
from ._gen.engram.v1 import observation_pb2 as op
from ._gen.engram.v1 import recall_pb2 as pb
from .errors import InvalidError
from .filters import Clause, Filter, to_wire
from .observation import Observation, moment_after, observation_of, shortened


class RecallOptions(TypedDict, total=False):
    """The keywords of recall(): one cue, and how to look for it."""

    text: str
    """A cue: a text, in a space that has an embedder."""
    vector: Any
    """A cue: a vector of the space's dimension."""
    observation_id: str
    """A cue: an observation, which is itself left out."""
    limit: int
    """How many results there may be, 1..10,000; 10 without it."""
    min_similarity: float
    """Leaves out what is less similar."""
    filter: Filter | Clause
    """Only what matches."""
    at_least: int
    """Waits until this generation is visible: read your own writes."""
    at: int
    """Exactly this generation."""
    as_of: datetime
    """The last generation at or before this time."""
    effort: int
    """The width of the graph search: higher finds more, more slowly."""
    exact: bool
    """Compare with every observation."""
    with_vectors: bool
    """Results carry their vectors."""


@dataclass(frozen=True, slots=True)
class Result:
    """One observation that was found."""

    observation: Observation
    similarity: float
    """Cosine: −1..1. Dot: the product. Euclidean: 1 / (1 + distance)."""
    generation: int
    in_graph: bool
    """Found through the graph rather than by the scan of fresh rows."""

    @property
    def id(self) -> str:
        """The observation's id."""
        return self.observation.id

    @property
    def content(self) -> str:
        """The observation's text."""
        return self.observation.content

    def __repr__(self) -> str:
        o = self.observation
        return f"Result({self.similarity:.3f} {o.id!r} {shortened(o.content)!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Recall(Sequence[Result]):
    """The answer to a recall: results of one generation, best first. It is a sequence of them."""

    results: list[Result]
    generation: int
    unindexed: int
    """Rows that were scanned since no graph holds them yet."""
    staleness: float
    """Seconds since the oldest durable row that is not visible yet."""
    scanned: int
    visited: int
    took: float
    """Seconds inside the server."""
    committed_at: datetime | None
    """When `generation` was committed."""
    replaying: bool
    """The space is still reading its journal after a start: what is not found may be there soon."""
    recoverable_generation: int
    """The generation the space will have when replay is done."""

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, i: Any) -> Any:
        return self.results[i]

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __repr__(self) -> str:
        best = f", best {self.results[0]!r}" if self.results else ""
        return f"Recall({len(self.results)} results of generation {self.generation} in {self.took * 1e3:.2f} ms{best})"


_KNOWN = frozenset(RecallOptions.__annotations__)


def recall_request(space: str, options: RecallOptions) -> pb.RecallRequest:
    """Make the message of a recall; raises when its keywords do not fit together."""
    unknown = options.keys() - _KNOWN
    if unknown:
        raise TypeError(f"recall() got unexpected keywords: {', '.join(sorted(unknown))}")
    cues = [k for k in ("text", "vector", "observation_id") if options.get(k) is not None]
    if len(cues) != 1:
        told = " and ".join(cues) if cues else "none"
        raise InvalidError(
            f"a recall takes one of text, vector and observation_id; given: {told}", reason="INVALID_CUE", field="cue"
        )
    modes = [k for k in ("at_least", "at", "as_of") if options.get(k) is not None]
    if len(modes) > 1:
        raise InvalidError(
            f"a recall takes one of at_least, at and as_of; given: {' and '.join(modes)}", field="consistency"
        )
    try:
        return _request(space, options, cues[0], modes)
    except (ValueError, TypeError) as err:
        if isinstance(err, InvalidError):
            raise
        raise InvalidError(f"a recall cannot be made of these keywords: {err}") from None


def _request(space: str, options: RecallOptions, cue: str, modes: list[str]) -> pb.RecallRequest:
    r = pb.RecallRequest(
        space=space, limit=options.get("limit", 0), effort=options.get("effort", 0), exact=options.get("exact", False)
    )
    if cue == "vector":
        packed = op.PackedVector(data=vectors.pack(options["vector"]), encoding=op.VECTOR_ENCODING_F32_LE)
        r.embedding.packed.CopyFrom(packed)
    elif cue == "text":
        r.text = options["text"]
    else:
        r.observation_id = options["observation_id"]
    if (least := options.get("min_similarity")) is not None:
        r.min_similarity = least
    if (chosen := to_wire(options.get("filter"))) is not None:
        r.filter.CopyFrom(chosen)
    if modes == ["at_least"]:
        r.consistency.at_least = options["at_least"]
    elif modes == ["at"]:
        r.consistency.at = options["at"]
    elif modes == ["as_of"]:
        raw = _wire.timestamp(b"", options["as_of"], "as_of")
        r.consistency.as_of.CopyFrom(Timestamp.FromString(raw[1:]))
    if options.get("with_vectors"):
        r.include.CopyFrom(op.Include(content=True, embedding=True, metadata=True))
    return r


def result_of(m: pb.RecallResult) -> Result:
    """Read a result."""
    return Result(observation_of(m.observation), m.similarity, m.generation, m.in_graph)


def recall_of(results: Any, s: pb.Snapshot, st: pb.RecallStats) -> Recall:
    """Read an answer."""
    return Recall(
        results=[result_of(r) for r in results],
        generation=s.generation,
        unindexed=s.unindexed,
        staleness=s.staleness.seconds + s.staleness.nanos / 1e9,
        scanned=st.scanned,
        visited=st.visited,
        took=st.took.seconds + st.took.nanos / 1e9,
        committed_at=moment_after(s.committed_at) if s.HasField("committed_at") else None,
        replaying=s.replaying,
        recoverable_generation=s.recoverable_generation,
    )
