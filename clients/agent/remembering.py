"""What a conversation leaves behind, and what comes back of it.

Each turn becomes two observations of one memory space: what the user said, and
what was answered. A recall brings back those nearest to what is being said now,
of this conversation and of all before it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from types import TracebackType

from engram_stream import Client, Level, Observation, Result, eq, where
from engram_stream.recall import RecallOptions

Embedder = Callable[[Sequence[str]], list[list[float]]]
"""Makes a vector of each text."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """Something that was said before."""

    id: str
    speaker: str
    """user or assistant."""
    text: str
    at: datetime
    similarity: float
    """To what was asked with: 1 is the same."""

    def __str__(self) -> str:
        return f"{self.similarity:.2f}  {self.at.astimezone():%Y-%m-%d %H:%M}  {self.speaker}: {self.text}"


class Memory:
    """The memory of one program that talks. Owner: whoever opens it, who closes it.

    It recalls on the stream that it observes on, so a recall sees what was said
    a moment ago. What `keep` has returned for is on the server's disk.
    """

    def __init__(self, client: Client, space: str, embed: Embedder | None = None) -> None:
        """Go on with a space, or begin one; without `embed` the server makes the vectors itself."""
        self._embed = embed
        self._session = client.open_memory(space, flush_to=Level.DURABLE)
        self._conversation = uuid.uuid4().hex[:12]
        self._turn = 0
        self._vectors: dict[str, list[float]] = {}  # of what was asked with, to be kept with it

    def recall(self, text: str, limit: int, at_least: float = 0.0, told: bool = False) -> list[Remembered]:
        """Return what is nearest to a text, best first, as far as it is as similar as `at_least`.

        With `told`, only what the user told: no answers, and no questions.
        """
        how: RecallOptions = {"limit": limit, "min_similarity": at_least}
        if told:
            how["filter"] = where(eq("metadata.speaker", "user"), eq("metadata.question", False))
        if self._embed is None:
            how["text"] = text
        else:
            how["vector"] = self._vector(text)
        return [_remembered(r) for r in self._session.recall(**how)]

    def keep(self, said: str, answered: str | None) -> None:
        """Observe one turn, and wait until it is on stable storage; without an answer, what was said alone."""
        self._turn += 1
        for part, (speaker, text) in enumerate((("user", said), ("assistant", answered))):
            if text is None:
                continue
            self._session.observe(
                Observation(
                    id=f"{self._conversation}-{self._turn:05}-{part}",
                    content=text,
                    vector=None if self._embed is None else self._vector(text),
                    observed_at=datetime.now(timezone.utc),
                    metadata={
                        "speaker": speaker,
                        "conversation": self._conversation,
                        "turn": self._turn,
                        "question": is_question(text),
                    },
                )
            )
        self._vectors.clear()
        self._session.flush()

    def close(self) -> None:
        """End the session; everything is kept and can be recalled."""
        self._session.close()

    def _vector(self, text: str) -> list[float]:
        assert self._embed is not None
        if text not in self._vectors:
            [self._vectors[text]] = self._embed([text])
        return self._vectors[text]

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._session.__exit__(kind, err, tb)


def is_question(text: str) -> bool:
    """Say whether a text asks rather than tells."""
    return text.rstrip().endswith("?")


def _remembered(r: Result) -> Remembered:
    o = r.observation
    said = o.metadata or {}
    return Remembered(
        id=r.id,
        speaker=str(said.get("speaker", "somebody")),
        text=r.content,
        at=o.observed_at or datetime.fromtimestamp(0, timezone.utc),
        similarity=r.similarity,
    )
