"""Talk to something that remembers: this conversation, and all before it.

    python agent.py                                       # no model needed
    python agent.py --base-url http://localhost:11434/v1 --chat-model llama3.2
    python agent.py --base-url https://api.openai.com/v1 --chat-model gpt-4o-mini \
        --embedding-model text-embedding-3-small          # key: OPENAI_API_KEY

Each turn, what the user says brings back what is near it in an Engram memory
space; the answer is made with that, and both are observed into the same space.
The program prints what came to mind. Run it again, and it still knows.

Without --chat-model it answers by quoting what it was told, without
--embedding-model the server's built-in embedder makes the vectors.

Needs: engram-stream (from the checkout, it finds the SDK beside it); httpx with
--base-url.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

try:
    import engram_stream  # noqa: F401
except ImportError:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "sdk" / "python"))

from engram_stream import Client, EngramError, InvalidError, RejectedError

from answering import Model, Quoting, Responder
from endpoint import Endpoint, EndpointError
from remembering import Embedder, Memory

RECALLED = 4
"""Memories for each turn."""

SIMILAR = 0.15
"""Below this similarity, nothing comes to mind. Embedders differ: --similar."""


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--server-addr", default="localhost:50051", help="host:port of the Engram server (%(default)s)")
    p.add_argument("--space-id", default="", help="the memory space (agent; with --embedding-model one for each model)")
    p.add_argument("--say", action="append", metavar="TEXT", help="say this in place of reading from stdin; repeatable")
    p.add_argument("--memories", type=int, default=RECALLED, help="recalled for each turn, at the most (%(default)s)")
    p.add_argument("--similar", type=float, default=SIMILAR, help="how near they have to be, 0..1 (%(default)s)")
    p.add_argument("--base-url", default="", help="an endpoint that speaks OpenAI's API, up to and with /v1")
    p.add_argument("--chat-model", default="", help="the endpoint's model that answers")
    p.add_argument("--embedding-model", default="", help="the endpoint's model that makes the vectors")
    p.add_argument("--key-env", default="OPENAI_API_KEY", help="environment variable with its key (%(default)s)")
    o = p.parse_args(arguments)
    if bool(o.base_url) != bool(o.chat_model or o.embedding_model):
        p.error("--base-url goes with --chat-model or --embedding-model, or both")
    if not 1 <= o.memories <= 100:
        p.error("--memories has to be in 1..100")
    if not o.space_id:
        # Vectors of two models have nothing to say to each other.
        model = re.sub(r"[^a-z0-9]+", "-", o.embedding_model.lower()).strip("-")
        o.space_id = f"agent-{model}"[:64] if model else "agent"
    return o


def lines(said: Sequence[str] | None) -> Iterator[str]:
    """Give what the user says, turn by turn, and show it where a terminal does not."""
    if said is not None or not sys.stdin.isatty():
        for line in said if said is not None else sys.stdin:
            if line.strip():
                print(f"you>   {line.strip()}")
                yield line.strip()
        return
    print("Say something; end with Ctrl-D.")
    while True:
        try:
            line = input("you>   ").strip()
        except EOFError:
            print()
            return
        if line:
            yield line


def talk(memory: Memory, responder: Responder, said: Iterator[str], o: argparse.Namespace) -> int:
    """Answer turn after turn; returns how many could not be answered."""
    failed = 0
    for line in said:
        try:
            memories = memory.recall(line, o.memories, o.similar, responder.told)
            for m in memories:
                print(f"  memory {m}")
            if not memories:
                print("  memory nothing near it")
            try:
                reply = responder.answer(line, memories)
            except EndpointError:
                memory.keep(line, None)  # it was said, even if nobody answers
                raise
            print(f"agent> {reply}", flush=True)
            memory.keep(line, reply)
        except EndpointError as err:
            failed += 1
            print(f"error: {err}", file=sys.stderr, flush=True)
        except RejectedError as err:
            failed += 1
            print(f"error: the turn was not kept: {err}", file=sys.stderr, flush=True)
    return failed


def main() -> int:
    """Run the program."""
    o = options()
    try:
        with ExitStack() as stack:
            client = stack.enter_context(Client(o.server_addr))
            responder: Responder = Quoting()
            embed: Embedder | None = None
            if o.base_url:
                endpoint = stack.enter_context(Endpoint(o.base_url, os.environ.get(o.key_env, "")))
                if o.chat_model:
                    responder = Model(endpoint, o.chat_model)
                if o.embedding_model:
                    model = o.embedding_model

                    def embed(texts: Sequence[str]) -> list[list[float]]:
                        return endpoint.embed(model, texts)

            memory = stack.enter_context(Memory(client, o.space_id, embed))
            return 1 if talk(memory, responder, lines(o.say), o) else 0
    except KeyboardInterrupt:
        print()
        return 130
    except InvalidError as err:
        hint = f"\nSpace {o.space_id!r} may hold vectors of another model: choose another one with --space-id."
        print(f"error: {err}{hint if err.reason == 'INVALID_DIMENSION' else ''}", file=sys.stderr)
        return 1
    except (EngramError, EndpointError) as err:
        print(f"error: {err}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
