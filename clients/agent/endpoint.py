"""A model's endpoint that speaks OpenAI's HTTP API: chat completions and embeddings.

Two requests are all there is to it, so they are written out here over httpx
rather than taken from the openai package: nothing is hidden of what is sent,
any compatible server will do, and there is one dependency in place of fifteen.

Reference: https://platform.openai.com/docs/api-reference (chat, embeddings).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

ATTEMPTS = 4
"""Tries of one request, while the endpoint is busy or away."""

LONGEST_PAUSE = 20.0
"""Seconds between two tries, at the most."""


class EndpointError(Exception):
    """The endpoint could not be asked, or did not answer as it should."""


class Endpoint:
    """An endpoint. Owner: whoever makes it, who closes it."""

    def __init__(self, base_url: str, key: str = "", timeout: float = 60.0) -> None:
        """Name the endpoint: base_url ends in /v1 with most servers; a key goes as a bearer token."""
        try:
            import httpx
        except ImportError:
            raise EndpointError("--base-url needs the package httpx: pip install -r requirements.txt") from None
        self._errors: tuple[type[Exception], ...] = (httpx.HTTPError, httpx.InvalidURL)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http: httpx.Client = httpx.Client(base_url=base_url, headers=headers, timeout=timeout)

    def chat(self, model: str, messages: Sequence[Mapping[str, str]]) -> str:
        """Return what the model says to a conversation of {role, content}."""
        answer = self._post("chat/completions", {"model": model, "messages": list(messages)})
        try:
            content = answer["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            raise EndpointError("the endpoint's answer has no choices[0].message.content") from None
        if not isinstance(content, str) or not content.strip():
            raise EndpointError("the model said nothing")
        return content.strip()

    def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text, in their order."""
        answer = self._post("embeddings", {"model": model, "input": list(texts), "encoding_format": "float"})
        try:
            rows = sorted(answer["data"], key=lambda row: row["index"])
            vectors = [[float(x) for x in row["embedding"]] for row in rows]
        except (KeyError, TypeError, ValueError):
            raise EndpointError("the endpoint's answer has no data[].embedding of numbers") from None
        if len(vectors) != len(texts) or not all(vectors):
            raise EndpointError(f"the endpoint gave {len(vectors)} vectors for {len(texts)} texts")
        return vectors

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        pause = 0.5
        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = self._http.post(path, json=body)
            except self._errors as err:
                failure, wait = f"the endpoint cannot be reached: {err}", pause
            else:
                if response.is_success:
                    try:
                        return response.json()
                    except ValueError:
                        raise EndpointError("the endpoint's answer is not JSON") from None
                failure = f"the endpoint answered {response.status_code}: {_reason(response)}"
                if response.status_code != 429 and response.status_code < 500:
                    break
                wait = _seconds(response.headers.get("Retry-After")) or pause
            if attempt < ATTEMPTS:
                time.sleep(min(wait, LONGEST_PAUSE))
                pause *= 2
        raise EndpointError(failure)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _reason(response: httpx.Response) -> str:
    """Return the message of an error of OpenAI's form, or the beginning of what came instead."""
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]


def _seconds(header: str | None) -> float:
    try:
        return max(0.0, float(header or 0))
    except ValueError:
        return 0.0  # a date: the pause of its own will do
