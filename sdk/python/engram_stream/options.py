"""How a session behaves, and what it tells of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from .errors import InvalidError, Rejection
from .observation import Level, Priority


@dataclass(frozen=True, slots=True)
class Ack:
    """Every number up to `through` is kept at `level`, or rejected."""

    level: int
    """A Level; a number beyond them when a newer server sends one."""
    through: int
    generation: int
    """The generation at which the last of them is visible; 0 with ACCEPTED."""

    def __repr__(self) -> str:
        name = Level(self.level).name if self.level in _LEVELS else str(self.level)
        return f"Ack({name} through {self.through}, generation {self.generation})"


_LEVELS = frozenset(int(x) for x in Level)


@dataclass(frozen=True, slots=True)
class Pressure:
    """The pressure on a session, as the server tells it when it changes."""

    state: str
    """ACTIVE, PAUSED, WARNING, BACKPRESSURE, OVERLOADED, ERROR, DRAINING or CLOSED."""
    cause: str
    """What causes it, such as queue_items."""
    pressure: float
    """0 is idle, 1 is full."""
    queue_depth: int
    queue_capacity: int
    retry_after: float
    """Seconds."""
    suggested_batch: int
    """A batch size that suits the pressure; 0 when the server suggests none."""


@dataclass(slots=True)
class Stats:
    """A session's counts."""

    observed: int = 0
    """Handed to the session."""
    sent: int = 0
    """Sent, the first time."""
    resent: int = 0
    """Sent again."""
    durable: int = 0
    """The number through which everything is decided durably."""
    rejected: int = 0
    refused: int = 0
    """Refusals heard."""
    reconnects: int = 0


@dataclass(frozen=True, slots=True)
class Closed:
    """What the server counted over the life of a session."""

    final_sequence: int
    accepted: int = 0
    rejected: int = 0
    refused: int = 0
    duplicates: int = 0
    inferred: bool = False
    """The answer was lost with its stream and the session turned out to be
    closed: everything is kept, and only `final_sequence` is known."""


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """The settings of a session."""

    must_exist: bool = False
    """Fail with NotFoundError in place of creating the space."""
    resume: str = ""
    """The id of a session to go on with. Observations are numbered on from
    what the server has; what it lacks has to be observed again."""
    priority: Priority = Priority.UNSET
    """The lane of the session."""
    flush_to: Level = Level.VISIBLE
    """The level that flush() waits for."""
    batch: int = 64
    """Observations in one frame, at the most."""
    batch_bytes: int = 1 << 20
    """Encoded bytes in one frame, unless one observation alone has more."""
    linger: float = 0.002
    """Seconds that an observation waits for company."""
    buffer: int = 16_384
    """Observations held until the server has them on stable storage."""
    buffer_bytes: int = 64 << 20
    """Bytes of these."""
    blocking: bool = True
    """Wait for room in the buffer; without it observe() raises FullError."""
    connect_timeout: float = 10.0
    """Seconds in which the server has to answer when a stream is opened."""
    reconnect_for: float = 300.0
    """Seconds for which the session goes on without a stream on which anything
    is acked, before it gives up."""
    on_ack: Callable[[Ack], None] | None = None
    """Called for each ack, from the session's receiver: see Session."""
    on_rejection: Callable[[Rejection], None] | None = None
    """Called once for each observation that was not kept."""
    on_pressure: Callable[[Pressure], None] | None = None
    """Called when the pressure changes."""

    def __post_init__(self) -> None:
        for name in ("batch", "batch_bytes", "buffer", "buffer_bytes"):
            if getattr(self, name) < 1:
                raise InvalidError(f"{name} is {getattr(self, name)}; it has to be at least 1", field=name)
        for name in ("linger", "connect_timeout", "reconnect_for"):
            if not getattr(self, name) >= 0:
                raise InvalidError(f"{name} is {getattr(self, name)}; it has to be at least 0", field=name)
        if self.flush_to not in _LEVELS:
            raise InvalidError(f"flush_to is {self.flush_to!r}, which is no level", field="flush_to")


OPTION_NAMES = frozenset(f.name for f in fields(SessionOptions))
