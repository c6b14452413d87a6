"""The window: observations above the durable mark, which may have to be sent again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate


class Window:
    """Entries by number, with running totals of their bytes.

    Numbers are contiguous from `first`. With the totals, how much lies between
    two numbers, and how far a number of bytes reaches, need no walk.
    """

    __slots__ = ("base", "entries", "first", "totals")

    def __init__(self) -> None:
        self.first = 1
        self.base = 0  # bytes dropped so far
        self.entries: list[bytes] = []
        self.totals: list[int] = []  # totals[i]: bytes ever pushed, through entry i

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def next(self) -> int:
        """The number the next observation gets."""
        return self.first + len(self.entries)

    @property
    def size(self) -> int:
        """Bytes held."""
        return self.totals[-1] - self.base if self.totals else 0

    def push(self, entries: Sequence[bytes]) -> None:
        """Append entries."""
        start = self.totals[-1] if self.totals else self.base
        self.entries += entries
        totals = accumulate(map(len, entries), initial=start)
        next(totals)
        self.totals += totals

    def through(self, seq: int) -> int:
        """Return the bytes ever pushed through a number; of one below the window, those dropped."""
        i = seq - self.first
        return self.base if i < 0 else self.totals[min(i, len(self.totals) - 1)] if self.totals else self.base

    def reach(self, start: int, limit: int, total: int) -> int:
        """Return the last number ≤ limit through which no more than `total` was ever pushed, from start on."""
        lo = start - self.first
        hi = min(limit - self.first + 1, len(self.totals))
        return self.first + bisect_right(self.totals, total, lo, max(lo, hi)) - 1

    def slice(self, start: int, stop: int) -> list[bytes]:
        """Return the entries of the numbers start..stop."""
        return self.entries[start - self.first : stop - self.first + 1]

    def drop(self, through: int) -> None:
        """Forget everything through a number."""
        n = min(through - self.first + 1, len(self.entries))
        if n > 0:
            self.base = self.totals[n - 1]
            del self.entries[:n], self.totals[:n]
            self.first += n
