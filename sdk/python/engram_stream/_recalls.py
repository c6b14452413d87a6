"""The recalls of a session: those to be sent, and those sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ._gen.engram.v1 import memory_service_pb2 as ms
from ._gen.engram.v1 import recall_pb2 as rp
from ._status import code_name
from .errors import EngramError, error_of
from .recall import Recall, recall_of


@dataclass(slots=True)
class Answer:
    """What became of a recall on a stream."""

    recall: Recall | None = None
    covered: int = 0
    """Everything through this number was visible to it."""
    error: EngramError | None = None


@dataclass(slots=True)
class _Pending:
    deliver: Callable[[Answer], None]
    parts: list[Any] = field(default_factory=list)


class Recalls:
    """Recalls by request id. The session's driver guards it, as it does the core."""

    def __init__(self) -> None:
        self._last = 0
        self._queue: deque[tuple[int, bytes]] = deque()
        self._waiting: dict[int, _Pending] = {}
        self._failed: EngramError | None = None

    def ask(self, request: rp.RecallRequest, deliver: Callable[[Answer], None]) -> int:
        """Queue a recall; `deliver` is called once, by whoever drives the session."""
        self._last += 1
        if self._failed is not None:
            deliver(Answer(error=self._failed))
            return self._last
        self._waiting[self._last] = _Pending(deliver)
        frame = ms.MemoryStreamRequest(recall=ms.StreamRecall(request_id=self._last, recall=request))
        self._queue.append((self._last, frame.SerializeToString()))
        return self._last

    def next(self) -> bytes | None:
        """Return the next frame to be sent, if there is one."""
        return self._queue.popleft()[1] if self._queue else None

    def answer(self, m: ms.StreamRecallResults) -> None:
        """Take an answer, or a part of one."""
        p = self._waiting.get(m.request_id)
        if p is None:
            return  # nobody waits any more
        p.parts += m.results
        failed = m.HasField("error")
        if m.more and not failed:
            return
        del self._waiting[m.request_id]
        if failed:
            e = m.error
            p.deliver(Answer(error=error_of(code_name(e.code), e.message, reason=e.reason)))
        else:
            p.deliver(Answer(recall_of(p.parts, m.snapshot, m.stats), m.covered_sequence))

    def cut(self) -> None:
        """Fail what was sent on a stream that ended. What was not goes on the next one."""
        queued = {i for i, _ in self._queue}
        self._fail(
            [i for i in self._waiting if i not in queued],
            error_of(
                "unavailable",
                "the stream ended before the recall was answered; ask again",
                reason="TRANSPORT",
                retryable=True,
            ),
        )

    def forget(self, request_id: int) -> None:
        """Drop a recall that nobody waits for any more, unsent if it still is."""
        if self._waiting.pop(request_id, None) is not None:
            self._queue = deque(x for x in self._queue if x[0] != request_id)

    def fail(self, err: EngramError) -> None:
        """End all recalls under way, and those to come."""
        self._failed = err
        self._queue.clear()
        self._fail(list(self._waiting), err)

    def _fail(self, ids: list[int], err: EngramError) -> None:
        for i in ids:
            self._waiting.pop(i).deliver(Answer(error=err))
