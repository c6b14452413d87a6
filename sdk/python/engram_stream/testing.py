"""A server for tests: a process of its own, on a loopback port of the system's choice.

    with Server() as server, Client(server.address) as client: …

The binary is the one that TEST_ENGRAM_BINARY names, else `engram` of the PATH,
else it is built from the checkout around the working directory, which needs Go.
`pytest_plugin` offers it as fixtures.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType

from .client import Client
from .errors import UnavailableError

ENVIRONMENT = "TEST_ENGRAM_BINARY"
_PACKAGE = Path("service") / "cmd" / "engram"
_built: dict[Path, Path] = {}


def find_binary(near: Path | None = None) -> Path:
    """Return the server's binary; builds it if need be."""
    named = os.environ.get(ENVIRONMENT)
    if named:
        path = Path(named)
        if not path.is_file():
            raise FileNotFoundError(f"{ENVIRONMENT} names {named}, which is no file")
        return path
    root = _checkout(near or Path.cwd())
    if root is not None and shutil.which("go"):
        return _build(root)
    installed = shutil.which("engram")
    if installed:
        return Path(installed)
    raise FileNotFoundError(
        f"no Engram server: set {ENVIRONMENT} to its binary, put engram on the PATH, or run inside the checkout with Go"
    )


def _checkout(near: Path) -> Path | None:
    for folder in (near.resolve(), *near.resolve().parents):
        if (folder / "go.mod").is_file() and (folder / _PACKAGE).is_dir():
            return folder
    return None


def _build(root: Path) -> Path:
    if root not in _built:
        out = Path(tempfile.mkdtemp(prefix="engram-")) / "engram"
        made = subprocess.run(
            ["go", "build", "-o", str(out), f"./{_PACKAGE.as_posix()}"],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise RuntimeError(f"go build of the server failed:\n{made.stderr}")
        _built[root] = out
    return _built[root]


class Server:
    """One server process, with a data directory of its own that goes with it."""

    def __init__(
        self, *flags: str, binary: Path | None = None, data: Path | None = None, near: Path | None = None
    ) -> None:
        """Start a server with these flags of `engram serve`; with `data` its directory is yours and stays."""
        self._binary = binary or find_binary(near)
        self._flags: Sequence[str] = flags
        self._own = data is None
        self._home = Path(tempfile.mkdtemp(prefix="engram-test-"))
        self._data = data or self._home / "data"
        self._listen = "127.0.0.1:0"
        self._process: subprocess.Popen[str] | None = None
        self.address = ""
        """host:port; the same after a restart."""
        self.start()

    def __repr__(self) -> str:
        state = f"pid {self._process.pid}" if self._process is not None else "stopped"
        return f"<Server at {self.address}, {state}>"

    @property
    def log(self) -> str:
        """What it has logged so far."""
        path = self._home / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def pid(self) -> int:
        """The process's id; 0 while it is stopped."""
        return self._process.pid if self._process is not None else 0

    def start(self, ready: bool = True) -> None:
        """Start it, on the same port as before if it ran before, and wait until it listens.

        With `ready`, also until it has read its journal back and takes observations.
        """
        if self._process is not None:
            return
        command = [str(self._binary), "serve", "--listen", self._listen, "--data-dir", str(self._data), *self._flags]
        # The server takes unknown ENGRAM_ variables for mistakes.
        env = {k: v for k, v in os.environ.items() if not k.startswith("ENGRAM_")}
        with (self._home / "log").open("a") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, env=env
            )
        assert process.stdout is not None
        for line in process.stdout:
            if "listening on" in line:
                self.address = line.strip().rpartition("://")[2]
                break
        process.stdout.close()
        if not self.address or process.poll() is not None:
            process.kill()
            process.wait()
            raise RuntimeError(f"the server did not start:\n{self.log}")
        self._process, self._listen = process, self.address
        if ready:
            try:
                self._await_ready()
            except BaseException:
                self.kill()
                raise

    def _await_ready(self, timeout: float = 60.0) -> None:
        deadline = time.monotonic() + timeout
        with Client(self.address) as client:
            while True:
                try:
                    with closing(client.watch_status(0.1, timeout=timeout)) as states:
                        next(s for s in states if s.state != "REPLAYING")
                    return
                except UnavailableError as err:
                    if time.monotonic() > deadline or self._process is None or self._process.poll() is not None:
                        raise
                    time.sleep(min(err.retry_after or 0.05, 0.5))  # as the server asks

    def terminate(self) -> None:
        """Ask it to drain (SIGTERM), without waiting."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self, timeout: float = 60.0) -> int:
        """Drain it, wait for its end, and return its exit code."""
        if self._process is None:
            return 0
        self.terminate()
        return self._wait(timeout)

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._wait(60.0)

    def wait(self, timeout: float = 60.0) -> int:
        """Wait for its end and return its exit code."""
        return self._wait(timeout) if self._process is not None else 0

    def _wait(self, timeout: float) -> int:
        assert self._process is not None
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._process = None

    def restart(self) -> None:
        """Drain it and start it again, on the same port."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End it and remove its directory."""
        self.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
