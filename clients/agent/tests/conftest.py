"""What the tests share: real servers, by the SDK's fixtures, and a double of a model's endpoint."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .double import Double

pytest_plugins = ["engram_stream.pytest_plugin"]


@pytest.fixture
def double() -> Iterator[Double]:
    """An endpoint that speaks OpenAI's API, on a port of its own."""
    with Double() as d:
        yield d
