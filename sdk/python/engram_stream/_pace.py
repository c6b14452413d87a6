"""How reconnecting slows down, over all streams that brought nothing."""

from __future__ import annotations

import random

INITIAL = 0.05
MAXIMUM = 5.0
FACTOR = 1.5


class Pace:
    """Exponential backoff with full jitter: anything from 0 to twice the interval.

    Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._interval = INITIAL
        self.fresh = True  # the first try is made at once
        self.deadline = 0.0

    def begin(self, now: float, useful: bool) -> None:
        """Prepare one more reconnect; after a stream that was of use all begins anew."""
        if useful or self.deadline == 0.0:
            self._interval, self.fresh, self.deadline = INITIAL, True, now + self._limit
        else:
            self.fresh = False

    def next(self) -> float:
        """Return the seconds to wait before the next try."""
        wait = random.uniform(0, 2 * self._interval)
        self._interval = min(MAXIMUM, self._interval * FACTOR)
        return wait
