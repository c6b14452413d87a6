"""Wheel and sdist install into a clean environment and work there, the pytest fixtures too."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from engram_stream.testing import find_binary

ROOT = Path(__file__).parent.parent

USE = """
import pytest
from engram_stream import Client
from engram_stream.aio import AsyncClient

def test_it(engram_client, engram_space):
    with engram_client.open_session(engram_space) as s:
        s.observe("the kettle is in the red box", id="k")
    assert engram_client.recall(engram_space, text="kettle")[0].id == "k"

def test_where():
    import engram_stream
    assert "site-packages" in engram_stream.__file__
"""


def run(*command: str | Path, cwd: Path) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    env["TEST_ENGRAM_BINARY"] = str(find_binary(ROOT))
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    return out


@pytest.mark.package
def test_a_clean_environment(built: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    (tmp_path / "test_use.py").write_text(USE)
    alone = (
        "import engram_stream, sys; assert not {'numpy', 'opentelemetry'} & set(sys.modules); engram_stream.Client()"
    )
    for kind, more in (("*.whl", ["pytest"]), ("*.tar.gz", ["--no-deps"])):
        [artifact] = built.glob(kind)
        run(python, "-m", "pip", "install", "--quiet", artifact, *more, cwd=tmp_path)
        run(python, "-c", alone, cwd=tmp_path)
        assert "2 passed" in run(python, "-m", "pytest", "-q", "test_use.py", cwd=tmp_path)
        run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "engram-stream", cwd=tmp_path)


@pytest.mark.package
def test_what_is_inside(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "engram_stream/py.typed",
        "engram_stream/_gen/engram/v1/memory_service_pb2.py",
        "engram_stream/aio/client.py",
    } <= names
    assert not any("/test_" in n or "__pycache__" in n for n in names)
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as packed:
        inside = packed.getnames()
    assert any(n.endswith("tests/proxy.py") for n in inside)
