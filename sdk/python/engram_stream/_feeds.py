"""Feeds: what a session tells, kept for whoever iterates over it.

A feed never grows with the stream: acks are cumulative, so the newest of each
level stands for all before it, and so does the newest pressure. Rejections are
kept one by one, up to a bound; beyond it the session's flush tells how many
there were.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from .errors import Rejection
from .options import Ack, Pressure

T = TypeVar("T", Ack, Pressure, Rejection)

MAX_KEPT = 10_000


class Feed(Generic[T]):
    """What one iterator has not taken yet."""

    def __init__(self, kind: type[T]) -> None:
        self._kind: type = kind
        self._pending: dict[int, T] = {}

    def put(self, item: Ack | Pressure | Rejection) -> None:
        """Keep an item, if it is of this feed's kind."""
        if not isinstance(item, self._kind):
            return
        key = item.level if isinstance(item, Ack) else item.sequence if isinstance(item, Rejection) else 0
        self._pending.pop(key, None)
        if len(self._pending) < MAX_KEPT:
            self._pending[key] = item  # type: ignore[assignment]

    def take(self) -> T | None:
        """Return the oldest item and forget it."""
        for key in self._pending:
            return self._pending.pop(key)
        return None
