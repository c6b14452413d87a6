"""Engram, the streaming memory server, for Python.

    from engram_stream import Client

    with Client("127.0.0.1:50051") as client:
        with client.open_session("notes") as session:
            session.observe("the kettle is in the red box")
        for found in client.recall("notes", text="where is the kettle?", limit=3):
            print(found.similarity, found.content)

`engram_stream.aio` has the same for asyncio.
"""

from . import _fork as _fork  # isort: skip  # before grpc is loaded
from ._calls import Forgotten, Found, ManyResult, Observed
from ._channel import TLS
from ._version import __version__
from .admin import Checkpoint, MemoryStatus, ServerStatus, SessionInfo
from .client import Client
from .errors import (
    AuthError,
    CancelledError,
    ClosedError,
    ConflictError,
    DeadlineError,
    EngramError,
    ForkedError,
    FullError,
    InvalidError,
    LossWarning,
    NotFoundError,
    PreconditionError,
    RefusedError,
    RejectedError,
    Rejection,
    UnavailableError,
)
from .filters import Clause, Filter, above, below, between, eq, exists, one_of, where
from .memory import Memory
from .observation import Context, Level, Observation, Priority, Stored
from .options import Ack, Closed, Pressure, SessionOptions, Stats
from .recall import Recall, RecallOptions, Result
from .session import Session
from .spaces import IndexStatus, Metric, Quotas, Space, SpaceMemory

__all__ = [
    "TLS",
    "Ack",
    "AuthError",
    "CancelledError",
    "Checkpoint",
    "Clause",
    "Client",
    "Closed",
    "ClosedError",
    "ConflictError",
    "Context",
    "DeadlineError",
    "EngramError",
    "Filter",
    "Forgotten",
    "ForkedError",
    "Found",
    "FullError",
    "IndexStatus",
    "InvalidError",
    "Level",
    "LossWarning",
    "ManyResult",
    "Memory",
    "MemoryStatus",
    "Metric",
    "NotFoundError",
    "Observation",
    "Observed",
    "PreconditionError",
    "Pressure",
    "Priority",
    "Quotas",
    "Recall",
    "RecallOptions",
    "RefusedError",
    "RejectedError",
    "Rejection",
    "Result",
    "ServerStatus",
    "Session",
    "SessionInfo",
    "SessionOptions",
    "Space",
    "SpaceMemory",
    "Stats",
    "Stored",
    "UnavailableError",
    "__version__",
    "above",
    "below",
    "between",
    "eq",
    "exists",
    "one_of",
    "where",
]
