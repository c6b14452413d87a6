"""A TCP proxy that cuts connections, holds them, or turns them away."""

from __future__ import annotations

import socket
import struct
import threading
from types import TracebackType


class Proxy:
    """Forwards connections to one server. Owner: the test, which closes it."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []
        self._refusing = self._ended = False
        self._cut_after = -1
        self._flowing = threading.Event()
        self._flowing.set()
        self.connections = 0
        self.cuts = 0
        self._spawn(self._accept)

    @property
    def address(self) -> str:
        host, port = self._listener.getsockname()[:2]
        return f"{host}:{port}"

    def cut(self) -> None:
        """Reset all connections."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
            self.cuts += bool(pairs)
        for pair in pairs:
            for s in pair:
                _reset(s)

    def cut_after(self, n: int) -> None:
        """Reset all connections once n more bytes have come from clients."""
        with self._lock:
            self._cut_after = n

    def refuse(self, refusing: bool) -> None:
        """Turn new connections away, or take them again."""
        self._refusing = refusing

    def hold(self, holding: bool) -> None:
        """Forward nothing, or go on."""
        if holding:
            self._flowing.clear()
        else:
            self._flowing.set()

    def close(self) -> None:
        self._ended = True
        self._flowing.set()
        self._listener.close()
        self.cut()
        for t in self._threads:
            t.join(5)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _spawn(self, run: object, *args: object) -> None:
        t = threading.Thread(target=run, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(t)
        t.start()

    def _accept(self) -> None:
        self._listener.settimeout(0.1)
        while not self._ended:
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            if self._refusing:
                _reset(client)
                continue
            try:
                server = socket.create_connection(self._target, 5)
            except OSError:
                _reset(client)
                continue
            client.settimeout(None)
            server.settimeout(None)
            with self._lock:
                self.connections += 1
                self._pairs.append((client, server))
            self._spawn(self._forward, client, server, True)
            self._spawn(self._forward, server, client, False)

    def _forward(self, a: socket.socket, b: socket.socket, counted: bool) -> None:
        try:
            while data := a.recv(1 << 16):
                self._flowing.wait()
                if counted and self._due(len(data)):
                    b.sendall(data[: len(data) // 2])
                    self.cut()
                    return
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            _reset(s)

    def _due(self, n: int) -> bool:
        with self._lock:
            if self._cut_after < 0:
                return False
            self._cut_after -= n
            if self._cut_after > 0:
                return False
            self._cut_after = -1
            return True


def _reset(s: socket.socket) -> None:
    """Close a socket so that its peer gets an RST."""
    try:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    s.close()
