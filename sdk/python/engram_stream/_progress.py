"""Progress: a bar, a callback, or anything with update(n)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Protocol


class Bar(Protocol):
    """What tqdm's bars have."""

    def update(self, n: int) -> Any:
        """Count n more."""


Progress = bool | Callable[[int, int | None], None] | Bar | None
"""True for a bar on standard error (tqdm's, if it is installed), a function
of done and total, or an object such as a tqdm bar."""


class Meter:
    """Tells a number that grows. Called from one thread at a time."""

    def __init__(self, progress: Progress, total: int | None) -> None:
        self._total, self._done = total, 0
        self._bar: Any = None
        self._call: Callable[[int, int | None], None] | None = None
        self._own = progress is True
        if progress is True:
            self._bar = _bar(total)
        elif progress is None or progress is False:
            pass
        elif hasattr(progress, "update"):
            self._bar = progress
        else:
            self._call = progress

    @property
    def wanted(self) -> bool:
        """Whether anybody listens."""
        return self._bar is not None or self._call is not None

    def reach(self, done: int) -> None:
        """Tell that so many are done."""
        if done <= self._done:
            return
        n, self._done = done - self._done, done
        if self._bar is not None:
            self._bar.update(n)
        elif self._call is not None:
            self._call(done, self._total)

    def close(self) -> None:
        """End a bar that was made here."""
        if self._own and self._bar is not None:
            self._bar.close()


def _bar(total: int | None) -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Line(total)
    return tqdm(total=total, unit="obs", unit_scale=True)


class _Line:
    """A line on standard error, written again and again."""

    def __init__(self, total: int | None) -> None:
        self._total, self._done = total, 0
        self._began = self._told = time.monotonic()

    def update(self, n: int) -> None:
        self._done += n
        now = time.monotonic()
        if now - self._told >= 0.2 or self._done == self._total:
            self._told = now
            of = f" of {self._total:,}" if self._total is not None else ""
            rate = self._done / max(now - self._began, 1e-9)
            sys.stderr.write(f"\r{self._done:,}{of} observations, {rate:,.0f} a second ")
            sys.stderr.flush()

    def close(self) -> None:
        sys.stderr.write("\n")
