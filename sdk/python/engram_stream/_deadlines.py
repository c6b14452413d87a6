"""Time that is given, and what is left of it."""

from __future__ import annotations

import time

EXIT_TIMEOUT = 10.0
"""Seconds that leaving a with block by an exception, or the program, waits for what was observed."""


def deadline_of(timeout: float | None) -> float | None:
    """Return the moment, of time.monotonic(), at which the time is over."""
    return None if timeout is None else time.monotonic() + timeout


def left_of(deadline: float | None) -> float | None:
    """Return the seconds left; None is for ever."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())
