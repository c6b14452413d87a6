"""Programs that are interrupted, or end without closing: they do not hang, and lose nothing in silence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engram_stream import Client
from engram_stream.testing import Server

from .proxy import Proxy

HEAD = """
import sys
from engram_stream import Client
address, space = sys.argv[1:]
c = Client(address)
s = c.open_session(space, linger=30.0)
s.observe("", vector=[1, 2], id="a")
"""


def start(script: str, address: str, space: str) -> subprocess.Popen[str]:
    """Start a program and wait until it has observed something; it goes on once it is given a line."""
    ready = "import engram_stream.client as m; m.EXIT_TIMEOUT = 0.2\nprint('ready', flush=True)\nsys.stdin.readline()\n"
    p = subprocess.Popen(
        [sys.executable, "-c", HEAD + ready + script, address, space],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    assert p.stdout is not None
    assert p.stdout.readline() == "ready\n"
    return p


def test_a_program_that_forgets_to_close_gets_through(engram_server: Server, engram_space: str) -> None:
    p = start("m.EXIT_TIMEOUT = 10.0", engram_server.address, engram_space)
    out, err = p.communicate("\n", timeout=30)
    assert (p.returncode, out, err) == (0, "", "")
    with Client(engram_server.address) as c:
        assert c.get(engram_space, "a").missing == []


def test_a_program_that_cannot_get_through_says_so(proxy: Proxy, engram_space: str) -> None:
    p = start("", proxy.address, engram_space)
    proxy.hold(True)
    _, err = p.communicate("\n", timeout=30)
    assert "1 observations are not known to be kept" in err


@pytest.mark.parametrize("wait", ["s.flush()", "s.close()", "next(s.pressures())", "next(c.watch_space(space))"])
def test_interrupted_while_waiting(proxy: Proxy, engram_space: str, wait: str) -> None:
    script = f"""
import os, signal, threading
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    {wait}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    p = start(script, proxy.address, engram_space)
    proxy.hold(True)
    out, err = p.communicate("\n", timeout=30)
    assert out == "interrupted\n", err
