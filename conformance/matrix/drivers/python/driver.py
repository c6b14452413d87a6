"""Run one script of the matrix through the Python SDK: a script on stdin, its result on stdout.

    driver.py [--sync | --aio]

The README two folders up says what scripts and results are. It takes nothing
but the public interface of engram_stream or, with --aio, engram_stream.aio.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
import urllib.request
from collections.abc import Coroutine
from typing import Any

import words
from engram_stream import Client, Recall
from engram_stream.aio import AsyncClient
from formula import Json
from operations import OPERATIONS, Heard, got


class Driver:
    """What the steps of a script share. Each of them is a coroutine; see operations."""

    def __init__(self, script: Json) -> None:
        self.address: str = script["address"]
        self.control: str = script.get("control", "")
        self.clients: dict[str, Any] = {}
        self.sessions: dict[str, Any] = {}
        self.heard: dict[str, Heard] = {}
        self.calls: dict[str, str] = {}
        self.recalls: dict[str, Recall] = {}
        self._notes: dict[int, Json] = {}

    def client(self, step: Json) -> Any:
        """Return the step's client, which is made when it is first named."""
        name = step.get("client", "a")
        if name not in self.clients:
            self.clients[name] = self.connect()
        return self.clients[name]

    def note(self, err: BaseException, **members: Any) -> None:
        """Add members to what is told of an error."""
        self._notes[id(err)] = members

    async def step(self, step: Json) -> Json:
        """Run one step and return the result's element."""
        op = step["op"]
        try:
            if op in ("start", "join", "cancel"):
                return await getattr(self, op)(step)  # type: ignore[no-any-return]
            if op == "fault":
                return {"ok": await self.fault(step)}
            if op not in OPERATIONS:
                return {"unsupported": op}
            return {"ok": await OPERATIONS[op](self, step)}
        except BaseException as err:
            if not isinstance(err, (Exception, asyncio.CancelledError)):
                raise
            return {"error": {**words.error_of(err), **self._notes.pop(id(err), {})}}

    def post(self, step: Json) -> Json:
        """Pass a fault on to the runner, and wait for what it says."""
        request = urllib.request.Request(f"{self.control}/fault", json.dumps(step).encode(), method="POST")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request) as answer:
            out: Json = json.load(answer)
        return out

    async def close(self) -> None:
        """Close all clients."""
        for c in self.clients.values():
            await got(c.close())

    # --- what the two clients do differently ------------------------------------

    def connect(self) -> Any:
        """Make a client with default options."""
        raise NotImplementedError

    async def fault(self, step: Json) -> Json:
        """Pass a fault on."""
        raise NotImplementedError

    async def start(self, step: Json) -> Json:
        """Begin a step."""
        raise NotImplementedError

    async def join(self, step: Json) -> Json:
        """Wait for a step that was begun."""
        raise NotImplementedError

    async def cancel(self, step: Json) -> Json:
        """Break off a step that was begun."""
        raise NotImplementedError


def run(coroutine: Coroutine[Any, Any, Json]) -> Json:
    """Run a coroutine that waits for nothing but what blocks."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        out: Json = done.value
        return out
    raise RuntimeError("it waits for a loop")


class SyncDriver(Driver):
    """Drives Client. Steps that are begun run in threads."""

    def __init__(self, script: Json) -> None:
        super().__init__(script)
        self._begun: dict[str, tuple[threading.Thread, Json]] = {}
        self._uncancelled: set[str] = set()

    def connect(self) -> Client:
        """Make a client with default options."""
        return Client(self.address)

    async def fault(self, step: Json) -> Json:
        """Pass a fault on."""
        return self.post(step)

    async def start(self, step: Json) -> Json:
        """Begin a step."""
        result: Json = {}
        thread = threading.Thread(target=lambda: result.update(run(self.step(step["step"]))), daemon=True)
        self._begun[step["as"]] = thread, result
        thread.start()
        return {"ok": {}}

    async def join(self, step: Json) -> Json:
        """Wait for a step that was begun."""
        if step["of"] in self._uncancelled:
            return {"unsupported": "cancel"}  # it may wait for ever
        thread, result = self._begun[step["of"]]
        thread.join()
        return result

    async def cancel(self, step: Json) -> Json:
        """Tell that a call that blocks cannot be broken off."""
        self._uncancelled.add(step["of"])
        return {"unsupported": "cancel"}


class AsyncDriver(Driver):
    """Drives AsyncClient. Steps that are begun run in tasks."""

    def __init__(self, script: Json) -> None:
        super().__init__(script)
        self._begun: dict[str, asyncio.Task[Json]] = {}

    def connect(self) -> AsyncClient:
        """Make a client with default options."""
        return AsyncClient(self.address)

    async def fault(self, step: Json) -> Json:
        """Pass a fault on."""
        return await asyncio.to_thread(self.post, step)

    async def start(self, step: Json) -> Json:
        """Begin a step."""
        self._begun[step["as"]] = asyncio.create_task(self.step(step["step"]))
        await asyncio.sleep(0)  # what has not begun cannot tell that it was cancelled
        return {"ok": {}}

    async def join(self, step: Json) -> Json:
        """Wait for a step that was begun."""
        return await self._begun[step["of"]]

    async def cancel(self, step: Json) -> Json:
        """Break off a step that was begun."""
        self._begun[step["of"]].cancel()
        return {"ok": {}}


async def result_of(driver: Driver, script: Json) -> Json:
    """Run a script."""
    try:
        return {"steps": [await driver.step(s) for s in script["steps"]]}
    finally:
        await driver.close()


def main() -> None:
    """Run the script on stdin."""
    options = argparse.ArgumentParser(description=__doc__)
    which = options.add_mutually_exclusive_group()
    which.add_argument("--sync", action="store_true", help="drive Client (the default)")
    which.add_argument("--aio", action="store_true", help="drive AsyncClient")
    script = json.load(sys.stdin)
    if options.parse_args().aio:
        result = asyncio.run(result_of(AsyncDriver(script), script))
    else:
        result = run(result_of(SyncDriver(script), script))
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
