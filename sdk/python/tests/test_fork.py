"""After a fork the child has a connection of its own, or is told that it cannot have one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from engram_stream.testing import Server

HEAD = """
import os, sys, traceback
address, space = sys.argv[1:]

def in_child(work):
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        sys.stdout.flush()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
"""

FORKED = (
    HEAD
    + """
from engram_stream import Client, ForkedError, Observation
from engram_stream.aio import AsyncClient
c, untouched = Client(address), Client(address)
aio = AsyncClient(address)
s = c.open_session(space)
s.observe("", vector=[1, 2], id="before")
s.flush(timeout=20)

def child():
    c.observe(space, Observation("", [1, 2], id="child"), timeout=20)
    assert untouched.status(timeout=20).state == "SERVING"
    for call in (lambda: s.observe("x"), s.flush, s.close, s.abandon, lambda: next(s.acks())):
        try:
            call()
        except ForkedError as err:
            assert s.id in str(err)
        else:
            raise AssertionError("a session of the parent was used")
    import asyncio
    try:
        asyncio.run(aio.status())
    except ForkedError:
        pass
    else:
        raise AssertionError("an asynchronous client of the parent was used")
    with Client(address) as mine:
        mine.observe_many(space, vectors=[[1, 3]] * 100, timeout=20)
    c.close()
    print("child done")

in_child(child)
s.observe("", vector=[1, 2], id="after", timeout=20)
assert s.close(timeout=20).accepted == 2
assert {"before", "child", "after"} <= {o.id for o in c.list(space)}
in_child(lambda: c.status(timeout=20))
c.close()
print("parent done")
"""
)

WITHOUT_SUPPORT = (
    HEAD
    + """
import grpc
from engram_stream import Client, ForkedError
c = Client(address)
c.status()

def child():
    try:
        c.status()
    except ForkedError as err:
        assert "GRPC_ENABLE_FORK_SUPPORT" in str(err)
        print("child told")

in_child(child)
c.status()
"""
)


def run(script: str, server: Server, space: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, server.address, space],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parent.parent,
        env={"PATH": "/usr/bin:/bin", **env},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_child_has_its_own_connection(engram_server: Server, engram_space: str) -> None:
    assert run(FORKED, engram_server, engram_space).split("\n") == ["child done", "parent done", ""]


def test_without_support_of_grpc_the_child_is_told(engram_server: Server, engram_space: str) -> None:
    assert run(WITHOUT_SUPPORT, engram_server, engram_space) == "child told\n"
    assert (
        run(WITHOUT_SUPPORT.replace("import grpc", ""), engram_server, engram_space, GRPC_ENABLE_FORK_SUPPORT="0")
        == "child told\n"
    )
