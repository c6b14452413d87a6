"""The example client: nothing is lost through a cut, and it heeds pressure."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engram_stream import Client
from engram_stream.testing import Server

from .proxy import Proxy

CLIENT = Path(__file__).resolve().parents[3] / "clients" / "python" / "python_client.py"

pytestmark = pytest.mark.skipif(not CLIENT.exists(), reason="the example client is not part of the package")


def start(*flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(CLIENT), *flags]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rows(out: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)  +(\S+)", out, re.MULTILINE))


def test_ten_thousand_through_a_cut(engram_server: Server, proxy: Proxy, engram_space: str) -> None:
    p = start("--server-addr", proxy.address, "--rate", "1000", "--count", "10000", "--space-id", engram_space)
    assert p.stdout is not None
    told = []
    for line in p.stdout:
        told.append(line)
        if "acked" in line and not proxy.cuts:
            proxy.cut_after(100_000)  # in the middle of a frame
    err = p.communicate(timeout=60)[1]
    out = "".join(told)
    assert p.returncode == 0, out + err
    table = rows(out)
    assert (table["sent"], table["acked"], table["rejected"], table["reconnects"]) == ("10,000", "10,000", "0", "1")
    assert "recall finds 20 of 20" in out
    assert len(re.findall(r"^ *[\d,]+ acked", out, re.MULTILINE)) >= 9
    with Client(engram_server.address) as c:
        assert c.get_space(engram_space).observations == 10_000


def test_pressure_is_heeded(engram_server_factory: Callable[..., Server], engram_space: str) -> None:
    server = engram_server_factory("--queue-normal", "300", "--session-window", "300", "--worker-count", "1")
    flags = ["--server-addr", server.address, "--rate", "0", "--count", "20000", "--space-id", engram_space]
    p = start(*flags, "--enable-backpressure", "--buffer-size", "1000")
    out, err = p.communicate(timeout=60)
    assert p.returncode == 0, out + err
    assert "of the rate" in out
    assert rows(out)["acked"] == "20,000"


def test_no_server() -> None:
    p = start("--server-addr", "127.0.0.1:1")
    _, err = p.communicate(timeout=60)
    assert p.returncode == 1
    assert "unavailable" in err
