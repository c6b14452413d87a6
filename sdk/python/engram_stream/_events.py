"""Iterators over what a session tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from ._feeds import Feed, T
from .errors import ClosedError

if TYPE_CHECKING:
    from .session import Session


class Events(Generic[T]):
    """An iterator over what a session tells; it ends with the session, and raises what ended it."""

    def __init__(self, session: Session, kind: type[T]) -> None:
        self._session: Session = session
        self._feed: Feed[T] = Feed(kind)
        with session._lock:
            session._feeds.add(self._feed)

    def __iter__(self) -> Events[T]:
        return self

    def __next__(self) -> T:
        s = self._session
        s._check()
        with s._lock:
            while True:
                item = self._feed.take()
                if item is not None:
                    return item
                if s._core.error is not None:
                    if isinstance(s._core.error, ClosedError):
                        raise StopIteration
                    raise s._core.error.again()
                s._await(None)
