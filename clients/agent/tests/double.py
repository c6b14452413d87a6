"""A double of a third party's endpoint that speaks OpenAI's chat and embeddings API over real HTTP.

Its embeddings are counts of words, hashed to a few components; its chat model
says which of its notes share a word with the question. Both depend on nothing
but what is sent.
"""

from __future__ import annotations

import json
import re
import threading
import zlib
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

DIMENSION = 64
KEY = "sk-double"


def words(text: str) -> list[str]:
    return [w for w in re.findall(r"[a-z]+", text.lower()) if len(w) > 2]


def embedding(text: str) -> list[float]:
    v = [0.0] * DIMENSION
    for w in words(text):
        v[zlib.crc32(w.encode()) % DIMENSION] += 1.0
    return v if any(v) else [1.0] * DIMENSION


class Double:
    """The endpoint. Owner: the test, which closes it."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.failures: deque[tuple[int, dict[str, str]]] = deque()
        """Statuses and headers of the answers to come, before it answers well again."""
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                double.requests.append((self.path, body))
                headers: dict[str, str] = {}
                if self.headers["Authorization"] != f"Bearer {KEY}":
                    status, answer = 401, _error("Incorrect API key provided")
                elif double.failures:
                    status, headers = double.failures.popleft()
                    answer = _error("try later")
                elif self.path == "/v1/embeddings":
                    status, answer = 200, _embeddings(body)
                elif self.path == "/v1/chat/completions":
                    status, answer = 200, _completion(body)
                else:
                    status, answer = 404, _error(f"unknown path {self.path}")
                data = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {
                    "Content-Type": "application/json",
                    "Content-Length": str(len(data)),
                    **headers,
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever)
        self._thread.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def of(self, path: str) -> list[Any]:
        """Return the bodies sent to a path."""
        return [body for at, body in self.requests if at == f"/v1/{path}"]

    def __enter__(self) -> Double:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


def _embeddings(body: Any) -> dict[str, Any]:
    rows = [{"object": "embedding", "index": i, "embedding": embedding(t)} for i, t in enumerate(body["input"])]
    rows.reverse()  # the index counts, not the place
    return {"object": "list", "model": body["model"], "data": rows, "usage": {"prompt_tokens": 1, "total_tokens": 1}}


def _completion(body: Any) -> dict[str, Any]:
    system, question = body["messages"][0]["content"], body["messages"][-1]["content"]
    notes = [line[2:] for line in system.splitlines() if line.startswith("- ")]
    known = [n for n in notes if set(words(n)) & set(words(question)) and "user: " in n]
    said = f"As you said: {known[0].partition('user: ')[2]}" if known else "Tell me more."
    message = {"role": "assistant", "content": said, "refusal": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
