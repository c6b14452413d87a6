"""What the README shows runs as it stands there."""

from __future__ import annotations

import builtins
import re
from pathlib import Path

import pytest

import engram_stream
from engram_stream import Client
from engram_stream.aio import AsyncClient
from engram_stream.testing import Server

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_readme_runs_as_written(
    engram_server_factory: type[Server], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    address = engram_server_factory().address
    for c in (Client, AsyncClient):  # the default port may be somebody's
        assert c.__init__.__defaults__ == ("127.0.0.1:50051",)  # type: ignore[misc]
        monkeypatch.setattr(c.__init__, "__defaults__", (address,))  # type: ignore[misc]
    names: dict[str, object] = {}
    for code in BLOCKS:
        exec(compile(code, str(README), "exec"), names)
    out = capsys.readouterr().out
    assert len(BLOCKS) >= 4
    assert "the kettle is in the red box" in out
    assert "the blue cup is broken" in out
    assert "ManyResult(5000 observations" in out
    assert "['merlot']" in out


def test_what_the_readme_names_is_there() -> None:
    text = README.read_text(encoding="utf-8")
    for name in re.findall(r"`(\w+Error)`", text):
        assert hasattr(engram_stream, name) or hasattr(builtins, name), name
    for name in re.findall(r"`(?:client\.|session\.)?(\w+)`", text):
        if name in ("observe", "flush", "close", "detach", "recall", "get", "list", "forget", "status", "checkpoint"):
            assert hasattr(Client, name) or hasattr(engram_stream.Session, name), name
    for name in engram_stream.__all__:
        assert hasattr(engram_stream, name), name
