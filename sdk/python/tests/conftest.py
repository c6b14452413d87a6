"""What the tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engram_stream.testing import Server

from .proxy import Proxy

pytest_plugins = ["engram_stream.pytest_plugin"]


@pytest.fixture
def proxy(engram_server: Server) -> Iterator[Proxy]:
    """A proxy in front of the server that all tests share."""
    with Proxy(engram_server.address) as p:
        yield p
