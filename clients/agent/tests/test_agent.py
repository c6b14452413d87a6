"""The agent, run as a user runs it, against a real server: it remembers, also the next time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from engram_stream import Client
from engram_stream.testing import Server

from .double import KEY, Double

AGENT = Path(__file__).resolve().parent.parent / "agent.py"


def run(server: Server, *arguments: str, said: str = "", key: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(AGENT), "--server-addr", server.address, *arguments],
        input=said,
        env={**os.environ, "OPENAI_API_KEY": key},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def answers(out: str) -> list[str]:
    return re.findall(r"^agent> (.*)$", out, re.MULTILINE)


def test_it_remembers_over_runs_and_restarts(engram_server_factory: Callable[..., Server]) -> None:
    server = engram_server_factory()
    first = run(server, said="My sister Anna lives in Lyon.\nI am allergic to peanuts.\nWhere does my sister live?\n")
    assert first.returncode == 0, first.stderr
    assert answers(first.stdout)[2] == 'You told me: "My sister Anna lives in Lyon."'
    assert re.search(r"^  memory 0\.\d\d  \d{4}-\d\d-\d\d \d\d:\d\d  user: My sister Anna", first.stdout, re.MULTILINE)
    server.kill()  # what was kept is on its disk
    server.start()
    second = run(
        server, "--say", "what am I allergic to?", "--say", "where does my sister live?", "--say", "Who is the pope?"
    )
    assert second.returncode == 0, second.stderr
    assert answers(second.stdout) == [
        'You told me: "I am allergic to peanuts."',
        'You told me: "My sister Anna lives in Lyon."',  # not the question of before, nor the answer to it
        "I do not remember anything about that yet.",
    ]
    assert "memory nothing near it" in second.stdout
    with Client(server.address) as client:
        kept = list(client.list("agent"))
    assert [o.metadata["speaker"] for o in kept if o.metadata] == ["user", "assistant"] * 6


def test_a_turn_is_kept_when_its_answer_is_shown(engram_server_factory: Callable[..., Server]) -> None:
    server = engram_server_factory()
    command = [sys.executable, str(AGENT), "--server-addr", server.address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdin is not None
        assert agent.stdout is not None
        agent.stdin.write("The key is under the third stone.\nIt is a small one.\n")
        agent.stdin.flush()
        shown = 0
        for line in agent.stdout:
            shown += line.startswith("agent> ")
            if shown == 2:  # the turn before is kept by now
                break
        agent.send_signal(signal.SIGKILL)
    assert answers(run(server, said="where is the key?\n").stdout) == [
        'You told me: "The key is under the third stone."'
    ]


def test_with_a_model_for_both(engram_server_factory: Callable[..., Server], double: Double) -> None:
    server = engram_server_factory()
    flags = ("--base-url", double.base_url, "--chat-model", "talker-1", "--embedding-model", "Vec/Small:1")
    first = run(server, *flags, said="The kettle is in the red box.\n", key=KEY)
    assert (first.returncode, answers(first.stdout)) == (0, ["Tell me more."]), first.stderr
    second = run(server, *flags, said="Where did I put the kettle?\nand the box?\n", key=KEY)
    assert second.returncode == 0, second.stderr
    assert answers(second.stdout)[0] == "As you said: The kettle is in the red box."

    chats = double.of("chat/completions")
    assert {c["model"] for c in chats} == {"talker-1"}
    assert [m["role"] for m in chats[1]["messages"]] == ["system", "user"]
    assert "user: The kettle is in the red box." in chats[1]["messages"][0]["content"]
    # The turn before of the same run is shown word for word.
    assert [m["role"] for m in chats[2]["messages"]] == ["system", "user", "assistant", "user"]
    embeddings = double.of("embeddings")
    assert all(e["model"] == "Vec/Small:1" and e["encoding_format"] == "float" for e in embeddings)
    assert len(embeddings) == 2 * len(chats)  # what was said once, what was answered once
    with Client(server.address) as client:
        assert client.get_space("agent-vec-small-1").dimension == 64


def test_models_for_one_of_both(engram_server_factory: Callable[..., Server], double: Double) -> None:
    server = engram_server_factory()
    endpoint = ("--base-url", double.base_url, "--space-id", "own")
    run(server, "--space-id", "own", said="The kettle is in the red box.\n")
    talked = run(server, *endpoint, "--chat-model", "m", said="Where is the kettle?\n", key=KEY)
    assert answers(talked.stdout) == ["As you said: The kettle is in the red box."], talked.stderr
    assert not double.of("embeddings")
    # Vectors of another model do not fit, and it says what to do.
    wrong = run(server, *endpoint, "--embedding-model", "m", said="Where is the kettle?\n", key=KEY)
    assert wrong.returncode == 1
    assert "choose another one with --space-id" in wrong.stderr
    fresh = run(
        server, "--base-url", double.base_url, "--embedding-model", "m", said="I like tea.\nwhat do I like?\n", key=KEY
    )
    assert answers(fresh.stdout)[1] == 'You told me: "I like tea."', fresh.stderr


def test_a_busy_endpoint_is_asked_again(engram_server_factory: Callable[..., Server], double: Double) -> None:
    server = engram_server_factory()
    double.failures += [(429, {"Retry-After": "0.01"}), (503, {"Retry-After": "0.01"})]
    out = run(server, "--base-url", double.base_url, "--chat-model", "m", said="Hello there.\n", key=KEY)
    assert (out.returncode, answers(out.stdout)) == (0, ["Tell me more."]), out.stderr
    assert len(double.of("chat/completions")) == 3


def test_failures_are_told(engram_server_factory: Callable[..., Server], double: Double) -> None:
    server = engram_server_factory()
    flags = ("--base-url", double.base_url, "--chat-model", "m")
    refused = run(server, *flags, said="The cat is called Tom.\n", key="wrong")
    assert refused.returncode == 1
    assert "error: the endpoint answered 401: Incorrect API key provided" in refused.stderr
    assert len(double.requests) == 1  # asking again would not help
    # What was said is kept all the same.
    assert answers(run(server, said="how is the cat called?\n").stdout) == ['You told me: "The cat is called Tom."']

    server.stop()
    away = run(server, said="Hello.\n")
    assert away.returncode == 1
    assert away.stderr.startswith("error: unavailable")
    assert "Traceback" not in away.stderr
    for wrong in (("--base-url", "http://x/v1"), ("--chat-model", "m"), ("--memories", "0")):
        assert run(server, *wrong).returncode == 2


@pytest.mark.parametrize("name", re.findall(r"`(--[a-z-]+)`", (AGENT.parent / "README.md").read_text(encoding="utf-8")))
def test_what_the_readme_names_is_there(name: str) -> None:
    assert f'"{name}"' in AGENT.read_text(encoding="utf-8")
