"""What a session knows of itself, for both kinds of clients."""

from __future__ import annotations

import os
import warnings
from typing import Any

from ._core import Core
from ._feeds import Feed
from .errors import EngramError, ForkedError, LossWarning, Rejection
from .observation import Level
from .options import Ack, Pressure, Stats


class Facts:
    """What may be asked of a session at any time, without waiting.

    All of it is single values of the core, read without its driver's lock.
    """

    _core: Core
    _pid: int
    _failed_callback: BaseException | None

    def __repr__(self) -> str:
        c = self._core
        state = "open" if c.error is None else "closed" if c.closed is not None else f"over: {c.error}"
        s = c.stats
        counts = f"{s.observed} observed, {s.durable} durable, {s.reconnects} reconnects"
        return f"<{type(self).__name__} {c.id} into {c.space!r}, {state}, {counts}>"

    @property
    def id(self) -> str:
        """Its name on the server: keep it to resume."""
        return self._core.id

    @property
    def space(self) -> str:
        """The space."""
        return self._core.space

    @property
    def dimension(self) -> int:
        """The space's dimension when the stream was opened; 0 if none was fixed."""
        return self._core.dimension

    @property
    def generation(self) -> int:
        """The newest generation known to hold its observations; pass it to recall() as `at_least`."""
        return self._core.generation

    @property
    def next_sequence(self) -> int:
        """The number the next observation gets."""
        return self._core.following

    @property
    def error(self) -> EngramError | None:
        """What ended the session; None while it goes on."""
        return self._core.error

    @property
    def pressure(self) -> Pressure | None:
        """The pressure as last told; None if none was."""
        return self._core.pressure

    @property
    def stats(self) -> Stats:
        """The counts so far."""
        s = self._core.stats
        return Stats(s.observed, s.sent, s.resent, s.durable, s.rejected, s.refused, s.reconnects)

    def acked(self, level: Level) -> int:
        """The number through which everything has reached a level."""
        return self._core.acked[level]

    def _check(self) -> None:
        if os.getpid() != self._pid:
            whose = f"the session {self.id} belongs to process {self._pid}, which this one was forked from"
            raise ForkedError(f"{whose}: open one here")

    def _raise_kept(self) -> None:
        """Raise what was rejected, and what callbacks have raised; the driver's lock is held."""
        if self._failed_callback is not None:
            failed, self._failed_callback = self._failed_callback, None
            raise failed
        rejected = self._core.take_rejected()
        if rejected is not None:
            raise rejected

    def _tell(self, item: Ack | Rejection | Pressure) -> None:
        """Tell the callbacks."""
        o = self._core.options
        try:
            if isinstance(item, Ack):
                if o.on_ack is not None:
                    o.on_ack(item)
            elif isinstance(item, Rejection):
                if o.on_rejection is not None:
                    o.on_rejection(item)
            elif o.on_pressure is not None:
                o.on_pressure(item)
        except Exception as err:  # raised again by the next flush or close
            if self._failed_callback is None:
                self._failed_callback = err

    def _warn_of_loss(self) -> None:
        """Say what is not known to be kept of a session that its owner left open."""
        lost = self._core.last - self._core.stats.durable
        if self._core.stats.observed and lost > 0:
            text = f"session {self.id} was not closed: {lost} observations are not known to be kept"
            warnings.warn(text, LossWarning, stacklevel=4)


def put_all(feeds: Any, item: Ack | Rejection | Pressure) -> None:
    """Give an item to every feed."""
    for feed in list(feeds):
        assert isinstance(feed, Feed)
        feed.put(item)
