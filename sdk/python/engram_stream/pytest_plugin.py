"""Fixtures for tests that need a server; pytest finds them once the package is installed.

    def test_it(engram_client, engram_space):
        engram_client.observe(engram_space, "the kettle is in the red box")

Where the binary comes from: see `testing`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator

import pytest

from .client import Client
from .testing import Server


@pytest.fixture(scope="session")
def engram_server(pytestconfig: pytest.Config) -> Iterator[Server]:
    """Give one server for all tests."""
    with Server(near=pytestconfig.rootpath) as server:
        yield server


@pytest.fixture
def engram_server_factory(pytestconfig: pytest.Config) -> Iterator[Callable[..., Server]]:
    """Give a function that starts servers with flags of their own; they end with the test."""
    started: list[Server] = []

    def start(*flags: str) -> Server:
        started.append(Server(*flags, near=pytestconfig.rootpath))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def engram_client(engram_server: Server) -> Iterator[Client]:
    """Give a client of the server."""
    with Client(engram_server.address) as client:
        yield client


@pytest.fixture
def engram_space(request: pytest.FixtureRequest) -> str:
    """Give the name of a space that no other test uses."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return f"{name[:40]}-{uuid.uuid4().hex[:8]}"
