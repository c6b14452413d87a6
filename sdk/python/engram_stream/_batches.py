"""Many observations, in stretches of encoded entries."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from ._encode import Columns, entry, observation_from
from ._wire import text
from .observation import Observation

Observable = Observation | str | Mapping[str, Any]
"""What observe() takes."""

STRETCH = 256
"""Observations encoded at a time: enough to be cheap, few enough to begin sending soon."""


def batches(
    observations: Iterable[Observable] | None, columns: dict[str, Any], trace: tuple[str, str]
) -> tuple[int | None, Iterator[list[bytes]]]:
    """Return how many observations there are, if that is known, and their entries in stretches."""
    if observations is None:
        table = Columns(**columns)
        tail = text(b"\x72", trace[0], "traceparent") if trace[0] else b""
        if trace[1]:
            tail += text(b"\x7a", trace[1], "tracestate")
        return table.count, (table.entries(i, i + STRETCH, tail) for i in range(0, table.count, STRETCH))
    given = [name for name, value in columns.items() if value is not None and value is not False]
    if given:
        raise TypeError(f"observations and {', '.join(given)}: give the one or the others")
    total = len(observations) if isinstance(observations, Sequence) else None
    return total, _encoded(iter(observations), trace)


def _encoded(source: Iterator[Observable], trace: tuple[str, str]) -> Iterator[list[bytes]]:
    while part := [entry(observation_from(o, {}), trace) for o in islice(source, STRETCH)]:
        yield part


def abatches(
    observations: Iterable[Observable] | AsyncIterable[Observable] | None,
    columns: dict[str, Any],
    trace: tuple[str, str],
) -> tuple[int | None, AsyncIterator[list[bytes]]]:
    """As batches, also of what comes from an asynchronous iterable."""
    if isinstance(observations, AsyncIterable):
        batches((), columns, trace)  # checks that no columns are given
        return None, _encoded_async(observations, trace)
    total, stretches = batches(observations, columns, trace)
    return total, _awaited(stretches)


async def _awaited(stretches: Iterator[list[bytes]]) -> AsyncIterator[list[bytes]]:
    for entries in stretches:
        yield entries


async def _encoded_async(source: AsyncIterable[Observable], trace: tuple[str, str]) -> AsyncIterator[list[bytes]]:
    # One at a time: they may come slowly, and none has to wait for the next.
    async for o in source:
        yield [entry(observation_from(o, {}), trace)]
